//! Sees which threads of a job are in a run slice that should be over.
//!
//! A thread is late in the middle of a slice where another has its core, and a kernel lets that one go on for some
//! milliseconds. If it is a thread of the same job, between two slices, it can tell, and give the core up. To give it up
//! unasked, behind every slice, takes a third of a job's rate beside programs that never do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Moment;

/// When the slice of a thread began, in nanoseconds of the clock; 0 between slices. By itself in its line of the cache.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Began(AtomicU64);

/// The slices of all threads of an attempt, as one of the threads sees them.
#[derive(Debug, Clone)]
pub(crate) struct SliceWatch {
    threads: Arc<[Began]>,
    own: usize,
}

impl SliceWatch {
    /// One for each of `threads` threads.
    pub(crate) fn of_threads(threads: usize) -> Vec<Self> {
        let all = (0..threads).map(|_| Began::default()).collect::<Arc<[_]>>();
        (0..threads).map(|own| Self { threads: Arc::clone(&all), own }).collect()
    }

    /// A slice of this thread begins.
    pub(crate) fn begin(&self, now: Moment) {
        let nanos = u64::try_from(now.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.threads[self.own].0.store(nanos.max(1), Ordering::Relaxed);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.threads[self.own].0.store(0, Ordering::Relaxed);
    }

    /// Whether a thread is in a slice that began longer than `limit` before `now`. A thread may just have ended it.
    pub(crate) fn is_late(&self, now: Moment, limit: Duration) -> bool {
        self.threads.iter().any(|began| match began.0.load(Ordering::Relaxed) {
            0 => false,
            nanos => now.since(Moment::after_start(Duration::from_nanos(nanos))) > limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_a_slice_for_too_long_is_late_until_it_ends() {
        let at = |micros| Moment::after_start(Duration::from_micros(micros));
        let limit = Duration::from_micros(1000);
        let threads = SliceWatch::of_threads(3);
        assert!(!threads[0].is_late(at(5000), limit), "nobody has begun");
        threads[2].begin(at(0));
        threads[1].begin(at(500));
        assert!(!threads[0].is_late(at(1000), limit));
        assert!(threads[0].is_late(at(1001), limit), "the third is, which began with the clock");
        threads[2].end();
        assert!(!threads[0].is_late(at(1500), limit));
        assert!(threads[0].is_late(at(1501), limit), "the second is");
        threads[1].end();
        assert!(!threads[0].is_late(at(9000), limit));
    }
}
