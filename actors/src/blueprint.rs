//! What the supervisor deploys: blocks, how many subtasks each has, and the edges between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{BlockId, ChannelId, SubtaskId};
use crate::task::{EnumerationFactory, TaskFactory};

/// A job without its types: only factories know what the tasks do.
#[derive(Clone, Default)]
pub struct Blueprint {
    /// The blocks in topological order; a block's [`BlockId`] is its position.
    pub blocks: Vec<BlockBlueprint>,
    /// The edges. A block's outgoing edges have the order in which its tasks number their outputs.
    pub edges: Vec<EdgeBlueprint>,
}

/// One block.
#[derive(Clone)]
pub struct BlockBlueprint {
    /// Its name in failures.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// Makes its tasks.
    pub tasks: Arc<dyn TaskFactory>,
    /// Makes its enumeration, if it begins with a source.
    pub splits: Option<Arc<dyn EnumerationFactory>>,
}

/// One edge between two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeBlueprint {
    /// Where records leave.
    pub from: BlockId,
    /// Where records arrive.
    pub to: BlockId,
    /// Which subtasks are joined.
    pub pattern: EdgePattern,
}

/// Which subtasks of two blocks an edge joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgePattern {
    /// Each with the one of its own index; both blocks have the same parallelism.
    OneToOne,
    /// Each with those of its own part of the other block.
    Pointwise,
    /// Each with each.
    AllToAll,
}

impl EdgePattern {
    /// The receivers of subtask `sender`, in order.
    #[must_use]
    pub fn receivers(self, sender: u32, senders: u32, receivers: u32) -> Vec<u32> {
        match self {
            Self::OneToOne => vec![sender],
            Self::AllToAll => (0..receivers).collect(),
            Self::Pointwise if receivers >= senders => {
                let part = |sender: u32| (u64::from(sender) * u64::from(receivers) / u64::from(senders)) as u32;
                (part(sender)..part(sender + 1)).collect()
            }
            Self::Pointwise => vec![(u64::from(sender) * u64::from(receivers) / u64::from(senders)) as u32],
        }
    }
}

/// The channels of a blueprint, numbered per receiver.
#[derive(Debug, Clone)]
pub struct Channels {
    /// Per sender, per outgoing edge, the receivers and the channels they know it by.
    outgoing: BTreeMap<SubtaskId, Vec<Vec<(SubtaskId, ChannelId)>>>,
    incoming: BTreeMap<SubtaskId, u32>,
}

impl Channels {
    /// The channels along all edges of `blueprint`.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let mut channels_of = Self { outgoing: BTreeMap::new(), incoming: BTreeMap::new() };
        for edge in &blueprint.edges {
            let senders = blueprint.blocks[edge.from.0 as usize].parallelism;
            let receivers = blueprint.blocks[edge.to.0 as usize].parallelism;
            for sender in 0..senders {
                let channels = edge.pattern.receivers(sender, senders, receivers).into_iter().map(|receiver| {
                    let receiver = SubtaskId { block: edge.to, index: receiver };
                    let next = channels_of.incoming.entry(receiver).or_default();
                    let channel = ChannelId(*next);
                    *next += 1;
                    (receiver, channel)
                });
                let sender = SubtaskId { block: edge.from, index: sender };
                channels_of.outgoing.entry(sender).or_default().push(channels.collect());
            }
        }
        channels_of
    }

    /// Per outgoing edge of `sender`, the receivers and the channels they know it by.
    #[must_use]
    pub fn outgoing(&self, sender: SubtaskId) -> &[Vec<(SubtaskId, ChannelId)>] {
        self.outgoing.get(&sender).map_or(&[], Vec::as_slice)
    }

    /// The senders into `receiver`, by the number of the channel.
    #[must_use]
    pub fn senders(&self, receiver: SubtaskId) -> Vec<SubtaskId> {
        let into = |(sender, edges): (&SubtaskId, &Vec<Vec<(SubtaskId, ChannelId)>>)| {
            let channels = edges.iter().flatten().filter(|(to, _)| *to == receiver);
            channels.map(|(_, channel)| (*channel, *sender)).collect::<Vec<_>>()
        };
        let mut senders = self.outgoing.iter().flat_map(into).collect::<Vec<_>>();
        senders.sort_unstable();
        senders.into_iter().map(|(_, sender)| sender).collect()
    }

    /// How many input channels `receiver` has.
    #[must_use]
    pub fn incoming(&self, receiver: SubtaskId) -> usize {
        self.incoming.get(&receiver).map_or(0, |&channels| channels as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointwise_edges_reach_every_receiver_once_and_leave_no_sender_out() {
        for (senders, receivers) in [(1, 1), (2, 4), (4, 2), (3, 7), (7, 3), (5, 5)] {
            let reached = (0..senders)
                .map(|sender| EdgePattern::Pointwise.receivers(sender, senders, receivers))
                .inspect(|part| assert!(!part.is_empty()))
                .flatten()
                .collect::<Vec<_>>();
            let mut distinct = reached.clone();
            distinct.dedup();
            assert_eq!(distinct, (0..receivers).collect::<Vec<_>>(), "{senders} to {receivers}");
            assert_eq!(reached.len(), senders.max(receivers) as usize);
        }
    }
}
