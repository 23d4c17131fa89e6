//! The ways in which an operator is driven through a case.

use std::fmt;

use crate::io::SplitMix64;

/// One way of driving an operator. All must give the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mode {
    /// One element per call.
    Stepwise,
    /// Neighbouring records in one batch.
    Batched,
    /// A snapshot after every element, of which nothing is used.
    Snapshot,
    /// A new operator after every element, restored from a snapshot of the one before.
    Restored,
    /// As restored, and all state is folded and evicted in between: it comes back from disk.
    Evicted,
    /// Outputs that accept one record at a time.
    Crowded,
    /// The same, and a new operator, restored from a snapshot, in the middle of emissions that may be interrupted.
    Interrupted,
    /// All of it by chance: how long batches are, how much outputs accept, when something is restored or evicted.
    Mixed,
}

impl Mode {
    /// All modes, the simplest first.
    pub const ALL: [Self; 8] = [
        Self::Stepwise,
        Self::Batched,
        Self::Snapshot,
        Self::Restored,
        Self::Evicted,
        Self::Crowded,
        Self::Interrupted,
        Self::Mixed,
    ];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stepwise => "stepwise",
            Self::Batched => "batched",
            Self::Snapshot => "snapshot",
            Self::Restored => "restored",
            Self::Evicted => "evicted",
            Self::Crowded => "crowded",
            Self::Interrupted => "interrupted",
            Self::Mixed => "mixed",
        })
    }
}

/// What is done between two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Nothing,
    Snapshot,
    Evict,
    Restore,
    EvictAndRestore,
}

/// The choices that a mode makes.
pub(super) struct Choices {
    mode: Mode,
    chance: SplitMix64,
}

/// One in so many places where an emission may be interrupted is one where it is.
const INTERRUPTED: u64 = 4;

/// Records that outputs accept at once when nothing is crowded.
const ROOM: usize = 512;

impl Choices {
    pub(super) fn new(mode: Mode, seed: u64) -> Self {
        Self { mode, chance: SplitMix64::new(seed) }
    }

    /// Records in one batch, at most.
    pub(super) fn batch(&mut self) -> usize {
        match self.mode {
            Mode::Batched => usize::MAX,
            Mode::Mixed => 1 + self.chance.below(5) as usize,
            _ => 1,
        }
    }

    /// Records that the outputs accept at once.
    pub(super) fn room(&mut self) -> usize {
        match self.mode {
            Mode::Crowded | Mode::Interrupted => 1,
            Mode::Mixed => 1 + self.chance.below(3) as usize,
            _ => ROOM,
        }
    }

    /// What happens in the middle of an emission that may be interrupted.
    pub(super) fn within(&mut self) -> Between {
        match self.mode {
            Mode::Interrupted if self.chance.below(INTERRUPTED) == 0 => Between::Restore,
            Mode::Mixed => self.between(),
            _ => Between::Nothing,
        }
    }

    /// What happens after an element.
    pub(super) fn between(&mut self) -> Between {
        match self.mode {
            Mode::Snapshot => Between::Snapshot,
            Mode::Restored => Between::Restore,
            Mode::Evicted => Between::EvictAndRestore,
            Mode::Mixed => match self.chance.below(12) {
                0 => Between::Snapshot,
                1 => Between::Evict,
                2 => Between::Restore,
                3 => Between::EvictAndRestore,
                _ => Between::Nothing,
            },
            _ => Between::Nothing,
        }
    }
}
