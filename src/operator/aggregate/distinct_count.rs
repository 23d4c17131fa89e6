//! Counts different values, exactly.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Aggregate;
use crate::error::Result;
use crate::model::{Data, Record};

/// The number of different values that a function gives for the records, exactly.
///
/// Costs a search per record. Merging is exact, and costs a search per value.
///
/// # State
/// All different values: a checkpoint writes all of them if one is new. For more than some thousands of them,
/// [`ApproximateDistinct`](super::ApproximateDistinct) needs a few kilobytes.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct DistinctCount<F> {
    value_of: F,
}

impl<F> DistinctCount<F> {
    /// Counts the different values of `value_of`.
    pub fn of<T, V>(value_of: F) -> Self
    where
        F: FnMut(&T) -> V,
    {
        Self { value_of }
    }
}

impl<T, V, F> Aggregate<T> for DistinctCount<F>
where
    V: Data + Clone + Ord + Serialize + DeserializeOwned,
    F: FnMut(&T) -> V + Clone + Send + 'static,
{
    type Accumulator = BTreeSet<V>;
    type Out = u64;

    #[inline]
    fn create(&mut self) -> BTreeSet<V> {
        BTreeSet::new()
    }

    #[inline]
    fn add(&mut self, values: &mut BTreeSet<V>, record: &Record<T>) -> Result<()> {
        values.insert((self.value_of)(&record.value));
        Ok(())
    }

    fn merge(&mut self, into: &mut BTreeSet<V>, from: &BTreeSet<V>) -> Result<()> {
        into.extend(from.iter().cloned());
        Ok(())
    }

    #[inline]
    fn result(&mut self, values: &BTreeSet<V>) -> Result<u64> {
        Ok(values.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    proptest! {
        #[test]
        fn distinct_count_keeps_the_laws(records in laws::records()) {
            let distinct = DistinctCount::of(|value: &i64| *value);
            laws::hold(distinct, &records);
            let mut values: Vec<i64> = records.iter().map(|record| record.value).collect();
            values.sort_unstable();
            values.dedup();
            prop_assert_eq!(laws::result(distinct, &records), values.len() as u64);
        }
    }
}
