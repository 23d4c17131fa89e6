//! What one subtask measures of itself: it writes as cheaply as to memory of its own, and anybody may read at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What one subtask has measured of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubtaskView {
    /// Run slices so far.
    pub slices: u64,
    /// The longest run slice, by the clock on the wall: letters waited for as long as this.
    pub longest_slice: Duration,
    /// The most processor time that a run slice took, or up to half a millisecond more than that; zero where the system
    /// does not know, and where time is virtual. It is less than [`Self::longest_slice`] where the thread did not work
    /// but wait: for a core, or for a function that blocks.
    pub longest_work: Duration,
    /// Slices that ended because an output had no credit.
    pub blocked: u64,
    /// The most batches that were queued in its inputs at once.
    pub most_queued: usize,
    /// Whether its inputs have ended.
    pub drained: bool,
}

/// Where a subtask writes what it measures. Only the subtask writes; clones read.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubtaskMeter(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    slices: AtomicU64,
    longest_slice: AtomicU64,
    longest_work: AtomicU64,
    blocked: AtomicU64,
    most_queued: AtomicU64,
    drained: AtomicBool,
}

/// One writer: a plain load and store.
fn add_one(cell: &AtomicU64) {
    cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// One writer: a plain load, and a store if `value` is more than was seen before.
fn raise(cell: &AtomicU64, value: u64) {
    if value > cell.load(Ordering::Relaxed) {
        cell.store(value, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl SubtaskMeter {
    /// A run slice is over.
    pub(crate) fn slice(&self, took: Duration) {
        add_one(&self.0.slices);
        raise(&self.0.longest_slice, nanos(took));
    }

    /// A run slice took so much processor time.
    pub(crate) fn work(&self, took: Duration) {
        raise(&self.0.longest_work, nanos(took));
    }

    /// The most processor time that a run slice took so far.
    pub(crate) fn longest_work(&self) -> Duration {
        Duration::from_nanos(self.0.longest_work.load(Ordering::Relaxed))
    }

    /// A run slice ended because an output had no credit.
    pub(crate) fn blocked(&self) {
        add_one(&self.0.blocked);
    }

    /// So many batches are queued in an input.
    pub(crate) fn queued(&self, batches: usize) {
        raise(&self.0.most_queued, batches as u64);
    }

    /// The inputs have ended.
    pub(crate) fn drained(&self) {
        self.0.drained.store(true, Ordering::Relaxed);
    }

    /// What was measured so far.
    pub(crate) fn read(&self) -> SubtaskView {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let cells = &*self.0;
        SubtaskView {
            slices: read(&cells.slices),
            longest_slice: Duration::from_nanos(read(&cells.longest_slice)),
            longest_work: Duration::from_nanos(read(&cells.longest_work)),
            blocked: read(&cells.blocked),
            most_queued: usize::try_from(read(&cells.most_queued)).unwrap_or(usize::MAX),
            drained: cells.drained.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_read_what_the_subtask_has_just_measured() {
        let meter = SubtaskMeter::default();
        let seen_by = meter.clone();
        meter.slice(Duration::from_micros(700));
        meter.slice(Duration::from_micros(500));
        meter.work(Duration::from_micros(400));
        meter.queued(3);
        meter.queued(2);
        meter.blocked();
        meter.drained();
        let expected = SubtaskView {
            slices: 2,
            longest_slice: Duration::from_micros(700),
            longest_work: Duration::from_micros(400),
            blocked: 1,
            most_queued: 3,
            drained: true,
        };
        assert_eq!(seen_by.read(), expected);
        assert_eq!(seen_by.longest_work(), Duration::from_micros(400));
    }
}
