//! Durable counts as a value: what a checkpoint holds of counters, and what a finished job leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::CounterName;

/// Counts by uid and name. What is not there is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    by_uid: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// The count of `name` under `uid`.
    #[must_use]
    pub fn of(&self, uid: &str, name: CounterName) -> u64 {
        self.by_uid.get(uid).and_then(|counts| counts.get(name.name())).copied().unwrap_or(0)
    }

    /// The count of `name` under all uids together.
    #[must_use]
    pub fn total(&self, name: CounterName) -> u64 {
        self.by_uid.values().filter_map(|counts| counts.get(name.name())).sum()
    }

    /// All counts that are not zero, by uid and name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let of_uid = |(uid, counts)| {
            let counts: &BTreeMap<String, u64> = counts;
            let uid: &String = uid;
            counts.iter().map(move |(name, count)| (uid.as_str(), name.as_str(), *count))
        };
        self.by_uid.iter().flat_map(of_uid)
    }

    /// Adds to the count of `name` under `uid`.
    pub(crate) fn add(&mut self, uid: &str, name: &str, count: u64) {
        if count > 0 {
            *self.by_uid.entry(uid.to_owned()).or_default().entry(name.to_owned()).or_default() += count;
        }
    }
}

impl std::ops::AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        other.iter().for_each(|(uid, name, count)| self.add(uid, name, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{FILTERED, LATE};

    #[test]
    fn counts_add_up_by_uid_and_name() {
        let (mut counts, mut other) = (Counts::default(), Counts::default());
        counts.add("windows", LATE.name(), 2);
        counts.add("windows", FILTERED.name(), 0);
        other.add("windows", LATE.name(), 3);
        other.add("join", LATE.name(), 4);
        counts += &other;
        assert_eq!((counts.of("windows", LATE), counts.of("join", LATE), counts.total(LATE)), (5, 4, 9));
        let all = counts.iter().collect::<Vec<_>>();
        assert_eq!(all, [("join", "records.late", 4), ("windows", "records.late", 5)]);
    }
}
