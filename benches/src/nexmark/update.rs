//! Results that change: a query without windows takes back what it has said, and says it anew.

use std::collections::BTreeMap;
use std::hash::Hash;

use millstream::model::hash_key;

/// A part of a result that changes.
///
/// The result is what all updates add up to: what was said and not taken back. It does not depend on how the records of
/// different subtasks interleave, while the single updates do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Update<T> {
    /// This was said before, and does not hold any more.
    NoLonger(T),
    /// This holds from now on.
    Now(T),
}

impl<T: Ord + Clone> Update<T> {
    /// What `updates` add up to. Something that is taken back more often than it was said remains taken back.
    pub(crate) fn settle(updates: Vec<Self>) -> Vec<Self> {
        let mut counts = BTreeMap::<T, i64>::new();
        for update in updates {
            match update {
                Self::NoLonger(what) => *counts.entry(what).or_default() -= 1,
                Self::Now(what) => *counts.entry(what).or_default() += 1,
            }
        }
        let times = |(what, count): (T, i64)| {
            let update = if count < 0 { Self::NoLonger(what) } else { Self::Now(what) };
            std::iter::repeat_n(update, count.unsigned_abs() as usize)
        };
        counts.into_iter().flat_map(times).collect()
    }
}

impl<T: Hash> Update<T> {
    /// A hash that adds up to that of the result.
    pub(crate) fn hash(&self) -> u64 {
        match self {
            Self::NoLonger(what) => hash_key(what).0.wrapping_neg(),
            Self::Now(what) => hash_key(what).0,
        }
    }
}
