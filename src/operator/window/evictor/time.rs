//! Keeps the newest records of a window, by their timestamps.

use millstream_actors::time::{Timespan, Timestamp};

use super::{Eviction, Evictor, When};
use crate::model::Record;

/// Takes out the records whose timestamp is an interval or more before the highest timestamp in the window.
///
/// Records without timestamp stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Time {
    keep: Timespan,
    when: When,
}

impl Time {
    /// Keeps the records of the last `interval`, before the window's function sees them.
    pub fn of(interval: Timespan) -> Self {
        Self { keep: interval, when: When::Before }
    }

    /// Takes records out after the window's function has seen them.
    pub fn after(self) -> Self {
        Self { when: When::After, ..self }
    }

    fn evict<T>(self, elements: &mut Vec<Record<T>>) {
        let newest = elements.iter().map(|element| element.time).max().unwrap_or(Timestamp::NONE);
        let until = newest - self.keep;
        elements.retain(|element| !element.time.is_some() || element.time > until);
    }
}

impl<T> Evictor<T> for Time {
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
    use millstream_actors::time::TimespanUnits;

    use super::*;
    use crate::operator::window::tests::evicted;

    #[test]
    fn records_an_interval_before_the_newest_are_taken_out() {
        assert_eq!(evicted(Time::of(4.millis()), &[5, 9, 6, 1]), (vec![9, 6], vec![9, 6]));
        assert_eq!(evicted(Time::of(4.millis()).after(), &[5, 9, 6, 1]), (vec![5, 9, 6, 1], vec![9, 6]));
    }

    #[test]
    fn records_without_timestamp_stay() {
        let mut elements = vec![Record::new('a'), Record::new('b')];
        Time::of(1.millis()).evict(&mut elements);
        assert_eq!(elements.len(), 2);
    }
}
