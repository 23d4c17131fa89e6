//! Keeps the whole record with the smallest or the greatest value.

use std::cmp::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ranking::Ranked;
use super::{Aggregate, no_record};
use crate::error::Result;
use crate::model::{Data, Record};

/// The record for which a function gives the smallest value; among equals, the one with the earliest timestamp, and
/// then the one that came first.
///
/// Costs a comparison per record, and a clone of those that are better than all before. Merging is exact.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct MinBy<F> {
    value_of: F,
}

impl<F> MinBy<F> {
    /// Keeps the record with the smallest value of `value_of`.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N, F> Aggregate<T> for MinBy<F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
    F: FnMut(&T) -> N + Clone + Send + 'static,
{
    type Accumulator = Option<Ranked<N, T>>;
    type Out = T;

    #[inline]
    fn create(&mut self) -> Self::Accumulator {
        None
    }

    #[inline]
    fn add(&mut self, best: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
        add_to(best, (self.value_of)(&record.value), record, Ordering::Less);
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
        merge_into(into, from, Ordering::Less);
        Ok(())
    }

    #[inline]
    fn result(&mut self, best: &Self::Accumulator) -> Result<T> {
        best.as_ref().map(|best| best.record().clone()).ok_or_else(|| no_record("the record with the smallest value"))
    }
}

/// The record for which a function gives the greatest value; among equals, the one with the earliest timestamp, and
/// then the one that came first.
///
/// Costs a comparison per record, and a clone of those that are better than all before. Merging is exact.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct MaxBy<F> {
    value_of: F,
}

impl<F> MaxBy<F> {
    /// Keeps the record with the greatest value of `value_of`.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N, F> Aggregate<T> for MaxBy<F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
    F: FnMut(&T) -> N + Clone + Send + 'static,
{
    type Accumulator = Option<Ranked<N, T>>;
    type Out = T;

    #[inline]
    fn create(&mut self) -> Self::Accumulator {
        None
    }

    #[inline]
    fn add(&mut self, best: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
        add_to(best, (self.value_of)(&record.value), record, Ordering::Greater);
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
        merge_into(into, from, Ordering::Greater);
        Ok(())
    }

    #[inline]
    fn result(&mut self, best: &Self::Accumulator) -> Result<T> {
        best.as_ref().map(|best| best.record().clone()).ok_or_else(|| no_record("the record with the greatest value"))
    }
}

#[inline]
fn add_to<N: PartialOrd, T: Clone>(best: &mut Option<Ranked<N, T>>, value: N, record: &Record<T>, wanted: Ordering) {
    if best.as_ref().is_none_or(|best| best.rank(&value, record.time, wanted) == Ordering::Greater) {
        *best = Some(Ranked::new(value, record));
    }
}

#[inline]
fn merge_into<N: PartialOrd + Clone, T: Clone>(
    into: &mut Option<Ranked<N, T>>,
    from: &Option<Ranked<N, T>>,
    wanted: Ordering,
) {
    let Some(other) = from else { return };
    if into.as_ref().is_none_or(|best| best.rank_of(other, wanted) == Ordering::Greater) {
        *into = Some(other.clone());
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn earliest_record_wins_among_equals() {
        let records = [("late", 9), ("early", 3), ("same", 3)]
            .map(|(name, at)| Record::at(name.to_owned(), Timestamp::from_millis(at)));
        assert_eq!(laws::result(MaxBy::of(|_: &String| 1), &records), "early");
        assert_eq!(laws::result(MinBy::of(|_: &String| 1), &records), "early");
        assert_eq!(laws::result(MaxBy::of(String::len), &records), "early");
    }

    proptest! {
        #[test]
        fn records_with_extreme_values_keep_the_laws(records in laws::records()) {
            // Many records have the same value: their times decide.
            let records = laws::numbered(&records);
            laws::hold(MinBy::of(|(value, _): &(i64, usize)| value / 4), &records);
            laws::hold(MaxBy::of(|(value, _): &(i64, usize)| value / 4), &records);
            let best = laws::result(MaxBy::of(|(value, _): &(i64, usize)| *value), &records);
            prop_assert_eq!(Some(best.0), records.iter().map(|record| record.value.0).max());
        }
    }
}
