//! One map per key, kept entry by entry.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Items, KeyedState};
use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::process::cells::{At, Cells, Handle, OfKey};
use crate::state::{EntryName, KeyedTable, MapTable, StateError, Store, Ttl, TtlMapTable, VisitTables};

/// A map per key, kept entry by entry. A handle, as [`ValueState`](super::ValueState) is one.
pub struct MapState<N, V>(pub(in crate::operator::process) Handle<(N, V)>);

impl<N, V> Clone for MapState<N, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N, V> Copy for MapState<N, V> {}

/// The maps of all keys.
pub(in crate::operator::process) enum MapCell<K: Key, N: EntryName, V> {
    Lasting(MapTable<K, N, V>),
    Timed(TtlMapTable<K, N, V>),
}

impl<K: Key, N: EntryName, V: Data + Serialize + DeserializeOwned> MapCell<K, N, V> {
    pub(in crate::operator::process) fn open(store: &mut Store, name: &str, ttl: Option<Ttl>) -> Result<Self> {
        Ok(match ttl {
            None => Self::Lasting(MapTable::open(store, name)?),
            Some(ttl) => Self::Timed(TtlMapTable::open(store, name, ttl)?),
        })
    }
}

impl<K: Key, N: EntryName, V: Data + Serialize + DeserializeOwned> VisitTables for MapCell<K, N, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        match self {
            Self::Lasting(table) => table.visit(each),
            Self::Timed(table) => table.visit(each),
        }
    }
}

impl<K: Key, N: EntryName, V: Data + Serialize + DeserializeOwned> KeyedState<K> for MapState<N, V> {
    type Of<'a> = Map<'a, K, N, V>;

    #[inline]
    fn of<'a>(self, key: OfKey<'a, K>) -> Map<'a, K, N, V> {
        Map { cell: key.cells.get(self.0), at: key.at }
    }

    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>> {
        Ok(match cells.get::<MapCell<K, N, V>, _>(self.0) {
            MapCell::Lasting(table) => table.keys(),
            MapCell::Timed(table) => table.keys(),
        }?)
    }
}

/// The map of the present key.
pub struct Map<'a, K: Key, N: EntryName, V> {
    cell: &'a mut MapCell<K, N, V>,
    at: At<'a, K>,
}

impl<'a, K: Key, N: EntryName, V: Data + Serialize + DeserializeOwned> Map<'a, K, N, V> {
    /// The entry `name`, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read; so it is with all that follows.
    #[inline]
    pub fn get(&mut self, name: &N) -> Result<Option<&V>> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.get(hash, key, name),
            MapCell::Timed(table) => table.get(hash, key, name, watch.now()),
        }?)
    }

    /// The entry `name`, to be changed in place.
    ///
    /// # Errors
    /// See [`Map::get`].
    #[inline]
    pub fn get_mut(&mut self, name: &N) -> Result<Option<&mut V>> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.get_mut(hash, key, name),
            MapCell::Timed(table) => table.get_mut(hash, key, name, watch.now()),
        }?)
    }

    /// The entry `name`, to be changed in place; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`Map::get`].
    #[inline]
    pub fn get_or_insert_with(&mut self, name: &N, init: impl FnOnce() -> V) -> Result<&mut V> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.get_or_insert_with(hash, key, name, init),
            MapCell::Timed(table) => table.get_or_insert_with(hash, key, name, watch.now(), init),
        }?)
    }

    /// Sets the entry `name`. Does not read what is replaced.
    ///
    /// # Errors
    /// See [`Map::get`].
    #[inline]
    pub fn insert(&mut self, name: &N, value: V) -> Result<()> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.insert(hash, key, name, value),
            MapCell::Timed(table) => table.insert(hash, key, name, watch.now(), value),
        }?)
    }

    /// Removes the entry `name` and gives it.
    ///
    /// # Errors
    /// See [`Map::get`].
    pub fn remove(&mut self, name: &N) -> Result<Option<V>> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.remove(hash, key, name),
            MapCell::Timed(table) => table.remove(hash, key, name, watch.now()),
        }?)
    }

    /// All entries, in the order of their names.
    ///
    /// # Errors
    /// See [`Map::get`].
    pub fn entries(&mut self) -> Result<impl Iterator<Item = (&N, &V)>> {
        let At { hash, key, watch } = self.at;
        Ok(match &mut *self.cell {
            MapCell::Lasting(table) => Items::Lasting(table.entries(hash, key)?),
            MapCell::Timed(table) => Items::Timed(table.entries(hash, key, watch.now())?),
        })
    }

    /// The entries whose names are in `names`, in order.
    ///
    /// # Errors
    /// See [`Map::get`].
    pub fn range(self, names: RangeInclusive<N>) -> Result<impl Iterator<Item = (&'a N, &'a V)>> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => Items::Lasting(table.range(hash, key, names)?),
            MapCell::Timed(table) => Items::Timed(table.range(hash, key, watch.now(), names)?),
        })
    }

    /// Whether there are no entries.
    ///
    /// # Errors
    /// See [`Map::get`].
    pub fn is_empty(&mut self) -> Result<bool> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.is_empty(hash, key),
            MapCell::Timed(table) => table.is_empty(hash, key, watch.now()),
        }?)
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// See [`Map::get`].
    pub fn clear(&mut self) -> Result<()> {
        let At { hash, key, .. } = self.at;
        Ok(match self.cell {
            MapCell::Lasting(table) => table.clear(hash, key),
            MapCell::Timed(table) => table.clear(hash, key),
        }?)
    }
}
