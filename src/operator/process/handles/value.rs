//! One value per key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::KeyedState;
use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::process::cells::{At, Cells, Handle, OfKey};
use crate::state::{KeyedTable, StateError, Store, Table, Ttl, TtlTable, VisitTables};

/// One value per key. A handle: the values are where the subtask keeps them.
pub struct ValueState<V>(pub(in crate::operator::process) Handle<V>);

impl<V> Clone for ValueState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ValueState<V> {}

/// The values of all keys.
pub(in crate::operator::process) enum ValueCell<K: Key, V> {
    Lasting(Table<K, V>),
    Timed(TtlTable<K, V>),
}

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> ValueCell<K, V> {
    pub(in crate::operator::process) fn open(store: &mut Store, name: &str, ttl: Option<Ttl>) -> Result<Self> {
        Ok(match ttl {
            None => Self::Lasting(store.table(name)?),
            Some(ttl) => Self::Timed(TtlTable::open(store, name, ttl)?),
        })
    }

    #[inline]
    pub(super) fn get(&mut self, at: At<'_, K>) -> Result<Option<&V>> {
        Ok(match self {
            Self::Lasting(table) => table.get(at.hash, at.key),
            Self::Timed(table) => table.get(at.hash, at.key, at.watch.now()),
        }?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: At<'_, K>) -> Result<Option<&mut V>> {
        Ok(match self {
            Self::Lasting(table) => table.get_mut(at.hash, at.key),
            Self::Timed(table) => table.get_mut(at.hash, at.key, at.watch.now()),
        }?)
    }

    #[inline]
    pub(super) fn get_or_insert_with(&mut self, at: At<'_, K>, init: impl FnOnce() -> V) -> Result<&mut V> {
        Ok(match self {
            Self::Lasting(table) => table.get_or_insert_with(at.hash, at.key, init),
            Self::Timed(table) => table.get_or_insert_with(at.hash, at.key, at.watch.now(), init),
        }?)
    }

    #[inline]
    pub(super) fn insert(&mut self, at: At<'_, K>, value: V) -> Result<()> {
        Ok(match self {
            Self::Lasting(table) => table.insert(at.hash, at.key, value),
            Self::Timed(table) => table.insert(at.hash, at.key, at.watch.now(), value),
        }?)
    }

    pub(super) fn remove(&mut self, at: At<'_, K>) -> Result<Option<V>> {
        Ok(match self {
            Self::Lasting(table) => table.remove(at.hash, at.key),
            Self::Timed(table) => table.remove(at.hash, at.key, at.watch.now()),
        }?)
    }

    pub(super) fn keys(&mut self) -> Result<Vec<(KeyHash, K)>> {
        Ok(match self {
            Self::Lasting(table) => table.keys(),
            Self::Timed(table) => table.keys(),
        }?)
    }
}

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for ValueCell<K, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        match self {
            Self::Lasting(table) => table.visit(each),
            Self::Timed(table) => table.visit(each),
        }
    }
}

impl<K: Key, V: Data + Serialize + DeserializeOwned> KeyedState<K> for ValueState<V> {
    type Of<'a> = Value<'a, K, V>;

    #[inline]
    fn of<'a>(self, key: OfKey<'a, K>) -> Value<'a, K, V> {
        Value { cell: key.cells.get(self.0), at: key.at }
    }

    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>> {
        cells.get::<ValueCell<K, V>, _>(self.0).keys()
    }
}

/// The value of the present key.
pub struct Value<'a, K: Key, V> {
    cell: &'a mut ValueCell<K, V>,
    at: At<'a, K>,
}

impl<'a, K: Key, V: Data + Serialize + DeserializeOwned> Value<'a, K, V> {
    /// The value, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read; so it is with all that follows.
    #[inline]
    pub fn get(&mut self) -> Result<Option<&V>> {
        self.cell.get(self.at)
    }

    /// The value, to be changed in place.
    ///
    /// # Errors
    /// See [`Value::get`].
    #[inline]
    pub fn get_mut(&mut self) -> Result<Option<&mut V>> {
        self.cell.get_mut(self.at)
    }

    /// The value, to be changed in place; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`Value::get`].
    #[inline]
    pub fn get_or_insert_with(self, init: impl FnOnce() -> V) -> Result<&'a mut V> {
        self.cell.get_or_insert_with(self.at, init)
    }

    /// Sets the value. Does not read what is replaced.
    ///
    /// # Errors
    /// See [`Value::get`].
    #[inline]
    pub fn set(&mut self, value: V) -> Result<()> {
        self.cell.insert(self.at, value)
    }

    /// Removes the value and gives it.
    ///
    /// # Errors
    /// See [`Value::get`].
    pub fn take(&mut self) -> Result<Option<V>> {
        self.cell.remove(self.at)
    }
}
