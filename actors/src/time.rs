//! Keeps event time and machine time apart: each has its own types, and machine time has one source.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in event time: milliseconds since the Unix epoch, negative before it.
///
/// [`Timestamp::NONE`] says that a record carries no event time; it is not a time and compares below all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The absence of an event time.
    pub const NONE: Self = Self(i64::MIN);
    /// The earliest event time.
    pub const MIN: Self = Self(i64::MIN + 1);
    /// The end of event time: as a watermark it says that nothing is still to come.
    pub const MAX: Self = Self(i64::MAX);

    /// The point `millis` milliseconds after the Unix epoch. The two lowest values of `i64` both mean [`Self::MIN`].
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.max(Self::MIN.0))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `distance` after this one, at most the end of event time.
    #[must_use]
    pub fn after(self, distance: Duration) -> Self {
        let millis = i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Whether this is a time at all.
    #[must_use]
    pub fn is_some(self) -> bool {
        self.0 != Self::NONE.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::MIN => f.write_str("min"),
            Self::MAX => f.write_str("max"),
            Self(millis) => write!(f, "{millis}"),
        }
    }
}

/// What a stream says about event time, between its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSignal {
    /// No record at or before this time is still to come.
    Watermark(Timestamp),
    /// The sender does not hold back event time until further notice.
    Idle,
    /// The sender holds back event time again.
    Active,
}

/// A point in machine time, as a distance from the start of its clock; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The start of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `distance` after the start of the clock.
    #[must_use]
    pub const fn after_start(distance: Duration) -> Self {
        Self(distance)
    }

    /// The distance from the start of the clock.
    #[must_use]
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    /// Adds without overflow: the end of time stays the end of time.
    fn add(self, distance: Duration) -> Self {
        Self(self.0.saturating_add(distance))
    }
}

/// The one source of machine time of a job; handed down, never global.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Moment;

    /// The start of the clock, in the milliseconds since the Unix epoch that processing time is told in.
    fn started_at(&self) -> Timestamp;

    /// Processing time: what a clock on the wall would show.
    fn processing_time(&self) -> Timestamp {
        let millis = i64::try_from(self.now().since_start().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.started_at().as_millis().saturating_add(millis))
    }
}

/// The clock of the timer runtime: real time, or virtual time where the runtime's clock is paused.
#[derive(Debug, Clone)]
pub struct RuntimeClock {
    started: tokio::time::Instant,
    started_at: Timestamp,
}

impl RuntimeClock {
    /// Starts a clock now.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Self::start_at(Timestamp::from_millis(millis))
    }

    /// Starts a clock that shows `started_at` now.
    #[must_use]
    pub fn start_at(started_at: Timestamp) -> Self {
        Self { started: tokio::time::Instant::now(), started_at }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Moment {
        Moment(self.started.elapsed())
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }
}
