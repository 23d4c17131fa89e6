//! Holds back the reader at the head of a block, or some of its splits, for an operator downstream of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::io::SplitNumber;

/// The whole reader waits.
const ALL: u8 = 1;
/// Which splits are paused is not what it was when the head looked last.
const CHANGED: u8 = 2;

/// What is held back of one reader. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    state: AtomicU8,
    /// Whether the reader can pause some of its splits.
    pauses_splits: AtomicBool,
    paused: Mutex<BTreeSet<SplitNumber>>,
}

impl Hold {
    /// The reader at the head can pause some of its splits.
    pub(in crate::operator) fn can_pause_splits(&self) {
        self.0.pauses_splits.store(true, Ordering::Relaxed);
    }

    /// Whether it can.
    pub(crate) fn pauses_splits(&self) -> bool {
        self.0.pauses_splits.load(Ordering::Relaxed)
    }

    /// Lets the whole reader wait, or go on.
    pub(crate) fn set(&self, holds: bool) {
        let set = if holds { Held::raise } else { Held::lower };
        set(&self.0, ALL);
    }

    /// Lets exactly these splits wait.
    pub(crate) fn pause(&self, splits: BTreeSet<SplitNumber>) {
        let mut paused = self.0.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *paused != splits {
            *paused = splits;
            self.0.raise(CHANGED);
        }
    }

    /// Whether the whole reader waits.
    pub(crate) fn is_set(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) & ALL != 0
    }

    /// Whether the head has to look: the reader waits, or other splits than before are paused.
    #[inline(always)]
    pub(super) fn asks(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) != 0
    }

    /// The splits that are paused, if these changed since the last call.
    pub(in crate::operator) fn take_change(&self) -> Option<BTreeSet<SplitNumber>> {
        if self.0.state.load(Ordering::Relaxed) & CHANGED == 0 {
            return None;
        }
        let paused = self.0.paused.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.lower(CHANGED);
        Some(paused.clone())
    }
}

impl Held {
    fn raise(&self, bit: u8) {
        self.state.fetch_or(bit, Ordering::Relaxed);
    }

    fn lower(&self, bit: u8) {
        self.state.fetch_and(!bit, Ordering::Relaxed);
    }
}
