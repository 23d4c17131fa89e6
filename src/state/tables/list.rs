//! Decides how a list per key is used.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Key, KeyHash};
use crate::state::chunks::{Elements, Lists};
use crate::state::{KeyedTable, StateError, Store, VisitTables};

/// A list per key. The elements lie in chunks of 32: an append writes no more than the last one.
///
/// # State
/// As with [`Table`](crate::state::Table), what memory has no room for comes back when it is asked for. A list takes one row
/// of a table, and one more for each 32 elements; the elements of one key must have room in memory.
///
/// # Errors
/// Those of [`Table`](crate::state::Table), and [`StateError::Corrupt`] if a part of a list is missing.
pub struct ListTable<K: Key, T> {
    pub(super) lists: Lists<K, T>,
}

impl<K: Key, T: Serialize + DeserializeOwned + Send + 'static> ListTable<K, T> {
    /// Opens the table `name` of `store`, as [`Store::table`] does; the store knows a second one, `name/chunks`.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        Ok(Self { lists: Lists::open(store, name)? })
    }

    /// Appends an element to the list of `key`.
    ///
    /// # Errors
    /// See [`ListTable`].
    #[inline]
    pub fn push(&mut self, hash: KeyHash, key: &K, element: T) -> Result<(), StateError> {
        self.lists.extend(hash, key, [element])
    }

    /// Appends elements to the list of `key`.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn extend(&mut self, hash: KeyHash, key: &K, elements: impl IntoIterator<Item = T>) -> Result<(), StateError> {
        self.lists.extend(hash, key, elements)
    }

    /// The number of elements in the list of `key`.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn len(&mut self, hash: KeyHash, key: &K) -> Result<usize, StateError> {
        self.lists.len(hash, key)
    }

    /// Whether the list of `key` has no elements.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn is_empty(&mut self, hash: KeyHash, key: &K) -> Result<bool, StateError> {
        Ok(self.len(hash, key)? == 0)
    }

    /// The elements in the list of `key`, in order.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn elements(&mut self, hash: KeyHash, key: &K) -> Result<Elements<'_, T>, StateError> {
        self.lists.elements(hash, key)
    }

    /// Puts `elements` in the place of those in the list of `key`.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn replace(&mut self, hash: KeyHash, key: &K, elements: impl IntoIterator<Item = T>) -> Result<(), StateError> {
        self.lists.replace(hash, key, elements)
    }

    /// Removes all elements in the list of `key`, and gives them.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn take(&mut self, hash: KeyHash, key: &K) -> Result<Vec<T>, StateError> {
        let head = self.lists.heads.remove(hash, key)?;
        head.map_or_else(|| Ok(Vec::new()), |head| self.lists.chunks.take(hash, key, head))
    }

    /// Removes all elements in the list of `key`, without reading them.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn clear(&mut self, hash: KeyHash, key: &K) -> Result<(), StateError> {
        self.lists.clear(hash, key)
    }

    /// All keys that have elements, each once, as [`Table::keys`](crate::state::Table::keys) does.
    ///
    /// # Errors
    /// See [`ListTable`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.lists.heads.keys()
    }
}

impl<K: Key, T: Serialize + DeserializeOwned + Send + 'static> VisitTables for ListTable<K, T> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.lists.visit(each)
    }
}
