//! Fires windows each time they have been given a number of records.

use super::{MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// Fires a window with every n-th record of a key in it. The count begins anew when it fires.
///
/// # State
/// A count per key and window. Merged windows add their counts, and fire with a record at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Count {
    every: u64,
}

impl Count {
    /// Fires with every `records`-th record; 0 and 1 fire with each.
    pub fn of(records: u64) -> Self {
        Self { every: records }
    }
}

impl<T> Trigger<T> for Count {
    type State = u64;

    fn on_element(
        &mut self,
        _: &Record<T>,
        _: TimeWindow,
        count: &mut u64,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        *count += 1;
        if *count < self.every {
            return TriggerResult::Continue;
        }
        *count = 0;
        TriggerResult::Fire
    }
}

impl<T> MergingTrigger<T> for Count {
    fn merge(&mut self, into: &mut u64, from: u64) {
        *into += from;
    }

    fn on_merge(&mut self, _: TimeWindow, _: &mut u64, _: &mut TriggerContext<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::window::tests::Asked;

    #[test]
    fn every_nth_record_fires_and_the_count_begins_anew() {
        let mut window = Asked::new(Count::of(3), TimeWindow::ALWAYS);
        let results: Vec<bool> = (0..7).map(|time| window.element(time).fires()).collect();
        assert_eq!(results, [false, false, true, false, false, true, false]);
        assert_eq!(window.requests, []);
    }

    #[test]
    fn merged_counts_fire_with_the_next_record() {
        let mut window = Asked::new(Count::of(3), TimeWindow::ALWAYS);
        window.element(1);
        window.merge(2);
        assert_eq!(window.element(2), TriggerResult::Fire);
    }
}
