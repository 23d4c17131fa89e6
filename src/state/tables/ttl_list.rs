//! Decides how lists are used whose elements live for a time.

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::list::ListTable;
use super::ttl::{Timed, Ttl};
use crate::model::{Key, KeyHash};
use crate::state::sweep::Hand;
use crate::state::{KeyedTable, StateError, Store, VisitTables};

/// A [`ListTable`] whose elements live for a time, each for its own.
///
/// # Units
/// `now` is processing time, and comes from the caller.
///
/// # State
/// As with [`ListTable`], with 8 more bytes per element for the time. A list is written anew when elements that are over
/// leave it; of lists that nobody reads they leave when all of a chunk are over.
///
/// # Errors
/// Those of [`ListTable`].
pub struct TtlListTable<K: Key, T> {
    list: ListTable<K, Timed<T>>,
    ttl: Ttl,
    heads: Hand,
    chunks: Hand,
}

impl<K: Key, T: Serialize + DeserializeOwned + Send + 'static> TtlListTable<K, T> {
    /// Opens the table `name` of `store`, as [`ListTable::open`] does. Another time-to-live than before holds for the
    /// elements that are there, too.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str, ttl: Ttl) -> Result<Self, StateError> {
        Ok(Self { list: ListTable::open(store, name)?, ttl, heads: Hand::default(), chunks: Hand::default() })
    }

    /// Appends an element to the list of `key`.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn push(&mut self, hash: KeyHash, key: &K, now: Timestamp, element: T) -> Result<(), StateError> {
        self.extend(hash, key, now, [element])
    }

    /// Appends elements to the list of `key`.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn extend(
        &mut self,
        hash: KeyHash,
        key: &K,
        now: Timestamp,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.sweep(now)?;
        self.list.extend(hash, key, elements.into_iter().map(|value| Timed { since: now, value }))
    }

    /// The elements in the list of `key`, in order.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn elements(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<impl Iterator<Item = &T>, StateError> {
        self.sweep(now)?;
        let ttl = self.ttl;
        let next = |since| (!ttl.is_hidden(since, now)).then_some(if ttl.is_renewed(since, now) { now } else { since });
        self.rewrite(hash, key, next)?;
        Ok(self.list.elements(hash, key)?.iter().map(|timed| &timed.value))
    }

    /// The number of elements in the list of `key`.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn len(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<usize, StateError> {
        Ok(self.elements(hash, key, now)?.count())
    }

    /// Whether the list of `key` has no elements.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn is_empty(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<bool, StateError> {
        Ok(self.elements(hash, key, now)?.next().is_none())
    }

    /// Puts `elements` in the place of those in the list of `key`.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn replace(
        &mut self,
        hash: KeyHash,
        key: &K,
        now: Timestamp,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.sweep(now)?;
        self.list.replace(hash, key, elements.into_iter().map(|value| Timed { since: now, value }))
    }

    /// Removes all elements in the list of `key`.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn clear(&mut self, hash: KeyHash, key: &K) -> Result<(), StateError> {
        self.list.clear(hash, key)
    }

    /// Removes all elements in the list of `key`, and gives those that may be seen.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn take(&mut self, hash: KeyHash, key: &K, now: Timestamp) -> Result<Vec<T>, StateError> {
        self.sweep(now)?;
        let ttl = self.ttl;
        let elements = self.list.take(hash, key)?.into_iter().filter(|timed| !ttl.is_hidden(timed.since, now));
        Ok(elements.map(|timed| timed.value).collect())
    }

    /// All keys that have elements, also elements that are over, each once, as [`Table::keys`](crate::state::Table::keys) does.
    ///
    /// # Errors
    /// See [`TtlListTable`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.list.keys()
    }

    /// Writes a list anew, if `next` says that elements of it have to go, or that their time-to-live begins anew.
    fn rewrite(
        &mut self,
        hash: KeyHash,
        key: &K,
        next: impl Fn(Timestamp) -> Option<Timestamp>,
    ) -> Result<(), StateError> {
        let stays = |timed: &Timed<T>| next(timed.since) == Some(timed.since);
        let all_stay = self.list.elements(hash, key)?.iter().all(stays);
        if all_stay {
            return Ok(());
        }
        let elements = self.list.take(hash, key)?;
        let kept = elements.into_iter().filter_map(|timed| next(timed.since).map(|since| Timed { since, ..timed }));
        self.list.extend(hash, key, kept)
    }

    #[inline]
    fn sweep(&mut self, now: Timestamp) -> Result<(), StateError> {
        let ttl = self.ttl;
        let over = self.list.lists.sweep(&mut self.heads, &mut self.chunks, |timed| ttl.is_over(timed.since, now))?;
        let kept = |since| (!ttl.is_over(since, now)).then_some(since);
        over.iter().try_for_each(|(hash, key)| self.rewrite(*hash, key, kept))
    }
}

impl<K: Key, T: Serialize + DeserializeOwned + Send + 'static> VisitTables for TtlListTable<K, T> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.list.visit(each)
    }
}
