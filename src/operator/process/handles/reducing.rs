//! One value per key, into which each new one is merged.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{KeyedState, ValueCell};
use crate::error::Result;
use crate::model::{Data, Key, KeyHash};
use crate::operator::process::cells::{At, Cells, Handle, OfKey};
use crate::state::{KeyedTable, StateError, VisitTables};

/// A value per key, into which each new one is merged. A handle, as [`ValueState`](super::ValueState) is one.
pub struct ReducingState<V>(pub(in crate::operator::process) Handle<V>);

impl<V> Clone for ReducingState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ReducingState<V> {}

/// Merges a new value into what there is.
type Step<V> = Box<dyn FnMut(&mut V, V) + Send>;

/// The values of all keys, and what merges them.
pub(in crate::operator::process) struct ReducingCell<K: Key, V> {
    values: ValueCell<K, V>,
    step: Step<V>,
}

impl<K: Key, V: Data + Serialize + DeserializeOwned> ReducingCell<K, V> {
    pub(in crate::operator::process) fn new(
        values: ValueCell<K, V>,
        step: impl FnMut(&mut V, V) + Send + 'static,
    ) -> Self {
        Self { values, step: Box::new(step) }
    }
}

impl<K: Key, V: Data + Serialize + DeserializeOwned> VisitTables for ReducingCell<K, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.values.visit(each)
    }
}

impl<K: Key, V: Data + Serialize + DeserializeOwned> KeyedState<K> for ReducingState<V> {
    type Of<'a> = Reducing<'a, K, V>;

    #[inline]
    fn of<'a>(self, key: OfKey<'a, K>) -> Reducing<'a, K, V> {
        Reducing { cell: key.cells.get(self.0), at: key.at }
    }

    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>> {
        cells.get::<ReducingCell<K, V>, _>(self.0).values.keys()
    }
}

/// What the values of the present key were merged to.
pub struct Reducing<'a, K: Key, V> {
    cell: &'a mut ReducingCell<K, V>,
    at: At<'a, K>,
}

impl<K: Key, V: Data + Serialize + DeserializeOwned> Reducing<'_, K, V> {
    /// Merges `value` into what there is; the first one is kept as it is.
    ///
    /// # Errors
    /// If the state cannot be read; so it is with all that follows.
    pub fn add(&mut self, value: V) -> Result<()> {
        let ReducingCell { values, step } = &mut *self.cell;
        if let Some(merged) = values.get_mut(self.at)? {
            step(merged, value);
            return Ok(());
        }
        values.insert(self.at, value)
    }

    /// What the values were merged to, if there was one.
    ///
    /// # Errors
    /// See [`Reducing::add`].
    pub fn get(&mut self) -> Result<Option<&V>> {
        self.cell.values.get(self.at)
    }

    /// Removes what the values were merged to, and gives it.
    ///
    /// # Errors
    /// See [`Reducing::add`].
    pub fn take(&mut self) -> Result<Option<V>> {
        self.cell.values.remove(self.at)
    }
}
