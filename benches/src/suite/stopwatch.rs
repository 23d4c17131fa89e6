//! Takes the time of a restart, step by step, at the points where faults may strike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::actors::faults::{CrashPoint, Faults, Passing, Strike, Work, WorkKind};

/// A step on the way from a failure to the first record behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record failed.
    Failed,
    /// The job knows.
    Detected,
    /// The attempt that failed is cleared away, and the next one begins.
    Cleared,
    /// The last subtask has its state, and runs.
    Restored,
    /// A record has come to the end of the topology.
    FirstRecord,
}

/// How many steps there are.
const STEPS: usize = 5;

/// Clones write into the same place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopwatch(Arc<Mutex<[Option<Instant>; STEPS]>>);

impl Stopwatch {
    fn steps(&self) -> MutexGuard<'_, [Option<Instant>; STEPS]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes down that `step` was taken.
    pub(crate) fn note(&self, step: Step, at: Instant) {
        self.steps()[step as usize] = Some(at);
    }

    /// The times between the steps, if all were taken.
    pub(crate) fn laps(&self) -> Option<[Duration; STEPS - 1]> {
        let mut steps = *self.steps();
        // A subtask may be faster with its first record than another one with its state.
        steps[Step::Restored as usize] = steps[Step::Restored as usize].min(steps[Step::FirstRecord as usize]);
        let mut laps = [Duration::ZERO; STEPS - 1];
        for (lap, pair) in laps.iter_mut().zip(steps.windows(2)) {
            *lap = pair[1]?.saturating_duration_since(pair[0]?);
        }
        Some(laps)
    }
}

impl Faults for Stopwatch {
    fn strikes(&self, passing: Passing) -> Option<Strike> {
        let mut steps = self.steps();
        if passing.point == CrashPoint::Opened && steps[Step::Failed as usize].is_some() {
            steps[Step::Restored as usize] = Some(Instant::now());
        }
        None
    }

    fn delay(&self, work: Work) -> Duration {
        let mut steps = self.steps();
        if work.kind == WorkKind::Prepare && steps[Step::Failed as usize].is_some() {
            steps[Step::Cleared as usize].get_or_insert_with(Instant::now);
        }
        Duration::ZERO
    }
}
