//! Keeps the few records with the greatest values.

use std::cmp::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Aggregate;
use super::ranking::Ranked;
use crate::error::Result;
use crate::model::{Data, Record};

/// The records for which a function gives the greatest values, the greatest first; among equals, the ones with the
/// earliest timestamps, and then those that came first.
///
/// Costs a comparison per record that is not among them, and for the others a search and moving up to n of them.
/// Merging is exact, and costs as much as adding n records.
///
/// # Example
/// ```
/// use millstream::operator::aggregate::TopN;
///
/// struct Bid {
///     price_cents: u64,
/// }
///
/// let best_three = TopN::of(3, |bid: &Bid| bid.price_cents);
/// # let _ = best_three;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct TopN<F> {
    n: usize,
    value_of: F,
}

impl<F> TopN<F> {
    /// Keeps the `n` records with the greatest values of `value_of`.
    pub fn of<T, N>(n: usize, value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { n, value_of }
    }

    /// Where a record belongs that `rank` compares the kept ones with; `None` if it is not among the best.
    #[inline]
    fn place<N, T>(&self, best: &[Ranked<N, T>], rank: impl Fn(&Ranked<N, T>) -> Ordering) -> Option<usize> {
        let is_full = best.len() >= self.n;
        if is_full && best.last().is_none_or(|last| rank(last) != Ordering::Greater) {
            return None;
        }
        Some(best.partition_point(|kept| rank(kept) != Ordering::Greater))
    }

    fn insert<N, T>(&self, best: &mut Vec<Ranked<N, T>>, place: usize, ranked: Ranked<N, T>) {
        best.truncate(self.n.saturating_sub(1));
        best.insert(place, ranked);
    }
}

impl<T, N, F> Aggregate<T> for TopN<F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
    F: FnMut(&T) -> N + Clone + Send + 'static,
{
    type Accumulator = Vec<Ranked<N, T>>;
    type Out = Vec<T>;

    #[inline]
    fn create(&mut self) -> Self::Accumulator {
        Vec::new()
    }

    #[inline]
    fn add(&mut self, best: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
        let value = (self.value_of)(&record.value);
        let place = self.place(best, |kept| kept.rank(&value, record.time, Ordering::Greater));
        if let Some(place) = place {
            self.insert(best, place, Ranked::new(value, record));
        }
        Ok(())
    }

    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
        for other in from {
            // They are in order: where one is not among the best, none behind it is.
            let Some(place) = self.place(into, |kept| kept.rank_of(other, Ordering::Greater)) else { break };
            self.insert(into, place, other.clone());
        }
        Ok(())
    }

    fn result(&mut self, best: &Self::Accumulator) -> Result<Vec<T>> {
        Ok(best.iter().map(|ranked| ranked.record().clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn none_of_nothing_is_kept() {
        let records = [3, 1, 2].map(Record::new);
        assert!(laws::result(TopN::of(0, |value: &i64| *value), &records).is_empty());
        assert_eq!(laws::result(TopN::of(9, |value: &i64| *value), &records), [3, 2, 1]);
    }

    proptest! {
        #[test]
        fn greatest_records_keep_the_laws(records in laws::records(), n in 0usize..8) {
            let records = laws::numbered(&records);
            let top = TopN::of(n, |(value, _): &(i64, usize)| value / 4);
            laws::hold(top, &records);
            let mut expected: Vec<_> = records.clone();
            expected.sort_by_key(|record| (std::cmp::Reverse(record.value.0 / 4), record.time));
            let expected: Vec<_> = expected.into_iter().take(n).map(|record| record.value).collect();
            prop_assert_eq!(laws::result(top, &records), expected);
        }
    }
}
