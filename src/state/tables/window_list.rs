//! Decides how the raw elements of windows are used: a list per window and key, all keys of a window together.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Key, KeyHash};
use crate::state::chunks::{Elements, Lists};
use crate::state::namespaces::{InNamespace, Namespace, NamespaceFirst};
use crate::state::row_key::Tint;
use crate::state::{KeyedTable, StateError, Store, VisitTables};

/// Lists that are taken or shown before their elements are counted against the budget of a call.
const LISTS_AT_ONCE: usize = 64;

/// A list per window and key: what a [`ListTable`](super::ListTable) is to a key, with the windows of a
/// [`WindowTable`](super::WindowTable).
///
/// # State
/// As with both.
///
/// # Errors
/// Those of both.
pub struct WindowListTable<N: Namespace, K: Key, T> {
    lists: Lists<NamespaceFirst<N, K>, T>,
}

impl<N: Namespace, K: Key, T: Serialize + DeserializeOwned + Send + 'static> WindowListTable<N, K, T> {
    /// Opens the table `name` of `store`, as [`Store::table`] does; the store knows a second one, `name/chunks`.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        Ok(Self { lists: Lists::open(store, name)? })
    }

    /// Appends an element to the list of `key` in the window.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    #[inline]
    pub fn push(&mut self, namespace: N, hash: KeyHash, key: &K, element: T) -> Result<(), StateError> {
        self.lists.extend(Tint::of(&namespace).mix(hash), InNamespace { namespace, key }, [element])
    }

    /// Appends elements to the list of `key` in the window.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn extend(
        &mut self,
        namespace: N,
        hash: KeyHash,
        key: &K,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.lists.extend(Tint::of(&namespace).mix(hash), InNamespace { namespace, key }, elements)
    }

    /// The number of elements in the list of `key` in the window.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn len(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<usize, StateError> {
        self.lists.len(Tint::of(&namespace).mix(hash), InNamespace { namespace, key })
    }

    /// The elements in the list of `key` in the window, in order.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn elements(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<Elements<'_, T>, StateError> {
        self.lists.elements(Tint::of(&namespace).mix(hash), InNamespace { namespace, key })
    }

    /// Puts `elements` in the place of those in the list of `key` in the window.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn replace(
        &mut self,
        namespace: N,
        hash: KeyHash,
        key: &K,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.lists.replace(Tint::of(&namespace).mix(hash), InNamespace { namespace, key }, elements)
    }

    /// Removes all elements in the list of `key` in the window, without reading them.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn clear(&mut self, namespace: N, hash: KeyHash, key: &K) -> Result<(), StateError> {
        self.lists.clear(Tint::of(&namespace).mix(hash), InNamespace { namespace, key })
    }

    /// The first window that has lists.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn first(&mut self) -> Result<Option<N>, StateError> {
        self.lists.heads.next_namespace(None)
    }

    /// The windows that have lists, in order.
    ///
    /// # Errors
    /// See [`WindowListTable`].
    pub fn namespaces(&mut self) -> Result<Vec<N>, StateError> {
        self.lists.heads.all_namespaces()
    }

    /// Removes lists of the window and hands them to `each`, until about `at_most` elements were. Whether the window has no
    /// lists any more. As for the rest, [`WindowTable::take`](super::WindowTable::take) is alike.
    ///
    /// # Errors
    /// See [`WindowListTable`], and those of `each`.
    pub fn take<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        mut each: impl FnMut(KeyHash, &K, Vec<T>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Lists { heads, chunks } = &mut self.lists;
        let tint = Tint::of(&namespace);
        let mut elements = 0;
        while elements < at_most {
            let lists = LISTS_AT_ONCE.min(at_most - elements);
            let mut seen = 0;
            let done = heads.take_namespace(namespace, lists, |hash, key, head| {
                let list = chunks.take(tint.mix(hash), InNamespace { namespace, key }, head)?;
                seen += list.len();
                each(hash, key, list)
            })?;
            if done {
                return Ok(true);
            }
            // Rows that are read and passed over count as elements.
            elements += seen.max(lists);
        }
        Ok(false)
    }

    /// Shows lists of the window to `each`, until about `at_most` elements were. Whether all were shown: the next call begins
    /// anew. As for the rest, [`WindowTable::show`](super::WindowTable::show) is alike.
    ///
    /// # Errors
    /// See [`WindowListTable`], and those of `each`.
    pub fn show<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        mut each: impl FnMut(KeyHash, &K, Elements<'_, T>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Lists { heads, chunks } = &mut self.lists;
        let tint = Tint::of(&namespace);
        let mut elements = 0;
        while elements < at_most {
            let lists = LISTS_AT_ONCE.min(at_most - elements);
            let mut seen = 0;
            let done = heads.visit_namespace(namespace, lists, |hash, key, head| {
                let list = chunks.elements(tint.mix(hash), InNamespace { namespace, key }, head)?;
                seen += list.len();
                each(hash, key, list)
            })?;
            if done {
                return Ok(true);
            }
            elements += seen.max(lists);
        }
        Ok(false)
    }
}

impl<N: Namespace, K: Key, T: Serialize + DeserializeOwned + Send + 'static> VisitTables for WindowListTable<N, K, T> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.lists.visit(each)
    }
}
