//! Decides how a map per key is used: entry by entry, and in the order of the entries' names.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Key, KeyHash};
use crate::state::entries::{EntryName, EntryProbe, KeyFirst, part_of};
use crate::state::row_key::Tint;
use crate::state::stored::Met;
use crate::state::{KeyedTable, StateError, Store, Table, VisitTables};

/// Entries that are read from disk in one go.
const READ_ENTRIES: usize = 256;

/// A map per key. Each entry is a row of its own: a change of one does not write the others.
///
/// # State
/// As with [`Table`], entries that memory has no room for come back when they are asked for. What asks for all entries of a
/// key, or for those between two names, reads all entries of that key that are not in memory; so there must be room for the
/// entries of one key. In memory, an entry takes what a row of a [`Table`] takes, and `N` twice: a `u64` per `u64` and `u64`
/// takes about 105 bytes.
///
/// # Errors
/// Those of [`Table`].
pub struct MapTable<K: Key, N: EntryName, V> {
    pub(super) rows: Table<KeyFirst<K, N>, V>,
}

impl<K: Key, N: EntryName, V: Serialize + DeserializeOwned + Send + 'static> MapTable<K, N, V> {
    /// Opens the table `name` of `store`, as [`Store::table`] does.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        Ok(Self { rows: store.table(name)? })
    }

    /// The entry `name` of `key`.
    ///
    /// # Errors
    /// See [`MapTable`].
    #[inline]
    pub fn get(&mut self, hash: KeyHash, key: &K, name: &N) -> Result<Option<&V>, StateError> {
        self.rows.get(Tint::of(name).mix(hash), EntryProbe { key, name })
    }

    /// The entry `name` of `key`, to be changed.
    ///
    /// # Errors
    /// See [`MapTable`].
    #[inline]
    pub fn get_mut(&mut self, hash: KeyHash, key: &K, name: &N) -> Result<Option<&mut V>, StateError> {
        self.rows.get_mut(Tint::of(name).mix(hash), EntryProbe { key, name })
    }

    /// The entry `name` of `key`, to be changed; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`MapTable`].
    #[inline]
    pub fn get_or_insert_with(
        &mut self,
        hash: KeyHash,
        key: &K,
        name: &N,
        init: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        self.rows.get_or_insert_with(Tint::of(name).mix(hash), EntryProbe { key, name }, init)
    }

    /// Sets the entry `name` of `key`. Does not read what is replaced.
    ///
    /// # Errors
    /// See [`MapTable`].
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, key: &K, name: &N, value: V) -> Result<(), StateError> {
        self.rows.insert(Tint::of(name).mix(hash), EntryProbe { key, name }, value)
    }

    /// Removes the entry `name` of `key` and gives it.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn remove(&mut self, hash: KeyHash, key: &K, name: &N) -> Result<Option<V>, StateError> {
        self.rows.remove(Tint::of(name).mix(hash), EntryProbe { key, name })
    }

    /// The entries of `key`, in the order of their names.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn entries<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.find(hash, key, None)
    }

    /// The entries of `key` whose names are in `names`, in order.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn range<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
        names: RangeInclusive<N>,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.find(hash, key, Some(names))
    }

    /// Whether `key` has no entries.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn is_empty(&mut self, hash: KeyHash, key: &K) -> Result<bool, StateError> {
        let rows = &self.rows.rows;
        if rows.order.of(&rows.places, hash, key, None).next().is_some() {
            return Ok(false);
        }
        Ok(self.entries(hash, key)?.next().is_none())
    }

    /// Removes all entries of `key`.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn clear(&mut self, hash: KeyHash, key: &K) -> Result<(), StateError> {
        self.bring(hash, key)?;
        let rows = &self.rows.rows;
        let ids: Vec<_> = rows.order.of(&rows.places, hash, key, None).collect();
        for id in ids {
            self.rows.take_value(id)?;
            self.rows.forget_if_fresh(id);
        }
        Ok(())
    }

    /// All keys that have entries, each once, as [`Table::keys`](crate::state::Table::keys) does.
    ///
    /// # Errors
    /// See [`MapTable`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.rows.keys_of_rows(|entry| &entry.key)
    }

    pub(super) fn find<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
        names: Option<RangeInclusive<N>>,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.bring(hash, key)?;
        let rows = &self.rows.rows;
        let ids = rows.order.of(&rows.places, hash, key, names);
        Ok(ids.filter_map(|id| {
            let row = rows.at(id);
            row.value.as_ref().map(|value| (&row.key.name, value))
        }))
    }

    /// Reads the entries of `key` that are not in memory.
    fn bring(&mut self, hash: KeyHash, key: &K) -> Result<(), StateError> {
        if self.rows.holds_all() || self.rows.rows.order.is_whole(hash, key) {
            return Ok(());
        }
        let part = part_of(key).map_err(|source| self.rows.place.codec(source))?;
        let group = self.rows.place.max.group_of(hash);
        let mut from = Vec::new();
        let mut ended = false;
        while !ended {
            let mut met = Vec::new();
            ended = self.rows.read_group(group, &part, &mut from, READ_ENTRIES, &mut met)?;
            for met in met {
                if let Met::Stored(hash, entry, value) = met {
                    self.rows.add_clean(hash, entry, value)?;
                }
            }
        }
        self.rows.rows.order.note_whole(hash, key);
        Ok(())
    }
}

impl<K: Key, N: EntryName, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for MapTable<K, N, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(&mut self.rows)
    }
}
