//! Decides how the rows of windows are used: all keys of a window together, so that a window fires in one drain.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Key, KeyHash};
use crate::state::namespaces::{InNamespace, Namespace, NamespaceFirst};
use crate::state::row_key::Tint;
use crate::state::{KeyedTable, StateError, Store, Table, VisitTables};

/// Typed rows, one per window and key. `N` names a window: itself, or one of its ends if all windows are equally long.
///
/// # State
/// As with [`Table`], rows that memory has no room for come back when they are asked for. In memory, a row takes what a row
/// of a [`Table`] takes, 12 bytes more, and the bytes of `N`, all of it rounded up to 32: a count per `u64` and window takes
/// 64 bytes, and about 20 in the index and the list of its window. Besides there is one entry per window, in memory and on
/// disk.
///
/// A row that is taken before a checkpoint has seen it leaves no trace.
///
/// # Errors
/// Those of [`Table`], and [`StateError::Corrupt`] if the base has fewer rows of a window than its count says.
pub struct WindowTable<N: Namespace, K: Key, V> {
    rows: Table<NamespaceFirst<N, K>, V>,
    /// The window asked for last, and what it does to hashes.
    latest: Option<(N, Tint)>,
}

impl<N: Namespace, K: Key, V: Serialize + DeserializeOwned + Send + 'static> WindowTable<N, K, V> {
    /// Opens the table `name` of `store`, as [`Store::table`] does.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        Ok(Self { rows: store.table(name)?, latest: None })
    }

    /// The name of the table within its store.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rows.name()
    }

    /// Brings the rows of keys that will be asked for next, at most 64, into the processor's caches.
    #[inline]
    pub fn look_ahead(&mut self, namespace: N, hashes: impl Iterator<Item = KeyHash>) {
        let tint = self.tint(namespace);
        self.rows.look_ahead(hashes.map(|hash| tint.mix(hash)));
    }

    /// The value of `key` in the window.
    ///
    /// # Errors
    /// See [`WindowTable`].
    #[inline]
    pub fn get(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<Option<&V>, StateError> {
        let hash = self.tint(namespace).mix(hash);
        self.rows.get(hash, InNamespace { namespace, key })
    }

    /// The value of `key` in the window, to be changed.
    ///
    /// # Errors
    /// See [`WindowTable`].
    #[inline]
    pub fn get_mut(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<Option<&mut V>, StateError> {
        let hash = self.tint(namespace).mix(hash);
        self.rows.get_mut(hash, InNamespace { namespace, key })
    }

    /// The value of `key` in the window, to be changed; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`WindowTable`].
    #[inline]
    pub fn get_or_insert_with(
        &mut self,
        namespace: N,
        hash: KeyHash,
        key: &K,
        init: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        let hash = self.tint(namespace).mix(hash);
        self.rows.get_or_insert_with(hash, InNamespace { namespace, key }, init)
    }

    /// Removes the row of `key` in the window and gives its value.
    ///
    /// # Errors
    /// See [`WindowTable`].
    pub fn remove(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<Option<V>, StateError> {
        let hash = self.tint(namespace).mix(hash);
        self.rows.remove(hash, InNamespace { namespace, key })
    }

    /// The first window that has rows.
    ///
    /// # Errors
    /// See [`WindowTable`].
    pub fn first(&mut self) -> Result<Option<N>, StateError> {
        self.rows.next_namespace(None)
    }

    /// The first window that has rows, of those behind `after`.
    ///
    /// # Errors
    /// See [`WindowTable`].
    pub fn next(&mut self, after: N) -> Result<Option<N>, StateError> {
        self.rows.next_namespace(Some(after))
    }

    /// The windows that have rows, in order.
    ///
    /// # Errors
    /// See [`WindowTable`].
    pub fn namespaces(&mut self) -> Result<Vec<N>, StateError> {
        self.rows.all_namespaces()
    }

    /// Removes rows of the window and hands them to `each`, about `at_most` of them per call; rows that are read from disk
    /// and passed over count, too. Whether the window has no rows any more.
    ///
    /// Rows that were taken are gone at the next barrier, the others are not: so a checkpoint between two calls, or a
    /// restart from one, is no different from a pause. The first window, as [`Self::first`] names it, may have lost its last
    /// row while it is being taken.
    ///
    /// # Errors
    /// See [`WindowTable`], and those of `each`.
    #[inline]
    pub fn take<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        each: impl FnMut(KeyHash, &K, V) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.rows.take_namespace(namespace, at_most, each)
    }

    /// Shows rows of the window to `each`, about `at_most` of them per call; rows that are read from disk and passed over
    /// count, too. Whether all were shown: the next call begins anew.
    ///
    /// Each row that is there all the while is shown exactly once, whatever checkpoints, folding and eviction do in between;
    /// a row that comes meanwhile may be missed. One window is shown at a time: to show another one gives this one up. How far
    /// it went is no part of checkpoints: after a restart it begins anew.
    ///
    /// # Errors
    /// See [`WindowTable`], and those of `each`.
    pub fn show<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        each: impl FnMut(KeyHash, &K, &V) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.rows.visit_namespace(namespace, at_most, each)
    }

    #[inline]
    fn tint(&mut self, namespace: N) -> Tint {
        match self.latest {
            Some((latest, tint)) if latest == namespace => tint,
            _ => {
                let tint = Tint::of(&namespace);
                self.latest = Some((namespace, tint));
                tint
            }
        }
    }
}

impl<N: Namespace, K: Key, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for WindowTable<N, K, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(&mut self.rows)
    }
}
