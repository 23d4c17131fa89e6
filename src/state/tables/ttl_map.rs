//! Decides how maps are used whose entries live for a time.

use std::ops::RangeInclusive;

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::map::MapTable;
use super::ttl::{Timed, Ttl};
use crate::model::{Key, KeyHash};
use crate::state::entries::EntryName;
use crate::state::sweep::Hand;
use crate::state::{KeyedTable, StateError, Store, VisitTables};

/// A [`MapTable`] whose entries live for a time, each for its own.
///
/// # Units
/// `now` is processing time, and comes from the caller.
///
/// # State
/// As with [`MapTable`], with 8 more bytes per entry for the time.
///
/// # Errors
/// Those of [`MapTable`].
pub struct TtlMapTable<K: Key, N: EntryName, V> {
    map: MapTable<K, N, Timed<V>>,
    ttl: Ttl,
    hand: Hand,
}

impl<K: Key, N: EntryName, V: Serialize + DeserializeOwned + Send + 'static> TtlMapTable<K, N, V> {
    /// Opens the table `name` of `store`, as [`Store::table`] does. Another time-to-live than before holds for the entries
    /// that are there, too.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str, ttl: Ttl) -> Result<Self, StateError> {
        Ok(Self { map: MapTable::open(store, name)?, ttl, hand: Hand::default() })
    }

    /// The entry `name` of `key`.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn get(&mut self, hash: KeyHash, key: &K, name: &N, now: Timestamp) -> Result<Option<&V>, StateError> {
        let Some(since) = self.find(hash, key, name, now)? else { return Ok(None) };
        if self.ttl.is_renewed(since, now) {
            return Ok(self.map.get_mut(hash, key, name)?.map(|timed| &*timed.renew(now)));
        }
        Ok(self.map.get(hash, key, name)?.map(|timed| &timed.value))
    }

    /// The entry `name` of `key`, to be changed.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn get_mut(&mut self, hash: KeyHash, key: &K, name: &N, now: Timestamp) -> Result<Option<&mut V>, StateError> {
        if self.find(hash, key, name, now)?.is_none() {
            return Ok(None);
        }
        Ok(self.map.get_mut(hash, key, name)?.map(|timed| timed.renew(now)))
    }

    /// The entry `name` of `key`, to be changed; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn get_or_insert_with(
        &mut self,
        hash: KeyHash,
        key: &K,
        name: &N,
        now: Timestamp,
        init: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        self.find(hash, key, name, now)?;
        let timed = self.map.get_or_insert_with(hash, key, name, || Timed { since: now, value: init() })?;
        Ok(timed.renew(now))
    }

    /// Sets the entry `name` of `key`. Does not read what is replaced.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn insert(&mut self, hash: KeyHash, key: &K, name: &N, now: Timestamp, value: V) -> Result<(), StateError> {
        self.sweep(now)?;
        self.map.insert(hash, key, name, Timed { since: now, value })
    }

    /// Removes the entry `name` of `key` and gives it.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn remove(&mut self, hash: KeyHash, key: &K, name: &N, now: Timestamp) -> Result<Option<V>, StateError> {
        self.find(hash, key, name, now)?;
        Ok(self.map.remove(hash, key, name)?.map(|timed| timed.value))
    }

    /// The entries of `key`, in the order of their names.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn entries<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
        now: Timestamp,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.see(hash, key, now, None)
    }

    /// The entries of `key` whose names are in `names`, in order.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn range<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
        now: Timestamp,
        names: RangeInclusive<N>,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.see(hash, key, now, Some(names))
    }

    /// Looks at entries: those that are over leave, and where reading counts, the others begin anew.
    fn see<'a>(
        &'a mut self,
        hash: KeyHash,
        key: &'a K,
        now: Timestamp,
        names: Option<RangeInclusive<N>>,
    ) -> Result<impl Iterator<Item = (&'a N, &'a V)>, StateError> {
        self.sweep(now)?;
        let ttl = self.ttl;
        let touched = |timed: &Timed<V>| ttl.is_hidden(timed.since, now) || ttl.is_renewed(timed.since, now);
        let entries = self.map.find(hash, key, names.clone())?.filter(|(_, timed)| touched(timed));
        let touched: Vec<(N, Timestamp)> = entries.map(|(name, timed)| (name.clone(), timed.since)).collect();
        for (name, since) in touched {
            if self.ttl.is_hidden(since, now) {
                self.map.remove(hash, key, &name)?;
            } else if let Some(timed) = self.map.get_mut(hash, key, &name)? {
                timed.renew(now);
            }
        }
        Ok(self.map.find(hash, key, names)?.map(|(name, timed)| (name, &timed.value)))
    }

    /// Whether `key` has no entries.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn is_empty(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<bool, StateError> {
        Ok(self.entries(hash, key, now)?.next().is_none())
    }

    /// Removes all entries of `key`.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn clear(&mut self, hash: KeyHash, key: &K) -> Result<(), StateError> {
        self.map.clear(hash, key)
    }

    /// All keys that have entries, also entries that are over, each once, as [`Table::keys`](crate::state::Table::keys) does.
    ///
    /// # Errors
    /// See [`TtlMapTable`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.map.keys()
    }

    /// When the time-to-live of an entry began, if it may be seen. Otherwise the entry is removed.
    fn find(&mut self, hash: KeyHash, key: &K, name: &N, now: Timestamp) -> Result<Option<Timestamp>, StateError> {
        self.sweep(now)?;
        let Some(since) = self.map.get(hash, key, name)?.map(|timed| timed.since) else { return Ok(None) };
        if self.ttl.is_hidden(since, now) {
            self.map.remove(hash, key, name)?;
            return Ok(None);
        }
        Ok(Some(since))
    }

    #[inline]
    fn sweep(&mut self, now: Timestamp) -> Result<(), StateError> {
        let over = self.map.rows.sweep(&mut self.hand, |timed| self.ttl.is_over(timed.since, now))?;
        over.iter().try_for_each(|(hash, entry)| self.map.rows.erase(*hash, entry))
    }
}

impl<K: Key, N: EntryName, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for TtlMapTable<K, N, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.map.visit(each)
    }
}
