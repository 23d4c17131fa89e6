//! Compares what a run made visible with what was expected, and tells what is needed to understand a difference.

use std::collections::BTreeMap;
use std::fmt;

/// What a run did not do as it should. Its text has the difference, the seed, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    text: String,
}

impl Mismatch {
    /// A mismatch that is told by `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    pub(super) fn add(&mut self, text: &str) {
        self.text.push('\n');
        self.text.push_str(text);
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Mismatch {}

/// Records that one side has more often than the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference<'a, T> {
    /// Expected, and not there, with how many of each.
    pub(super) missing: Vec<(&'a T, usize)>,
    /// There, and not expected, with how many of each.
    pub(super) unexpected: Vec<(&'a T, usize)>,
}

impl<'a, T: Ord> Difference<'a, T> {
    /// The difference of two multisets; `None` if there is none.
    pub(super) fn between(expected: &'a [T], found: &'a [T]) -> Option<Self> {
        let (mut left, mut right) = (expected.iter().collect::<Vec<_>>(), found.iter().collect::<Vec<_>>());
        left.sort_unstable();
        right.sort_unstable();
        if left == right {
            return None;
        }
        let mut counts = BTreeMap::<&T, isize>::new();
        left.into_iter().for_each(|record| *counts.entry(record).or_default() += 1);
        right.into_iter().for_each(|record| *counts.entry(record).or_default() -= 1);
        let of_sign = |sign: isize| {
            let counts = counts.iter().filter(move |(_, count)| count.signum() == sign);
            counts.map(|(record, count)| (*record, count.unsigned_abs())).collect::<Vec<_>>()
        };
        Some(Self { missing: of_sign(1), unexpected: of_sign(-1) })
    }

    /// The records in which the two differ.
    pub(super) fn records(&self) -> impl Iterator<Item = &'a T> {
        self.missing.iter().chain(&self.unexpected).map(|(record, _)| *record)
    }
}

/// Records that are shown of a difference.
const SHOWN: usize = 8;

impl<T: fmt::Debug> fmt::Display for Difference<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, records) in [("missing", &self.missing), ("not expected", &self.unexpected)] {
            if records.is_empty() {
                continue;
            }
            writeln!(f, "  {what}:")?;
            for (record, count) in records.iter().take(SHOWN) {
                writeln!(f, "    {record:?} ({count} x)")?;
            }
            if records.len() > SHOWN {
                writeln!(f, "    and {} others", records.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_makes_no_difference_and_number_does() {
        assert_eq!(Difference::between(&[3, 1, 2], &[1, 2, 3]), None);
        let difference = Difference::between(&[1, 1, 2], &[1, 3, 3]).unwrap();
        assert_eq!(difference, Difference { missing: vec![(&1, 1), (&2, 1)], unexpected: vec![(&3, 2)] });
    }
}
