//! One list per key; to append does not touch what is there.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Items, KeyedState};
use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::process::cells::{At, Cells, Handle, OfKey};
use crate::state::{KeyedTable, ListTable, StateError, Store, Ttl, TtlListTable, VisitTables};

/// A list per key. To append to it does not write what it has already. A handle, as [`ValueState`](super::ValueState) is
/// one.
pub struct ListState<E>(pub(in crate::operator::process) Handle<E>);

impl<E> Clone for ListState<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ListState<E> {}

/// The lists of all keys.
pub(in crate::operator::process) enum ListCell<K: Key, E> {
    Lasting(ListTable<K, E>),
    Timed(TtlListTable<K, E>),
}

impl<K: Key, E: Data + Serialize + DeserializeOwned> ListCell<K, E> {
    pub(in crate::operator::process) fn open(store: &mut Store, name: &str, ttl: Option<Ttl>) -> Result<Self> {
        Ok(match ttl {
            None => Self::Lasting(ListTable::open(store, name)?),
            Some(ttl) => Self::Timed(TtlListTable::open(store, name, ttl)?),
        })
    }
}

impl<K: Key, E: Data + Serialize + DeserializeOwned> VisitTables for ListCell<K, E> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        match self {
            Self::Lasting(table) => table.visit(each),
            Self::Timed(table) => table.visit(each),
        }
    }
}

impl<K: Key, E: Data + Serialize + DeserializeOwned> KeyedState<K> for ListState<E> {
    type Of<'a> = List<'a, K, E>;

    #[inline]
    fn of<'a>(self, key: OfKey<'a, K>) -> List<'a, K, E> {
        List { cell: key.cells.get(self.0), at: key.at }
    }

    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>> {
        Ok(match cells.get::<ListCell<K, E>, _>(self.0) {
            ListCell::Lasting(table) => table.keys(),
            ListCell::Timed(table) => table.keys(),
        }?)
    }
}

/// The list of the present key.
pub struct List<'a, K: Key, E> {
    cell: &'a mut ListCell<K, E>,
    at: At<'a, K>,
}

impl<K: Key, E: Data + Serialize + DeserializeOwned> List<'_, K, E> {
    /// Appends an element.
    ///
    /// # Errors
    /// If the state cannot be read; so it is with all that follows.
    #[inline]
    pub fn push(&mut self, element: E) -> Result<()> {
        self.extend([element])
    }

    /// Appends elements.
    ///
    /// # Errors
    /// See [`List::push`].
    #[inline]
    pub fn extend(&mut self, elements: impl IntoIterator<Item = E>) -> Result<()> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            ListCell::Lasting(table) => table.extend(hash, key, elements),
            ListCell::Timed(table) => table.extend(hash, key, watch.now(), elements),
        }?)
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn len(&mut self) -> Result<usize> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            ListCell::Lasting(table) => table.len(hash, key),
            ListCell::Timed(table) => table.len(hash, key, watch.now()),
        }?)
    }

    /// Whether there are no elements.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn is_empty(&mut self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All elements, in order.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn elements(&mut self) -> Result<impl Iterator<Item = &E>> {
        let At { hash, key, watch } = self.at;
        Ok(match &mut *self.cell {
            ListCell::Lasting(table) => Items::Lasting(table.elements(hash, key)?.iter()),
            ListCell::Timed(table) => Items::Timed(table.elements(hash, key, watch.now())?),
        })
    }

    /// Puts `elements` in the place of those that are there.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn replace(&mut self, elements: impl IntoIterator<Item = E>) -> Result<()> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            ListCell::Lasting(table) => table.replace(hash, key, elements),
            ListCell::Timed(table) => table.replace(hash, key, watch.now(), elements),
        }?)
    }

    /// Removes all elements and gives them.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn take(&mut self) -> Result<Vec<E>> {
        let At { hash, key, watch } = self.at;
        Ok(match self.cell {
            ListCell::Lasting(table) => table.take(hash, key),
            ListCell::Timed(table) => table.take(hash, key, watch.now()),
        }?)
    }

    /// Removes all elements, without reading them.
    ///
    /// # Errors
    /// See [`List::push`].
    pub fn clear(&mut self) -> Result<()> {
        let At { hash, key, .. } = self.at;
        Ok(match self.cell {
            ListCell::Lasting(table) => table.clear(hash, key),
            ListCell::Timed(table) => table.clear(hash, key),
        }?)
    }
}
