//! Turns each record into another, with a state per key at hand.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Emit, Operator, PartVisitor};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record};
use crate::state::Table;

/// One record out per record in; built by [`KeyedStream::map_with_state`](crate::KeyedStream::map_with_state).
pub struct MapWithState<K: Key, T, S, F> {
    states: Table<K, S>,
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<K: Key, T, S, F> MapWithState<K, T, S, F> {
    pub(crate) fn new(states: Table<K, S>, function: F) -> Self {
        Self { states, function, takes: PhantomData }
    }
}

impl<K, T, S, U, F> Operator for MapWithState<K, T, S, F>
where
    K: Key,
    T: Data,
    S: Data + Default + Serialize + DeserializeOwned,
    U: Data,
    F: FnMut(&mut S, T) -> U + Send + 'static,
{
    type In = Keyed<K, T>;
    type Out = U;

    #[inline(always)]
    fn on_record<E: Emit<U>>(&mut self, record: Record<Keyed<K, T>>, out: &mut E) -> Result<()> {
        let Keyed { hash, key, value } = record.value;
        let state = self.states.get_or_insert_with(hash, &key, S::default)?;
        let value = (self.function)(state, value);
        out.emit(Record { value, time: record.time })
    }

    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[Keyed<K, T>]) {
        self.states.look_ahead(upcoming.iter().map(|keyed| keyed.hash));
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.states);
    }
}
