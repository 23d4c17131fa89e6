//! Joins each record with the version of a table's row that was in force at the record's event time.

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Change;
use crate::error::{Error, Result};
use crate::metrics::{Counter, LATE};
use crate::model::{Data, Key, Record};
use crate::operator::{CoProcess, Emit, KeyContext, MapState, SideEmitter, States, Timer};

/// What is made of each record and of the version in force, at the time of the record; built by
/// [`KeyedStream::temporal_join`](crate::KeyedStream::temporal_join).
///
/// # State
/// Per key, records until the watermark reaches them, and versions: the one in force at the watermark, and newer ones.
///
/// # Source
/// `docs/semantics.md`, laws JN-9 to JN-12; the meaning is that of Flink's temporal table join in event time.
pub struct TemporalJoin<L, T, V, C, F> {
    uid: String,
    change_of: C,
    answer: F,
    waiting: MapState<Timestamp, Vec<L>>,
    versions: MapState<Timestamp, Change<V>>,
    late: Counter,
    late_records: Option<SideEmitter<L>>,
    late_changes: Option<SideEmitter<T>>,
}

impl<L, T, V, C, F> TemporalJoin<L, T, V, C, F>
where
    L: Data + Serialize + DeserializeOwned,
    V: Data + Serialize + DeserializeOwned,
{
    pub(crate) fn open<K: Key>(
        uid: &str,
        (change_of, answer): (C, F),
        (late_records, late_changes): (Option<SideEmitter<L>>, Option<SideEmitter<T>>),
        states: &mut States<'_, K>,
    ) -> Result<Self> {
        let late = states.subtask().counter(LATE);
        let (waiting, versions) = (states.map("waiting")?, states.map("versions")?);
        Ok(Self { uid: uid.to_owned(), change_of, answer, waiting, versions, late, late_records, late_changes })
    }

    /// Whether the watermark has reached `time`, so that records until then have been answered.
    fn is_late<K: Key>(&self, time: Timestamp, context: &KeyContext<'_, K>) -> Result<bool> {
        if !time.is_some() {
            return Err(Error::user(&self.uid, "a record has no event time: call `event_time` before the join"));
        }
        Ok(time <= context.watermark())
    }
}

impl<K, L, T, V, O, C, F> CoProcess<K, L, T> for TemporalJoin<L, T, V, C, F>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    T: Data + Clone,
    V: Data + Serialize + DeserializeOwned,
    O: Data,
    C: FnMut(T) -> Change<V> + Send + 'static,
    F: FnMut(L, Option<&V>) -> Option<O> + Send + 'static,
{
    type Out = O;

    fn on_left<E: Emit<O>>(&mut self, record: Record<L>, context: &mut KeyContext<'_, K>, _: &mut E) -> Result<()> {
        let time = record.time;
        if self.is_late(time, context)? {
            self.late.add(1);
            if let Some(side) = &self.late_records {
                side.emit(record);
            }
            return Ok(());
        }
        context.map(self.waiting).get_or_insert_with(&time, Vec::new)?.push(record.value);
        context.register_event_timer(time)
    }

    fn on_right<E: Emit<O>>(&mut self, change: Record<T>, context: &mut KeyContext<'_, K>, _: &mut E) -> Result<()> {
        let time = change.time;
        if self.is_late(time, context)? {
            self.late.add(1);
            self.late_changes.iter().for_each(|side| side.emit(change.clone()));
            // It counts for records that are still to come, unless a newer one does.
            let until_now = time..=context.watermark();
            if context.map(self.versions).range(until_now)?.any(|(since, _)| *since > time) {
                return Ok(());
            }
        }
        context.map(self.versions).insert(&time, (self.change_of)(change.value))?;
        context.register_event_timer(time)
    }

    /// Answers the records of one time, and forgets the versions that nobody asks for any more.
    fn on_timer<E: Emit<O>>(&mut self, timer: Timer, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        let records = context.map(self.waiting).remove(&timer.time)?.unwrap_or_default();
        let (mut in_force, mut over) = (None, Vec::new());
        for (since, change) in context.map(self.versions).range(Timestamp::MIN..=timer.time)? {
            let before = in_force.replace((*since, change));
            over.extend(before.map(|(since, _)| since));
        }
        let version = in_force.and_then(|(_, change)| change.row());
        for record in records {
            if let Some(value) = (self.answer)(record, version) {
                out.emit(Record::at(value, timer.time))?;
            }
        }
        // That there is no row need not be remembered. Records that are still to come are later than the timer.
        over.extend(in_force.filter(|(_, change)| change.row().is_none()).map(|(since, _)| since));
        over.iter().try_for_each(|since| context.map(self.versions).remove(since).map(drop))
    }
}
