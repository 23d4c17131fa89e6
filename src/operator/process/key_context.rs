//! Decides what a function learns when it hears a record or a timer of a key.

use std::collections::BTreeMap;

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cells::{At, Cells, OfKey};
use super::clockwork::{Clockwork, TimeKind, Timer};
use super::handles::{
    Aggregating, AggregatingState, KeyedState, List, ListState, Map, MapState, Reducing, ReducingState, Value,
    ValueState,
};
use super::subtask_cells::{BroadcastState, SubtaskCells};
use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::watch::Watch;
use crate::state::EntryName;

/// The present key with its states and timers, and what is known of time.
pub struct KeyContext<'a, K: Key> {
    pub(super) key: &'a K,
    pub(super) hash: KeyHash,
    pub(super) time: Timestamp,
    pub(super) cells: &'a mut Cells,
    pub(super) clockwork: &'a mut Clockwork<K>,
    pub(super) watch: &'a Watch,
    pub(super) shared: &'a SubtaskCells,
}

impl<'a, K: Key> KeyContext<'a, K> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a K {
        self.key
    }

    /// The event time of the record, or the time of the timer, that is heard.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark: no record at or before it is still to come. [`Timestamp::MIN`] as long as there is none.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.clockwork.watermark()
    }

    /// What clocks on the wall show. Records that come in one batch share it.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.watch.now()
    }

    #[inline]
    fn of<S: KeyedState<K>>(&mut self, state: S) -> S::Of<'_> {
        state.of(OfKey { cells: self.cells, at: At { hash: self.hash, key: self.key, watch: self.watch } })
    }

    /// The key's value of `state`.
    #[inline]
    pub fn value<V: Data + Serialize + DeserializeOwned>(&mut self, state: ValueState<V>) -> Value<'_, K, V> {
        self.of(state)
    }

    /// The key's map of `state`.
    #[inline]
    pub fn map<N, V>(&mut self, state: MapState<N, V>) -> Map<'_, K, N, V>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        self.of(state)
    }

    /// The key's list of `state`.
    #[inline]
    pub fn list<E: Data + Serialize + DeserializeOwned>(&mut self, state: ListState<E>) -> List<'_, K, E> {
        self.of(state)
    }

    /// What the key's values of `state` were merged to.
    #[inline]
    pub fn reducing<V>(&mut self, state: ReducingState<V>) -> Reducing<'_, K, V>
    where
        V: Data + Serialize + DeserializeOwned,
    {
        self.of(state)
    }

    /// What was accumulated of the key in `state`.
    #[inline]
    pub fn aggregating<T: Data, O: Data>(&mut self, state: AggregatingState<T, O>) -> Aggregating<'_, K, T, O> {
        self.of(state)
    }

    /// The broadcast map of `state`. It changes when the other stream gives a record, and only then.
    #[must_use]
    pub fn broadcast<N, V>(&self, state: BroadcastState<N, V>) -> &BTreeMap<N, V>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        self.shared.map(state.0)
    }

    /// Registers a timer for when the watermark reaches `time`. The same one twice is one. One that is not later than the
    /// watermark fires when the watermark rises next.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn register_event_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.register(Timer { time, kind: TimeKind::Event }, self.hash, self.key)
    }

    /// Registers a timer for when clocks on the wall show `time`. The same one twice is one. One that is in the past fires
    /// at once. The end of the input does not wait for it.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn register_processing_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.register(Timer { time, kind: TimeKind::Processing }, self.hash, self.key)
    }

    /// Deletes the event timer at `time`, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn delete_event_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.delete(Timer { time, kind: TimeKind::Event }, self.hash, self.key)
    }

    /// Deletes the processing timer at `time`, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn delete_processing_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.delete(Timer { time, kind: TimeKind::Processing }, self.hash, self.key)
    }
}
