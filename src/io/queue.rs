//! Hands out splits that are all known at the start.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SplitEnumerator;
use crate::error::Result;

/// The splits of a bounded input that nobody has taken yet.
///
/// Split number r is kept for reader r until some other reader runs out of work, so the first splits go to the same
/// readers in every run; what is left goes to whoever asks, in order. Splits that are one for each reader are not given to
/// others: of splits that cover the same event time, one that is read behind another would come too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitQueue<S> {
    left: BTreeMap<u64, S>,
    total: Option<u64>,
    is_one_each: bool,
}

impl<S> SplitQueue<S> {
    /// All of `splits`, which together have `total` units of progress.
    pub fn new(splits: impl IntoIterator<Item = S>, total: Option<u64>) -> Self {
        Self { left: (0..).zip(splits).collect(), total, is_one_each: false }
    }

    /// Split number r for reader r, and for no other.
    pub fn one_each(splits: impl IntoIterator<Item = S>, total: Option<u64>) -> Self {
        Self { is_one_each: true, ..Self::new(splits, total) }
    }
}

impl<S: Serialize + DeserializeOwned + Send + 'static> SplitEnumerator for SplitQueue<S> {
    type Split = S;

    fn next_split(&mut self, reader: u32) -> Result<Option<S>> {
        let own = self.left.remove(&u64::from(reader));
        if self.is_one_each {
            return Ok(own);
        }
        Ok(own.or_else(|| self.left.pop_first().map(|(_, split)| split)))
    }

    fn total(&self) -> Option<u64> {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_split_is_handed_out_once_first_to_its_own_reader() {
        let mut queue = SplitQueue::new(["a", "b", "c", "d"].map(str::to_owned), None);
        let mut next = |reader| queue.next_split(reader).unwrap();
        assert_eq!(next(2).as_deref(), Some("c"));
        assert_eq!(next(2).as_deref(), Some("a"));
        assert_eq!(next(1).as_deref(), Some("b"));
        assert_eq!(next(0).as_deref(), Some("d"));
        assert_eq!(next(0), None);
    }

    #[test]
    fn split_of_another_reader_waits_for_it() {
        let mut queue = SplitQueue::one_each(["a", "b"].map(str::to_owned), None);
        let mut next = |reader| queue.next_split(reader).unwrap();
        assert_eq!(next(1).as_deref(), Some("b"));
        assert_eq!(next(1), None);
        assert_eq!(next(0).as_deref(), Some("a"));
    }
}
