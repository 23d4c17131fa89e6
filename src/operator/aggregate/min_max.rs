//! Keeps the smallest or the greatest value.

use std::cmp::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ranking::rank;
use super::{Aggregate, no_record};
use crate::error::Result;
use crate::model::{Data, Record};

/// The smallest of what a function gives for the records. Costs a comparison per record; merging is exact.
///
/// What cannot be compared with itself, as NaN, counts only if there is nothing else.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Min<F> {
    value_of: F,
}

impl<F> Min<F> {
    /// Keeps the smallest of what `value_of` gives.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N, F> Aggregate<T> for Min<F>
where
    N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
    F: FnMut(&T) -> N + Clone + Send + 'static,
{
    type Accumulator = Option<N>;
    type Out = N;

    const LOCAL: bool = true;

    #[inline]
    fn create(&mut self) -> Option<N> {
        None
    }

    #[inline]
    fn add(&mut self, best: &mut Option<N>, record: &Record<T>) -> Result<()> {
        let value = (self.value_of)(&record.value);
        if is_better(&value, best, Ordering::Less) {
            *best = Some(value);
        }
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Option<N>, from: &Option<N>) -> Result<()> {
        if from.as_ref().is_some_and(|value| is_better(value, into, Ordering::Less)) {
            into.clone_from(from);
        }
        Ok(())
    }

    #[inline]
    fn result(&mut self, best: &Option<N>) -> Result<N> {
        best.clone().ok_or_else(|| no_record("the smallest"))
    }
}

/// The greatest of what a function gives for the records. Costs a comparison per record; merging is exact.
///
/// What cannot be compared with itself, as NaN, counts only if there is nothing else.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Max<F> {
    value_of: F,
}

impl<F> Max<F> {
    /// Keeps the greatest of what `value_of` gives.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N, F> Aggregate<T> for Max<F>
where
    N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
    F: FnMut(&T) -> N + Clone + Send + 'static,
{
    type Accumulator = Option<N>;
    type Out = N;

    const LOCAL: bool = true;

    #[inline]
    fn create(&mut self) -> Option<N> {
        None
    }

    #[inline]
    fn add(&mut self, best: &mut Option<N>, record: &Record<T>) -> Result<()> {
        let value = (self.value_of)(&record.value);
        if is_better(&value, best, Ordering::Greater) {
            *best = Some(value);
        }
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Option<N>, from: &Option<N>) -> Result<()> {
        if from.as_ref().is_some_and(|value| is_better(value, into, Ordering::Greater)) {
            into.clone_from(from);
        }
        Ok(())
    }

    #[inline]
    fn result(&mut self, best: &Option<N>) -> Result<N> {
        best.clone().ok_or_else(|| no_record("the greatest"))
    }
}

/// Whether `value` comes before the best one so far.
#[inline]
fn is_better<N: PartialOrd>(value: &N, best: &Option<N>, wanted: Ordering) -> bool {
    best.as_ref().is_none_or(|best| rank(value, best, wanted) == Ordering::Less)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn nan_counts_only_if_there_is_nothing_else() {
        let records = [f64::NAN, 2.0, 1.0, f64::NAN].map(Record::new);
        assert_eq!(laws::result(Min::of(|value: &f64| *value), &records), 1.0);
        assert_eq!(laws::result(Max::of(|value: &f64| *value), &records), 2.0);
        assert!(laws::result(Max::of(|value: &f64| *value), &records[..1]).is_nan());
    }

    proptest! {
        #[test]
        fn smallest_and_greatest_keep_the_laws(records in laws::records()) {
            let (min, max) = (Min::of(|value: &i64| *value), Max::of(|value: &i64| *value));
            laws::hold(min, &records);
            laws::hold(max, &records);
            let values = || records.iter().map(|record| record.value);
            prop_assert_eq!(Some(laws::result(min, &records)), values().min());
            prop_assert_eq!(Some(laws::result(max, &records)), values().max());
        }
    }
}
