//! Decides how a function over keyed records names its states: it declares them once, and has a small handle for each.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cells::Cells;
use super::handles::{
    AggregatingCell, AggregatingState, ListCell, ListState, MapCell, MapState, ReducingCell, ReducingState, ValueCell,
    ValueState,
};
use super::names::Names;
use crate::error::Result;
use crate::model::{Data, Key};
use crate::operator::aggregate::Aggregate;
use crate::operator::{SideEmitter, SideOutput, SubtaskContext};
use crate::state::{EntryName, Store, Ttl};

/// Declares the states of a function whose records have keys of type `K`, when a subtask opens.
///
/// # Errors
/// Each declaration fails if its name is empty, has a `/` in it, or is used twice by the function; that ends the job, since
/// no restart would help. It also fails if the state on disk cannot be read or trusted.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use millstream::operator::{ListState, States, ValueState};
/// use millstream::prelude::*;
/// use millstream::state::Ttl;
///
/// struct Visits {
///     total: ValueState<u64>,
///     pages: ListState<String>,
/// }
///
/// fn open(states: &mut States<'_, u32>) -> Result<Visits> {
///     let a_day = Ttl::of(Duration::from_secs(86_400));
///     Ok(Visits { total: states.value("total")?, pages: states.with_ttl(a_day).list("pages")? })
/// }
/// # let _ = open;
/// ```
pub struct States<'a, K> {
    names: &'a mut Names,
    context: &'a mut SubtaskContext,
    cells: &'a mut Cells,
    ttl: Option<Ttl>,
    keys: PhantomData<fn(K)>,
}

impl<'a, K: Key> States<'a, K> {
    pub(crate) fn new(names: &'a mut Names, context: &'a mut SubtaskContext, cells: &'a mut Cells) -> Self {
        Self { names, context, cells, ttl: None, keys: PhantomData }
    }

    /// Gives what is declared through it a time-to-live: it is over when that has passed since it was written, in
    /// processing time. Each value has its own time, and so have each entry of a map and each element of a list.
    pub fn with_ttl(&mut self, ttl: Ttl) -> States<'_, K> {
        States { names: self.names, context: self.context, cells: self.cells, ttl: Some(ttl), keys: PhantomData }
    }

    /// The name of a state within its store, and the store.
    fn place(&mut self, name: &str) -> Result<(String, &mut Store)> {
        let name = self.names.claim(name)?;
        let store = self.context.store(&name)?;
        Ok((name, store))
    }

    /// One value per key.
    ///
    /// # Errors
    /// See [`States`].
    pub fn value<V>(&mut self, name: &str) -> Result<ValueState<V>>
    where
        V: Data + Serialize + DeserializeOwned,
    {
        let cell: ValueCell<K, V> = self.values(name)?;
        Ok(ValueState(self.cells.add(cell)))
    }

    fn values<V>(&mut self, name: &str) -> Result<ValueCell<K, V>>
    where
        V: Data + Serialize + DeserializeOwned,
    {
        let ttl = self.ttl;
        let (name, store) = self.place(name)?;
        ValueCell::open(store, &name, ttl)
    }

    /// A map per key. Touching an entry does not write the others.
    ///
    /// # Errors
    /// See [`States`].
    pub fn map<N, V>(&mut self, name: &str) -> Result<MapState<N, V>>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        let ttl = self.ttl;
        let (name, store) = self.place(name)?;
        let cell: MapCell<K, N, V> = MapCell::open(store, &name, ttl)?;
        Ok(MapState(self.cells.add(cell)))
    }

    /// A list per key. To append to it does not write what it has already.
    ///
    /// # Errors
    /// See [`States`].
    pub fn list<E>(&mut self, name: &str) -> Result<ListState<E>>
    where
        E: Data + Serialize + DeserializeOwned,
    {
        let ttl = self.ttl;
        let (name, store) = self.place(name)?;
        let cell: ListCell<K, E> = ListCell::open(store, &name, ttl)?;
        Ok(ListState(self.cells.add(cell)))
    }

    /// A value per key, into which `step` merges each new one.
    ///
    /// # Errors
    /// See [`States`].
    pub fn reducing<V>(&mut self, name: &str, step: impl FnMut(&mut V, V) + Send + 'static) -> Result<ReducingState<V>>
    where
        V: Data + Serialize + DeserializeOwned,
    {
        let values: ValueCell<K, V> = self.values(name)?;
        Ok(ReducingState(self.cells.add(ReducingCell::new(values, step))))
    }

    /// An accumulator of `aggregate` per key.
    ///
    /// # Errors
    /// See [`States`].
    pub fn aggregating<T, G>(&mut self, name: &str, aggregate: G) -> Result<AggregatingState<T, G::Out>>
    where
        T: Data,
        G: Aggregate<T>,
    {
        let values: ValueCell<K, G::Accumulator> = self.values(name)?;
        Ok(AggregatingState(self.cells.add(AggregatingCell::<K, T, G::Out>::new(values, aggregate))))
    }

    /// The end of `side` that the function emits into. The stream must say that it [fills](crate::Stream::fills) it.
    pub fn side<S: Data>(&mut self, side: &SideOutput<S>) -> SideEmitter<S> {
        self.context.side(side)
    }

    /// What else is known of the subtask.
    #[must_use]
    pub fn subtask(&self) -> &SubtaskContext {
        self.context
    }
}
