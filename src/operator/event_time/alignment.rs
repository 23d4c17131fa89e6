//! Lets the readers of a group advance together: who has come how far, and how far anybody may go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::time::{Timespan, Timestamp};
use millstream_actors::time_view::GroupTime;

use super::watermarks::Alignment;

/// The groups of one job, shared by all its subtasks. Members come and go with their operators.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlignmentGroups(Arc<Mutex<Groups>>);

#[derive(Debug, Default)]
struct Groups {
    members: u64,
    /// Per group, what its members have reached; `None` for those that hold nothing back.
    by_name: BTreeMap<String, BTreeMap<u64, Option<Timestamp>>>,
}

impl AlignmentGroups {
    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader in its group.
pub(super) struct Member {
    groups: AlignmentGroups,
    group: Arc<str>,
    number: Option<u64>,
    max_drift: Timespan,
    interval: Timespan,
    /// The next look at the group.
    next_look: Timestamp,
    /// What the slowest of the group had reached at the last look; `None` if nobody holds anything back.
    slowest: Option<Timestamp>,
    is_held: bool,
}

impl Member {
    /// A reader that joins its group with the first tick: one that has finished before never does.
    pub(super) fn new(groups: &AlignmentGroups, alignment: &Alignment) -> Self {
        let Alignment { group, max_drift, interval } = alignment;
        Self {
            groups: groups.clone(),
            group: group.as_str().into(),
            number: None,
            max_drift: *max_drift,
            interval: *interval,
            next_look: Timestamp::MIN,
            slowest: None,
            is_held: false,
        }
    }

    /// Tells the group what the reader has reached, `None` if it is idle, and looks at the others if it is time to.
    /// Gives whether the reader must wait.
    pub(super) fn tick(&mut self, now: Timestamp, reached: Option<Timestamp>) -> bool {
        let mut groups = self.groups.lock();
        let number = *self.number.get_or_insert_with(|| {
            groups.members += 1;
            groups.members
        });
        let members = match groups.by_name.get_mut(&*self.group) {
            Some(members) => members,
            None => groups.by_name.entry(self.group.to_string()).or_default(),
        };
        members.insert(number, reached);
        if now >= self.next_look {
            self.slowest = members.values().copied().flatten().min();
            self.next_look = now + self.interval;
        }
        self.is_held = match (reached, self.slowest) {
            (Some(reached), Some(slowest)) => reached > slowest + self.max_drift,
            _ => false,
        };
        self.is_held
    }

    /// The reader has nothing more to read.
    pub(super) fn leave(&mut self) {
        if let Some(number) = self.number.take() {
            let mut groups = self.groups.lock();
            if let Some(members) = groups.by_name.get_mut(&*self.group) {
                members.remove(&number);
            }
        }
        self.is_held = false;
    }

    /// How far anything that the reader reads may go, as of the last look; `None` if nobody holds anything back.
    pub(super) fn limit(&self) -> Option<Timestamp> {
        self.slowest.map(|slowest| slowest + self.max_drift)
    }

    /// Whether the reader was told to wait.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// The group, if the reader was told to wait for it.
    pub(super) fn waits_for(&self) -> Option<GroupTime> {
        let slowest = self.slowest.filter(|_| self.is_held)?;
        Some(GroupTime { name: Arc::clone(&self.group), slowest })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn members<const N: usize>() -> [Member; N] {
        let groups = AlignmentGroups::default();
        let alignment = Alignment { group: "group".to_owned(), max_drift: 100.millis(), interval: 1.seconds() };
        std::array::from_fn(|_| Member::new(&groups, &alignment))
    }

    #[test]
    fn reader_waits_that_is_further_ahead_of_the_slowest_than_the_drift() {
        let [mut fast, mut slow] = members();
        assert!(!slow.tick(at(0), Some(at(10))));
        assert!(!fast.tick(at(0), Some(at(110))));
        assert!(fast.tick(at(200), Some(at(111))));
        assert!(!slow.tick(at(200), Some(at(11))));
        assert!(fast.tick(at(400), Some(at(111))), "the group is looked at once per interval");
        assert!(!fast.tick(at(1_000), Some(at(111))));
    }

    #[test]
    fn reader_without_a_watermark_lets_others_wait() {
        let [mut fast, mut slow] = members();
        assert!(!slow.tick(at(0), Some(Timestamp::NONE)));
        assert!(fast.tick(at(0), Some(at(1))));
        assert!(!slow.tick(at(1_000), Some(at(1))));
        assert!(!fast.tick(at(1_000), Some(at(1))));
    }

    #[test]
    fn idle_reader_does_not_count_and_does_not_wait() {
        let [mut fast, mut slow] = members();
        assert!(!slow.tick(at(0), Some(at(0))));
        assert!(fast.tick(at(0), Some(at(500))));
        assert!(!slow.tick(at(1_000), None));
        assert!(!fast.tick(at(1_000), Some(at(500))));
        assert!(!fast.tick(at(2_000), None));
    }

    #[test]
    fn reader_that_has_left_does_not_count() {
        let [mut fast, mut slow] = members();
        assert!(!slow.tick(at(0), Some(at(0))));
        drop(slow);
        assert!(!fast.tick(at(0), Some(at(500))));
    }
}
