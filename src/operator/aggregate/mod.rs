//! Aggregates: they make one result of many records, and need not keep the records.
//!
//! Several are computed at once by a tuple of them: `(Count, Sum::of(..), MaxBy::of(..))` gives a tuple of results.

mod approximate_distinct;
mod average;
mod count;
mod distinct_count;
mod first_last;
mod functions;
#[cfg(test)]
mod laws;
mod min_max;
mod min_max_by;
mod number;
mod percentiles;
mod ranking;
mod reduced;
mod sum;
mod top_n;
mod tuple;

pub use approximate_distinct::{ApproximateDistinct, DistinctSketch, Precision};
pub use average::Average;
pub use count::Count;
pub use distinct_count::DistinctCount;
pub use first_last::{First, Last};
pub use functions::Functions;
pub use min_max::{Max, Min};
pub use min_max_by::{MaxBy, MinBy};
pub use number::Number;
pub use percentiles::{Distribution, Percentiles};
pub use ranking::Ranked;
pub(crate) use reduced::Reduced;
pub use sum::Sum;
pub use top_n::TopN;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::model::{Data, Record};

/// Makes one result of many records of type `T`, by way of an accumulator.
///
/// # Laws
/// Operators may accumulate records apart and merge, to share work between windows, and because sessions merge. So:
///
/// * Merging gives what adding would: `merge(a, b)` is `a` with the records of `b` added behind its own. Where one
///   accumulator's records all come before the other's, in event time or else by arrival, it is `into`.
/// * What is accumulated does not depend on the order of records with different timestamps. Records without timestamps
///   are in the order in which they come.
/// * An accumulator that was encoded and decoded goes on as it would have.
///
/// # State
/// One accumulator per key, and per window or piece of one. All of it is written at a checkpoint if any of it has
/// changed.
///
/// # Errors
/// What the methods return as an error fails the attempt.
///
/// # Example
/// The geometric mean:
/// ```
/// use millstream::model::Record;
/// use millstream::operator::aggregate::Aggregate;
/// use millstream::prelude::*;
///
/// #[derive(Clone)]
/// struct GeometricMean;
///
/// impl Aggregate<f64> for GeometricMean {
///     type Accumulator = (f64, u64);
///     type Out = f64;
///
///     fn create(&mut self) -> (f64, u64) {
///         (0.0, 0)
///     }
///
///     fn add(&mut self, (logarithms, count): &mut (f64, u64), record: &Record<f64>) -> Result<()> {
///         (*logarithms, *count) = (*logarithms + record.value.ln(), *count + 1);
///         Ok(())
///     }
///
///     fn merge(&mut self, into: &mut (f64, u64), from: &(f64, u64)) -> Result<()> {
///         *into = (into.0 + from.0, into.1 + from.1);
///         Ok(())
///     }
///
///     fn result(&mut self, (logarithms, count): &(f64, u64)) -> Result<f64> {
///         Ok((logarithms / *count as f64).exp())
///     }
/// }
/// ```
pub trait Aggregate<T>: Clone + Send + 'static {
    /// What is kept of the records.
    type Accumulator: Data + Clone + Serialize + DeserializeOwned;
    /// The result.
    type Out: Data;

    /// Whether windows aggregate in each subtask what it has of a key before the records of the key meet, unless they are
    /// told otherwise. It is worth while where accumulators are small and quickly merged, and invisible where merging is
    /// exact and the order of records says nothing.
    const LOCAL: bool = false;

    /// An accumulator without records.
    fn create(&mut self) -> Self::Accumulator;

    /// Adds a record.
    ///
    /// # Errors
    /// If the record cannot be added; it then fails the attempt.
    fn add(&mut self, accumulator: &mut Self::Accumulator, record: &Record<T>) -> Result<()>;

    /// Adds the records that `from` has behind those of `into`.
    ///
    /// # Errors
    /// As [`Self::add`].
    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()>;

    /// The result for the records so far. At least one has been added; more may follow.
    ///
    /// # Errors
    /// If there is none; that fails the attempt.
    fn result(&mut self, accumulator: &Self::Accumulator) -> Result<Self::Out>;
}

/// The error of an aggregate that was asked for a result before it was given a record.
#[cold]
fn no_record(aggregate: &str) -> Error {
    Error::other(format!("{aggregate} of no record was asked for"))
}
