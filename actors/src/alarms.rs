//! Decides when an actor needs one more alarm: only if none that is set rings in time.

use std::collections::BTreeSet;

use crate::time::Moment;

/// The alarms that an actor has set and that have not rung.
///
/// Alarms are not cancelled: a context of actix that has nothing else to do loops for ever over a cancelled future. So an
/// actor that wakes for nothing looks again at what it waits for. Since no alarm is set behind one that rings in time,
/// those that have been overtaken do not pile up, however often an actor changes its mind.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    set: BTreeSet<Moment>,
}

impl Alarms {
    /// Whether an alarm has to be set for `at`; it then counts as set.
    #[must_use]
    pub(crate) fn needs(&mut self, at: Moment) -> bool {
        let needed = self.set.first().is_none_or(|first| at < *first);
        if needed {
            self.set.insert(at);
        }
        needed
    }

    /// The alarm that was set for `at` has rung.
    pub(crate) fn rang(&mut self, at: Moment) {
        self.set.remove(&at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn alarms_are_set_only_before_those_that_are_set() {
        let mut alarms = Alarms::default();
        assert!(alarms.needs(at(10)));
        assert!(!alarms.needs(at(10)) && !alarms.needs(at(11)));
        assert!(alarms.needs(at(9)));
        alarms.rang(at(9));
        assert!(!alarms.needs(at(12)), "the one for 10 is still set");
        alarms.rang(at(10));
        assert!(alarms.needs(at(12)));
    }

    #[test]
    fn a_far_deadline_that_is_moved_again_and_again_leaves_one_alarm() {
        let mut alarms = Alarms::default();
        for round in 0..1000 {
            let near = at(10 * (round + 1));
            assert!(alarms.needs(near));
            alarms.rang(near);
            assert_eq!(alarms.needs(at(10 * round + 600_000)), round == 0);
            assert_eq!(alarms.set.len(), 1);
        }
    }
}
