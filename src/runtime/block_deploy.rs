//! What is decided about one block before its tasks are made.

use std::collections::BTreeSet;
use std::sync::Arc;

use millstream_actors::blueprint::EdgePattern;
use millstream_actors::ids::BlockId;

use crate::io::Surroundings;
use crate::metrics::Registry;
use crate::model::MaxParallelism;
use crate::operator::event_time::AlignmentGroups;
use crate::operator::{First, Local, RoundRobin, SideId};
use crate::state::StateDir;

/// What the plan and the options of a job decide about one block.
#[derive(Clone)]
pub(crate) struct BlockDeploy {
    pub(crate) block: BlockId,
    pub(crate) name: String,
    pub(crate) parallelism: u32,
    pub(crate) max_parallelism: MaxParallelism,
    /// Per outgoing edge, the parallelism of the receiving block and whether a subtask reaches all of it.
    pub(crate) receivers: Vec<Receivers>,
    /// Per incoming edge, in the order in which channels are numbered, which input it is and who sends.
    pub(crate) senders: Vec<Senders>,
    pub(crate) batch_records: usize,
    /// The file name of its keyed state, if it has any.
    pub(crate) stem: Option<String>,
    pub(crate) state: StateDir,
    pub(crate) run: Arc<str>,
    pub(crate) metrics: Registry,
    /// The uid under which operators count that come before the first one with a uid.
    pub(crate) uid_before: Arc<str>,
    pub(crate) surroundings: Surroundings,
    pub(crate) alignment_groups: AlignmentGroups,
    /// The side outputs of the block that somebody reads.
    pub(crate) read_sides: BTreeSet<SideId>,
}

/// The receiving end of an edge, as a sender counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receivers {
    pub(crate) parallelism: u32,
    pub(crate) pattern: EdgePattern,
}

/// The sending end of an edge, as a receiver counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Senders {
    pub(crate) input: usize,
    pub(crate) parallelism: u32,
    pub(crate) pattern: EdgePattern,
}

impl BlockDeploy {
    /// Which input of the block each channel of subtask `index` belongs to.
    pub(super) fn inputs(&self, index: u32) -> Vec<usize> {
        let of_edge = |edge: &Senders| {
            let reaches =
                |sender: &u32| edge.pattern.receivers(*sender, edge.parallelism, self.parallelism).contains(&index);
            std::iter::repeat_n(edge.input, (0..edge.parallelism).filter(reaches).count())
        };
        self.senders.iter().flat_map(of_edge).collect()
    }

    /// How many channels subtask `index` has along `edge`.
    pub(crate) fn channels(&self, edge: usize, index: u32) -> usize {
        let Receivers { parallelism, pattern } = self.receivers[edge];
        pattern.receivers(index, self.parallelism, parallelism).len()
    }

    /// The partition of an edge without exchange of its own: to the equal if there is one, else in turn.
    pub(crate) fn local(&self, edge: usize, index: u32) -> Local {
        match self.receivers[edge].pattern {
            EdgePattern::OneToOne => Local::Equals(First),
            _ => Local::InTurn(RoundRobin::starting_at(index as usize)),
        }
    }
}
