//! Decides how much processor time a run slice has taken, without asking the system in each of them.
//!
//! By the clock on the wall, a slice is long as well where its thread has waited: for a core that another thread has, for the
//! machine below a virtual one, for a disk. Processor time is what the slice itself has taken.

use std::time::Duration;

use crate::time::Moment;

/// A reading that is older than this is not compared with.
const FRESH: Duration = Duration::from_micros(500);

/// How much of its processor the thread of a subtask takes for the subtask's run slices.
///
/// To ask the system takes up to half a microsecond, so it is asked at the beginning of a slice at most once in [`FRESH`], and
/// at the end only behind a slice that was longer on the wall than any other was by processor time.
#[derive(Debug, Default)]
pub(crate) struct ProcessorTime {
    /// A reading of this thread's, and when it was taken.
    read: Option<(Moment, Duration)>,
}

impl ProcessorTime {
    /// A slice begins.
    pub(crate) fn begin(&mut self, now: Moment) {
        if self.read.is_none_or(|(at, _)| now.since(at) > FRESH) {
            self.read = platform::of_this_thread().map(|read| (now, read));
        }
    }

    /// The slice that took `took` on the wall has ended: what it took of the processor, at most. That may be too much by the
    /// work of others in the [`FRESH`] time before. `longest` if it cannot be more than that.
    pub(crate) fn end(&self, took: Duration, longest: Duration) -> Duration {
        if took <= longest {
            return longest;
        }
        let Some((_, before)) = self.read else { return longest };
        let Some(now) = platform::of_this_thread() else { return longest };
        longest.max(took.min(now.saturating_sub(before)))
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use rustix::time::{ClockId, clock_gettime};

    use super::Duration;

    pub(super) fn of_this_thread() -> Option<Duration> {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::Duration;

    /// It is not known here.
    pub(super) fn of_this_thread() -> Option<Duration> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;
    use std::sync::mpsc;

    use super::*;
    use crate::time::{Clock, RuntimeClock};

    /// Works until this thread has taken `time`.
    fn work(time: Duration) {
        let began = platform::of_this_thread().expect("the system knows it");
        while platform::of_this_thread().expect("the system knows it") - began < time {
            black_box((0..1000u64).fold(0, |sum, number| black_box(sum ^ number)));
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let clock = RuntimeClock::start();
        let mut processor = ProcessorTime::default();
        let began = clock.now();
        processor.begin(began);
        work(Duration::from_millis(2));
        let worked = processor.end(clock.now().since(began), Duration::ZERO);
        assert!(worked >= Duration::from_millis(2), "{worked:?}");

        let (done, wait) = mpsc::channel();
        let other = std::thread::spawn(move || {
            work(Duration::from_millis(50));
            done.send(())
        });
        let began = clock.now();
        processor.begin(began);
        wait.recv().expect("the other thread sends");
        let took = clock.now().since(began);
        let waited = processor.end(took, Duration::ZERO);
        other.join().expect("it does not panic").expect("its letter is read");
        assert!(waited < took / 2, "{waited:?} of {took:?}");
    }

    #[test]
    fn a_slice_that_cannot_be_the_longest_is_not_measured() {
        let clock = RuntimeClock::start();
        let mut processor = ProcessorTime::default();
        let longest = Duration::from_millis(1);
        assert_eq!(processor.end(Duration::from_secs(1), longest), longest, "nothing was read at the beginning");
        processor.begin(clock.now());
        work(Duration::from_millis(3));
        assert_eq!(processor.end(longest, longest), longest);
        assert!(processor.end(Duration::from_millis(2), longest) > longest);
    }
}
