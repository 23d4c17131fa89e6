//! A list that must not grow for ever: of what is added, the latest is remembered.

use std::collections::VecDeque;

/// The latest entries of a list, oldest first.
#[derive(Debug)]
pub(super) struct Ring<T> {
    kept: VecDeque<T>,
    capacity: usize,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { kept: VecDeque::new(), capacity }
    }

    pub(super) fn push(&mut self, entry: T) {
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        self.kept.push_back(entry);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.kept.iter()
    }

    /// The entries from the first one on for which `is_before` is false; it is true for all entries before that.
    pub(super) fn from(&self, is_before: impl FnMut(&T) -> bool) -> impl Iterator<Item = &T> {
        self.kept.range(self.kept.partition_point(is_before)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_forgets_the_oldest_entries_first() {
        let mut ring = Ring::new(3);
        (0..5).for_each(|number| ring.push(number));
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(ring.from(|number| *number < 3).copied().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(ring.from(|_| true).count(), 0);
    }
}
