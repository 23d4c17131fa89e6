//! Keeps the last records of a window.

use super::{Eviction, Evictor, When};
use crate::model::Record;

/// Keeps the last `n` records of a window, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Count {
    keep: usize,
    when: When,
}

impl Count {
    /// Keeps the last `records`, before the window's function sees them.
    pub fn of(records: usize) -> Self {
        Self { keep: records, when: When::Before }
    }

    /// Takes records out after the window's function has seen them.
    pub fn after(self) -> Self {
        Self { when: When::After, ..self }
    }

    fn evict<T>(self, elements: &mut Vec<Record<T>>) {
        elements.drain(..elements.len().saturating_sub(self.keep));
    }
}

impl<T> Evictor<T> for Count {
    fn evict_before(&mut self, elements: &mut Vec<Record<T>>, _: &Eviction) {
        if self.when == When::Before {
            self.evict(elements);
        }
    }

    fn evict_after(&mut self, elements: &mut Vec<Record<T>>, _: &Eviction) {
        if self.when == When::After {
            self.evict(elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::window::tests::evicted;

    #[test]
    fn last_records_are_kept() {
        assert_eq!(evicted(Count::of(2), &[5, 9, 1]), (vec![9, 1], vec![9, 1]));
        assert_eq!(evicted(Count::of(2).after(), &[5, 9, 1]), (vec![5, 9, 1], vec![9, 1]));
        assert_eq!(evicted(Count::of(4), &[5, 9, 1]).0, [5, 9, 1]);
        assert!(evicted(Count::of(0), &[5, 9, 1]).0.is_empty());
    }
}
