//! One accumulator per key, of any aggregate.

use crate::error::Result;
use crate::model::{Data, Key, KeyHash, Record};
use crate::operator::aggregate::Aggregate;
use crate::operator::process::cells::{At, Cells, Handle, OfKey};
use crate::state::{KeyedTable, StateError, VisitTables};

use super::{KeyedState, ValueCell};

/// An accumulator per key, which takes records of `T` and gives a result of `O`. Whose aggregate it is, the handle does not
/// say; so a function can name its type. A handle, as [`ValueState`](super::ValueState) is one.
pub struct AggregatingState<T, O>(pub(in crate::operator::process) Handle<(T, O)>);

impl<T, O> Clone for AggregatingState<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, O> Copy for AggregatingState<T, O> {}

/// The accumulators of all keys, and their aggregate.
pub(in crate::operator::process) struct AggregatingCell<K, T, O>(Box<dyn Accumulating<K, T, O>>);

/// An aggregate whose type is forgotten.
trait Accumulating<K, T, O>: VisitTables + Send {
    fn add(&mut self, at: At<'_, K>, record: &Record<T>) -> Result<()>;
    fn result(&mut self, at: At<'_, K>) -> Result<Option<O>>;
    fn clear(&mut self, at: At<'_, K>) -> Result<()>;
    fn keys(&mut self) -> Result<Vec<(KeyHash, K)>>;
}

struct Accumulators<K: Key, T, G: Aggregate<T>> {
    aggregate: G,
    values: ValueCell<K, G::Accumulator>,
}

impl<K: Key, T: Data, G: Aggregate<T>> Accumulating<K, T, G::Out> for Accumulators<K, T, G> {
    fn add(&mut self, at: At<'_, K>, record: &Record<T>) -> Result<()> {
        let accumulator = self.values.get_or_insert_with(at, || self.aggregate.create())?;
        self.aggregate.add(accumulator, record)
    }

    fn result(&mut self, at: At<'_, K>) -> Result<Option<G::Out>> {
        let accumulator = self.values.get(at)?;
        accumulator.map(|accumulator| self.aggregate.result(accumulator)).transpose()
    }

    fn clear(&mut self, at: At<'_, K>) -> Result<()> {
        self.values.remove(at).map(drop)
    }

    fn keys(&mut self) -> Result<Vec<(KeyHash, K)>> {
        self.values.keys()
    }
}

impl<K: Key, T: Data, G: Aggregate<T>> VisitTables for Accumulators<K, T, G> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.values.visit(each)
    }
}

impl<K: Key, T: Data, O: Data> AggregatingCell<K, T, O> {
    pub(in crate::operator::process) fn new<G>(values: ValueCell<K, G::Accumulator>, aggregate: G) -> Self
    where
        G: Aggregate<T, Out = O>,
    {
        Self(Box::new(Accumulators { aggregate, values }))
    }
}

impl<K, T, O> VisitTables for AggregatingCell<K, T, O> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl<K: Key, T: Data, O: Data> KeyedState<K> for AggregatingState<T, O> {
    type Of<'a> = Aggregating<'a, K, T, O>;

    #[inline]
    fn of<'a>(self, key: OfKey<'a, K>) -> Aggregating<'a, K, T, O> {
        Aggregating { cell: key.cells.get(self.0), at: key.at }
    }

    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>> {
        cells.get::<AggregatingCell<K, T, O>, _>(self.0).0.keys()
    }
}

/// What was accumulated of the present key.
pub struct Aggregating<'a, K, T, O> {
    cell: &'a mut AggregatingCell<K, T, O>,
    at: At<'a, K>,
}

impl<K: Key, T: Data, O: Data> Aggregating<'_, K, T, O> {
    /// Adds a record.
    ///
    /// # Errors
    /// If the state cannot be read, and so it is with all that follows; or those of the aggregate.
    pub fn add(&mut self, record: &Record<T>) -> Result<()> {
        self.cell.0.add(self.at, record)
    }

    /// The result for the records so far, if there was one.
    ///
    /// # Errors
    /// See [`Aggregating::add`].
    pub fn get(&mut self) -> Result<Option<O>> {
        self.cell.0.result(self.at)
    }

    /// Forgets the records so far.
    ///
    /// # Errors
    /// See [`Aggregating::add`].
    pub fn clear(&mut self) -> Result<()> {
        self.cell.0.clear(self.at)
    }
}
