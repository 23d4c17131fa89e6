//! Decides what a function over a whole stream learns when it hears a record.

use std::collections::BTreeMap;

use millstream_actors::time::Timestamp;

use super::subtask_cells::{BroadcastState, OperatorList, SubtaskCells, UnionList};
use crate::model::Data;
use crate::operator::watch::Watch;
use crate::state::EntryName;

/// The states of the subtask, and what is known of time.
pub struct StreamContext<'a> {
    pub(super) cells: &'a mut SubtaskCells,
    pub(super) time: Timestamp,
    pub(super) watermark: Timestamp,
    pub(super) watch: &'a Watch,
}

impl StreamContext<'_> {
    /// The event time of the record or watermark that is heard.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark: no record at or before it is still to come. [`Timestamp::MIN`] as long as there is none.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// What clocks on the wall show. Records that come in one batch share it.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.watch.now()
    }

    /// The subtask's list of `state`.
    pub fn list<E: Data>(&mut self, state: OperatorList<E>) -> &mut Vec<E> {
        self.cells.list(state.0)
    }

    /// The subtask's own elements of `state`.
    pub fn union_list<E: Data>(&mut self, state: UnionList<E>) -> &mut Vec<E> {
        self.cells.list(state.0)
    }

    /// The broadcast map of `state`, to be changed. Every subtask must change it alike: see
    /// [`OperatorStates::broadcast`](super::OperatorStates::broadcast).
    pub fn broadcast<N: EntryName, V: Data>(&mut self, state: BroadcastState<N, V>) -> &mut BTreeMap<N, V> {
        self.cells.map_mut(state.0)
    }
}

/// As [`StreamContext`], but broadcast maps are only read: the record that is heard is not heard by all subtasks.
pub struct ReadOnlyContext<'a>(pub(super) StreamContext<'a>);

impl ReadOnlyContext<'_> {
    /// As [`StreamContext::time`].
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.0.time()
    }

    /// As [`StreamContext::watermark`].
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.0.watermark()
    }

    /// As [`StreamContext::processing_time`].
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.0.processing_time()
    }

    /// As [`StreamContext::list`].
    pub fn list<E: Data>(&mut self, state: OperatorList<E>) -> &mut Vec<E> {
        self.0.list(state)
    }

    /// As [`StreamContext::union_list`].
    pub fn union_list<E: Data>(&mut self, state: UnionList<E>) -> &mut Vec<E> {
        self.0.union_list(state)
    }

    /// The broadcast map of `state`.
    #[must_use]
    pub fn broadcast<N: EntryName, V: Data>(&self, state: BroadcastState<N, V>) -> &BTreeMap<N, V> {
        self.0.cells.map(state.0)
    }
}
