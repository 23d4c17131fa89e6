//! Decides which key group a key falls into and which subtask owns the group.
//!
//! Source: the arithmetic of Flink's `KeyGroupRangeAssignment`, restated in `docs/semantics.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::KeyHash;

/// The highest parallelism, and the highest number of key groups, of any operator.
pub const PARALLELISM_LIMIT: u32 = 32_768;

/// The unit in which keyed state is moved between subtasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyGroup(pub u16);

/// The number of key groups of a job: the highest parallelism it can ever have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct MaxParallelism(u32);

/// A parallelism outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("maximum parallelism {0} is not between 1 and {PARALLELISM_LIMIT}")]
pub struct ParallelismError(u32);

impl TryFrom<u32> for MaxParallelism {
    type Error = ParallelismError;

    fn try_from(groups: u32) -> Result<Self, ParallelismError> {
        if (1..=PARALLELISM_LIMIT).contains(&groups) { Ok(Self(groups)) } else { Err(ParallelismError(groups)) }
    }
}

impl From<MaxParallelism> for u32 {
    fn from(max: MaxParallelism) -> Self {
        max.0
    }
}

impl MaxParallelism {
    /// The number of key groups of a job that starts with `parallelism` and names no maximum: half as much again,
    /// rounded up to a power of two, at least 128.
    #[must_use]
    pub fn default_for(parallelism: u32) -> Self {
        let wanted = u64::from(parallelism) + u64::from(parallelism) / 2;
        Self(wanted.next_power_of_two().clamp(128, u64::from(PARALLELISM_LIMIT)) as u32)
    }

    /// The number of key groups.
    #[must_use]
    pub fn groups(self) -> u32 {
        self.0
    }

    /// The key group of a key.
    #[inline]
    #[must_use]
    pub fn group_of(self, hash: KeyHash) -> KeyGroup {
        // Nearly always it is a power of two, and a division takes longer than the rest of what is done with a key.
        let rest = if self.0.is_power_of_two() { hash.for_group() & (self.0 - 1) } else { hash.for_group() % self.0 };
        KeyGroup(rest as u16)
    }

    /// The subtask, of `parallelism` many, that owns `group`.
    #[inline]
    #[must_use]
    pub fn subtask_of(self, group: KeyGroup, parallelism: u32) -> u32 {
        (u64::from(group.0) * u64::from(parallelism) / u64::from(self.0)) as u32
    }

    /// The key groups that subtask `index`, of `parallelism` many, owns.
    #[must_use]
    pub fn range_of(self, index: u32, parallelism: u32) -> KeyGroupRange {
        let (groups, index, parallelism) = (u64::from(self.0), u64::from(index), u64::from(parallelism));
        KeyGroupRange {
            first: KeyGroup((index * groups).div_ceil(parallelism) as u16),
            last: KeyGroup((((index + 1) * groups - 1) / parallelism) as u16),
        }
    }
}

/// A run of key groups, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGroupRange {
    /// The first group.
    pub first: KeyGroup,
    /// The last group.
    pub last: KeyGroup,
}

impl KeyGroupRange {
    /// Whether `group` is one of them.
    #[must_use]
    pub fn contains(self, group: KeyGroup) -> bool {
        (self.first..=self.last).contains(&group)
    }
}

impl fmt::Display for KeyGroupRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first.0, self.last.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(max: u32, parallelism: u32) -> Vec<(u16, u16)> {
        let max = MaxParallelism::try_from(max).unwrap();
        (0..parallelism)
            .map(|index| max.range_of(index, parallelism))
            .map(|range| (range.first.0, range.last.0))
            .collect()
    }

    #[test]
    fn k1_ranges_share_the_groups_evenly() {
        assert_eq!(ranges(128, 3), [(0, 42), (43, 85), (86, 127)]);
        assert_eq!(ranges(128, 4), [(0, 31), (32, 63), (64, 95), (96, 127)]);
        assert_eq!(ranges(128, 7), [(0, 18), (19, 36), (37, 54), (55, 73), (74, 91), (92, 109), (110, 127)]);
    }

    #[test]
    fn k2_default_maximum_grows_with_the_parallelism() {
        let table = [
            (1, 128),
            (4, 128),
            (85, 128),
            (86, 256),
            (100, 256),
            (171, 256),
            (200, 512),
            (1000, 2048),
            (30_000, 32_768),
        ];
        for (parallelism, max) in table {
            assert_eq!(MaxParallelism::default_for(parallelism).groups(), max, "parallelism {parallelism}");
        }
    }

    #[test]
    fn maximum_outside_its_range_is_refused() {
        assert!(MaxParallelism::try_from(0).is_err());
        assert!(MaxParallelism::try_from(PARALLELISM_LIMIT).is_ok());
        assert!(MaxParallelism::try_from(PARALLELISM_LIMIT + 1).is_err());
    }

    proptest! {
        #[test]
        fn each_group_is_in_the_range_of_its_subtask_and_in_no_other(max in 1u32..=PARALLELISM_LIMIT, share in 0.0f64..1.0, place in 0.0f64..1.0) {
            let parallelism = 1 + (f64::from(max - 1) * share) as u32;
            let group = KeyGroup((f64::from(max - 1) * place) as u16);
            let max = MaxParallelism::try_from(max).unwrap();
            let owner = max.subtask_of(group, parallelism);
            prop_assert!(owner < parallelism);
            for index in owner.saturating_sub(1)..=(owner + 1).min(parallelism - 1) {
                prop_assert_eq!(max.range_of(index, parallelism).contains(group), index == owner);
            }
        }
    }
}
