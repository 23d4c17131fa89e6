//! A clock that a test sets.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Machine time that stands still until it is told to go on.
#[derive(Debug)]
pub struct ManualClock {
    started_at: Timestamp,
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that shows `started_at`.
    #[must_use]
    pub fn starting_at(started_at: Timestamp) -> Self {
        Self { started_at, elapsed: Mutex::new(Duration::ZERO) }
    }

    /// Lets time go on by `distance`.
    pub fn advance(&self, distance: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += distance;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::after_start(*self.elapsed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }
}
use millstream_actors::time::{Clock, Moment, Timestamp};
