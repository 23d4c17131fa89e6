//! Sees which threads of a job are in a run slice that should be over.
//!
//! A thread is late in the middle of a slice where another has its core, and a kernel lets that one go on for some
//! milliseconds. If it is a thread of the same job, between two slices, it can tell, and give the core up. To give it up
//! unasked, behind every slice, takes a third of a job's rate beside programs that never do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Moment;

/// What a thread says of itself, in nanoseconds of the clock. By itself in its line of the cache.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shown {
    /// When its slice began; 0 between slices.
    began: AtomicU64,
    /// When it last looked at the others.
    looked: AtomicU64,
}

/// The slices of all threads of an attempt, as one of the threads sees them.
#[derive(Debug, Clone)]
pub(crate) struct SliceWatch {
    threads: Arc<[Shown]>,
    own: usize,
}

impl SliceWatch {
    /// One for each of `threads` threads.
    pub(crate) fn of_threads(threads: usize) -> Vec<Self> {
        let all = (0..threads).map(|_| Shown::default()).collect::<Arc<[_]>>();
        (0..threads).map(|own| Self { threads: Arc::clone(&all), own }).collect()
    }

    /// A slice of this thread begins.
    pub(crate) fn begin(&self, now: Moment) {
        self.threads[self.own].began.store(nanos(now).max(1), Ordering::Relaxed);
    }

    /// It has ended. Whether another thread is late, in a slice that began longer than `limit` ago; it may just have ended it.
    /// The others are looked at once in `limit`, however short this thread's own slices are.
    pub(crate) fn end(&self, now: Moment, limit: Duration) -> bool {
        let own = &self.threads[self.own];
        own.began.store(0, Ordering::Relaxed);
        if now.since(moment(own.looked.load(Ordering::Relaxed))) < limit {
            return false;
        }
        own.looked.store(nanos(now), Ordering::Relaxed);
        self.threads.iter().any(|thread| match thread.began.load(Ordering::Relaxed) {
            0 => false,
            began => now.since(moment(began)) > limit,
        })
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_start().as_nanos()).unwrap_or(u64::MAX)
}

fn moment(nanos: u64) -> Moment {
    Moment::after_start(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(1000);

    fn at(micros: u64) -> Moment {
        Moment::after_start(Duration::from_micros(micros))
    }

    #[test]
    fn who_is_in_a_slice_for_too_long_is_late_until_it_ends() {
        let threads = SliceWatch::of_threads(3);
        assert!(!threads[0].end(at(5000), LIMIT), "nobody has begun");
        threads[2].begin(at(5000));
        threads[1].begin(at(5500));
        assert!(!threads[0].end(at(6000), LIMIT));
        assert!(threads[0].end(at(7000), LIMIT), "both are");
        threads[2].end(at(7000), LIMIT);
        assert!(threads[0].end(at(8000), LIMIT), "the second is");
        threads[1].end(at(8000), LIMIT);
        assert!(!threads[0].end(at(9000), LIMIT));
    }

    #[test]
    fn short_slices_look_at_others_as_often_as_long_ones() {
        let threads = SliceWatch::of_threads(2);
        threads[1].begin(at(1));
        let late = (0..10_000).step_by(10).filter(|micros| {
            threads[0].begin(at(*micros));
            threads[0].end(at(*micros + 5), LIMIT)
        });
        assert_eq!(late.count(), 9, "once in each limit but the first");
    }
}
