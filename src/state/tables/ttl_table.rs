//! Decides how values that live for a time are used: one per key.

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ttl::{Timed, Ttl};
use crate::model::{Key, KeyHash};
use crate::state::sweep::Hand;
use crate::state::{KeyedTable, StateError, Store, Table, VisitTables};

/// A [`Table`] whose values live for a time.
///
/// # Units
/// `now` is processing time, and comes from the caller.
///
/// # State
/// As with [`Table`], with 8 more bytes per row for the time.
///
/// # Errors
/// Those of [`Table`].
pub struct TtlTable<K: Key, V> {
    rows: Table<K, Timed<V>>,
    ttl: Ttl,
    hand: Hand,
}

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> TtlTable<K, V> {
    /// Opens the table `name` of `store`, as [`Store::table`] does. Another time-to-live than before holds for the values
    /// that are there, too.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str, ttl: Ttl) -> Result<Self, StateError> {
        Ok(Self { rows: store.table(name)?, ttl, hand: Hand::default() })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn get(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<Option<&V>, StateError> {
        let Some(since) = self.find(hash, key, now)? else { return Ok(None) };
        if self.ttl.is_renewed(since, now) {
            return Ok(self.rows.get_mut(hash, key)?.map(|timed| &*timed.renew(now)));
        }
        Ok(self.rows.get(hash, key)?.map(|timed| &timed.value))
    }

    /// The value of `key`, to be changed.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn get_mut(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<Option<&mut V>, StateError> {
        if self.find(hash, key, now)?.is_none() {
            return Ok(None);
        }
        Ok(self.rows.get_mut(hash, key)?.map(|timed| timed.renew(now)))
    }

    /// The value of `key`, to be changed; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn get_or_insert_with(
        &mut self,
        hash: KeyHash,
        key: &K,
        now: Timestamp,
        init: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        self.find(hash, key, now)?;
        let timed = self.rows.get_or_insert_with(hash, key, || Timed { since: now, value: init() })?;
        Ok(timed.renew(now))
    }

    /// Sets the value of `key`. Does not read what is replaced.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn insert(&mut self, hash: KeyHash, key: &K, now: Timestamp, value: V) -> Result<(), StateError> {
        self.sweep(now)?;
        self.rows.insert(hash, key, Timed { since: now, value })
    }

    /// Removes the value of `key` and gives it.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn remove(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<Option<V>, StateError> {
        self.find(hash, key, now)?;
        Ok(self.rows.remove(hash, key)?.map(|timed| timed.value))
    }

    /// All keys that have values, also values that are over, each once, as [`Table::keys`](crate::state::Table::keys) does.
    ///
    /// # Errors
    /// See [`TtlTable`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.rows.keys()
    }

    /// When the time-to-live of `key` began, if its value may be seen. Otherwise the value is removed.
    fn find(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<Option<Timestamp>, StateError> {
        self.sweep(now)?;
        let Some(since) = self.rows.get(hash, key)?.map(|timed| timed.since) else { return Ok(None) };
        if self.ttl.is_hidden(since, now) {
            self.rows.remove(hash, key)?;
            return Ok(None);
        }
        Ok(Some(since))
    }

    #[inline]
    fn sweep(&mut self, now: Timestamp) -> Result<(), StateError> {
        let over = self.rows.sweep(&mut self.hand, |timed| self.ttl.is_over(timed.since, now))?;
        over.iter().try_for_each(|(hash, key)| self.rows.erase(*hash, key))
    }
}

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for TtlTable<K, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(&mut self.rows)
    }
}
