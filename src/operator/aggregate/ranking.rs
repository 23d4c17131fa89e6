//! Decides which of two values is the better one, also where there is no telling, and which of two records counts.

use std::cmp::Ordering;

use millstream_actors::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::Record;

/// Compares two values of which those that lie `wanted` of the other come first: `Less` if `one` does.
///
/// What cannot be compared with itself, as NaN, comes last, so that the order of arrival decides nothing.
#[inline]
pub(super) fn rank<N: PartialOrd>(one: &N, other: &N, wanted: Ordering) -> Ordering {
    match one.partial_cmp(other) {
        Some(Ordering::Equal) => Ordering::Equal,
        Some(found) if found == wanted => Ordering::Less,
        Some(_) => Ordering::Greater,
        None => is_incomparable(one).cmp(&is_incomparable(other)),
    }
}

fn is_incomparable<N: PartialOrd>(value: &N) -> bool {
    value.partial_cmp(value).is_none()
}

/// A record, with the value by which it is ranked.
///
/// Among records with equal values, the one with the earliest timestamp comes first, and then the one that came first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked<N, T> {
    value: N,
    time: Timestamp,
    record: T,
}

impl<N: PartialOrd, T> Ranked<N, T> {
    /// A record with its value.
    pub(super) fn new(value: N, record: &Record<T>) -> Self
    where
        T: Clone,
    {
        Self { value, time: record.time, record: record.value.clone() }
    }

    /// The record.
    pub(super) fn record(&self) -> &T {
        &self.record
    }

    /// Compares with a record of this value and time: `Less` if this one comes first.
    #[inline]
    pub(super) fn rank(&self, value: &N, time: Timestamp, wanted: Ordering) -> Ordering {
        rank(&self.value, value, wanted).then(self.time.cmp(&time))
    }

    /// As [`Self::rank`].
    #[inline]
    pub(super) fn rank_of(&self, other: &Self, wanted: Ordering) -> Ordering {
        self.rank(&other.value, other.time, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_comes_last() {
        for wanted in [Ordering::Less, Ordering::Greater] {
            assert_eq!(rank(&1.0, &f64::NAN, wanted), Ordering::Less);
            assert_eq!(rank(&f64::NAN, &1.0, wanted), Ordering::Greater);
            assert_eq!(rank(&f64::NAN, &f64::NAN, wanted), Ordering::Equal);
        }
        assert_eq!(rank(&1, &2, Ordering::Less), Ordering::Less);
        assert_eq!(rank(&1, &2, Ordering::Greater), Ordering::Greater);
    }

    #[test]
    fn earlier_record_comes_first_among_equals() {
        let at = |millis| Record::at('x', Timestamp::from_millis(millis));
        let (early, late) = (Ranked::new(7, &at(1)), Ranked::new(7, &at(2)));
        assert_eq!(early.rank_of(&late, Ordering::Greater), Ordering::Less);
        assert_eq!(early.rank_of(&early, Ordering::Greater), Ordering::Equal);
    }
}
