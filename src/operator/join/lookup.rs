//! Joins each record with what a table's row is when the record comes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Change;
use crate::error::Result;
use crate::model::{Data, Key, Record};
use crate::operator::{CoProcess, Emit, KeyContext, States, ValueState};

/// What is made of each record and of the row as it is now; built by
/// [`KeyedStream::lookup_join`](crate::KeyedStream::lookup_join).
///
/// # State
/// One row per key, until it is deleted.
pub struct LookupJoin<V, C, F> {
    change_of: C,
    answer: F,
    row: ValueState<V>,
}

impl<V: Data + Serialize + DeserializeOwned, C, F> LookupJoin<V, C, F> {
    pub(crate) fn open<K: Key>((change_of, answer): (C, F), states: &mut States<'_, K>) -> Result<Self> {
        Ok(Self { change_of, answer, row: states.value("row")? })
    }
}

impl<K, L, T, V, O, C, F> CoProcess<K, L, T> for LookupJoin<V, C, F>
where
    K: Key,
    L: Data,
    T: Data,
    V: Data + Serialize + DeserializeOwned,
    O: Data,
    C: FnMut(T) -> Change<V> + Send + 'static,
    F: FnMut(L, Option<&V>) -> Option<O> + Send + 'static,
{
    type Out = O;

    fn on_left<E: Emit<O>>(&mut self, record: Record<L>, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        let answer = (self.answer)(record.value, context.value(self.row).get()?);
        answer.map_or(Ok(()), |value| out.emit(Record { value, time: record.time }))
    }

    fn on_right<E: Emit<O>>(&mut self, change: Record<T>, context: &mut KeyContext<'_, K>, _: &mut E) -> Result<()> {
        match (self.change_of)(change.value) {
            Change::Upsert(row) => context.value(self.row).set(row),
            Change::Delete => context.value(self.row).take().map(drop),
        }
    }
}
