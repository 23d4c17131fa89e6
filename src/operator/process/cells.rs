//! Decides how a process function names its states: it declares them once, and has a small handle for each.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::{SideEmitter, SideOutput, SubtaskContext};
use crate::state::{EntryName, KeyedTable, MapTable, StateError, Table, VisitTables};

/// One value per key. A handle: the values are where the subtask keeps them.
pub struct ValueState<V>(Handle<V>);

/// A map per key, kept entry by entry. A handle, as [`ValueState`] is one.
pub struct MapState<N, V>(Handle<(N, V)>);

/// The position of a state among those that were declared.
struct Handle<S> {
    index: usize,
    holds: PhantomData<fn() -> S>,
}

impl<S> Handle<S> {
    fn new(index: usize) -> Self {
        Self { index, holds: PhantomData }
    }
}

impl<V> Clone for ValueState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ValueState<V> {}

impl<N, V> Clone for MapState<N, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N, V> Copy for MapState<N, V> {}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Handle<S> {}

/// The tables behind the handles of one process function.
#[derive(Default)]
pub(crate) struct Cells(Vec<Box<dyn Cell>>);

/// A table whose types are forgotten.
trait Cell: Any + Send {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError>;
}

impl<C: VisitTables + Any + Send> Cell for C {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        VisitTables::visit(self, each)
    }
}

impl Cells {
    fn add(&mut self, cell: impl Cell) -> usize {
        self.0.push(Box::new(cell));
        self.0.len() - 1
    }

    /// The table behind a handle.
    fn get<C: Any>(&mut self, index: usize) -> &mut C {
        let cell: &mut dyn Any = &mut *self.0[index];
        cell.downcast_mut().expect("a handle is used with the function that declared it, and with keys of its type")
    }
}

impl VisitTables for Cells {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.iter_mut().try_for_each(|cell| cell.visit(each))
    }
}

/// Declares the states of a process function whose records have keys of type `K`, when a subtask opens.
pub struct States<'a, K> {
    uid: &'a str,
    context: &'a mut SubtaskContext,
    cells: &'a mut Cells,
    keys: PhantomData<fn(K)>,
}

impl<'a, K: Key> States<'a, K> {
    pub(crate) fn new(uid: &'a str, context: &'a mut SubtaskContext, cells: &'a mut Cells) -> Self {
        Self { uid, context, cells, keys: PhantomData }
    }

    /// The name of a state within its store.
    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.uid)
    }

    /// One value per key.
    ///
    /// # Errors
    /// If the name is used twice, or the state on disk cannot be read or trusted.
    pub fn value<V>(&mut self, name: &str) -> Result<ValueState<V>>
    where
        V: Data + Serialize + DeserializeOwned,
    {
        let table: Table<K, V> = self.context.table(&self.full_name(name))?;
        Ok(ValueState(Handle::new(self.cells.add(table))))
    }

    /// A map per key. Touching an entry does not write the others.
    ///
    /// # Errors
    /// As [`States::value`].
    pub fn map<N, V>(&mut self, name: &str) -> Result<MapState<N, V>>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        let name = self.full_name(name);
        let table: MapTable<K, N, V> = MapTable::open(self.context.store(&name)?, &name)?;
        Ok(MapState(Handle::new(self.cells.add(table))))
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

/// The states of the present key.
pub(crate) struct OfKey<'a, K> {
    pub(crate) cells: &'a mut Cells,
    pub(crate) hash: KeyHash,
    pub(crate) key: &'a K,
}

/// The value of the present key.
pub struct Value<'a, K: Key, V> {
    table: &'a mut Table<K, V>,
    hash: KeyHash,
    key: &'a K,
}

impl<'a, K: Key, V: Data + Serialize + DeserializeOwned> Value<'a, K, V> {
    pub(crate) fn of(state: ValueState<V>, of: OfKey<'a, K>) -> Self {
        Self { table: of.cells.get(state.0.index), hash: of.hash, key: of.key }
    }

    /// The value, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read; so it is with all that follows.
    pub fn get(&mut self) -> Result<Option<&V>> {
        Ok(self.table.get(self.hash, self.key)?)
    }

    /// The value, to be changed in place.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn get_mut(&mut self) -> Result<Option<&mut V>> {
        Ok(self.table.get_mut(self.hash, self.key)?)
    }

    /// The value, to be changed in place; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn get_or_insert_with(self, init: impl FnOnce() -> V) -> Result<&'a mut V> {
        Ok(self.table.get_or_insert_with(self.hash, self.key, init)?)
    }

    /// Sets the value.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn set(&mut self, value: V) -> Result<()> {
        Ok(self.table.insert(self.hash, self.key, value)?)
    }

    /// Removes the value and gives it.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn take(&mut self) -> Result<Option<V>> {
        Ok(self.table.remove(self.hash, self.key)?)
    }
}

/// The map of the present key.
pub struct Map<'a, K: Key, N: EntryName, V> {
    table: &'a mut MapTable<K, N, V>,
    hash: KeyHash,
    key: &'a K,
}

impl<'a, K: Key, N: EntryName, V: Data + Serialize + DeserializeOwned> Map<'a, K, N, V> {
    pub(crate) fn of(state: MapState<N, V>, of: OfKey<'a, K>) -> Self {
        Self { table: of.cells.get(state.0.index), hash: of.hash, key: of.key }
    }

    /// The entry `name`, if there is one.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn get(&mut self, name: &N) -> Result<Option<&V>> {
        Ok(self.table.get(self.hash, self.key, name)?)
    }

    /// The entry `name`, to be changed in place; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn get_or_insert_with(&mut self, name: &N, init: impl FnOnce() -> V) -> Result<&mut V> {
        Ok(self.table.get_or_insert_with(self.hash, self.key, name, init)?)
    }

    /// Sets the entry `name`.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn insert(&mut self, name: &N, value: V) -> Result<()> {
        Ok(self.table.insert(self.hash, self.key, name, value)?)
    }

    /// Removes the entry `name` and gives it.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn remove(&mut self, name: &N) -> Result<Option<V>> {
        Ok(self.table.remove(self.hash, self.key, name)?)
    }

    /// All entries, in the order of their names.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn entries(&mut self) -> Result<impl Iterator<Item = (&N, &V)>> {
        Ok(self.table.entries(self.hash, self.key)?)
    }

    /// The entries whose names are in `names`, in order.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn range(self, names: RangeInclusive<N>) -> Result<impl Iterator<Item = (&'a N, &'a V)>> {
        Ok(self.table.range(self.hash, self.key, names)?)
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn clear(&mut self) -> Result<()> {
        Ok(self.table.clear(self.hash, self.key)?)
    }
}
