//! Keeps event time and machine time apart: each has its own types, and machine time has one source.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

impl From<i64> for Timestamp {
    /// The point so many milliseconds after the Unix epoch.
    #[inline]
    fn from(millis: i64) -> Self {
        Self::from_millis(millis)
    }
}

impl From<u64> for Timestamp {
    /// The point so many milliseconds after the Unix epoch.
    #[inline]
    fn from(millis: u64) -> Self {
        Self::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl From<SystemTime> for Timestamp {
    /// The same point, rounded down to a millisecond.
    fn from(time: SystemTime) -> Self {
        let millis = |distance: Duration| i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_millis(millis(after)),
            Err(before) => Self::from_millis(-millis(before.duration() + Duration::from_nanos(999_999))),
        }
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

/// A length of event time in whole milliseconds; a negative one reaches back.
///
/// Written with [`TimespanUnits`]: `5.seconds()`. Adding to a [`Timestamp`] stops at the ends of time, and adding to
/// [`Timestamp::NONE`] gives that again. Where machine time is wanted, a timespan becomes a [`Duration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Timespan(i64);

impl Timespan {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest timespan.
    pub const MAX: Self = Self(i64::MAX);

    /// The timespan of `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whether it is longer than no time at all.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl std::ops::Neg for Timespan {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl From<Timespan> for Duration {
    /// The same length in machine time, which knows no negative lengths: they become zero.
    fn from(timespan: Timespan) -> Self {
        Self::from_millis(u64::try_from(timespan.0).unwrap_or(0))
    }
}

impl std::ops::Add<Timespan> for Timestamp {
    type Output = Self;

    #[inline]
    fn add(self, timespan: Timespan) -> Self {
        if self.is_some() { Self::from_millis(self.0.saturating_add(timespan.0)) } else { self }
    }
}

impl std::ops::Sub<Timespan> for Timestamp {
    type Output = Self;

    #[inline]
    fn sub(self, timespan: Timespan) -> Self {
        if self.is_some() { Self::from_millis(self.0.saturating_sub(timespan.0)) } else { self }
    }
}

/// Reads whole numbers as timespans: `10.millis()`, `5.seconds()`, `1.minutes()`, `2.hours()`, `1.days()`.
///
/// What is longer than [`Timespan::MAX`], 292 million years, becomes that.
///
/// # Example
/// ```
/// use millstream_actors::time::{Timespan, TimespanUnits};
///
/// assert_eq!(5.seconds(), Timespan::from_millis(5_000));
/// assert_eq!(-8.hours(), -Timespan::from_millis(28_800_000));
/// assert_eq!(std::time::Duration::from(1.minutes()).as_secs(), 60);
/// ```
pub trait TimespanUnits: Into<i64> {
    /// So many milliseconds.
    fn millis(self) -> Timespan {
        Timespan(self.into())
    }

    /// So many seconds.
    fn seconds(self) -> Timespan {
        Timespan(self.into().saturating_mul(1_000))
    }

    /// So many minutes.
    fn minutes(self) -> Timespan {
        Timespan(self.into().saturating_mul(60_000))
    }

    /// So many hours.
    fn hours(self) -> Timespan {
        Timespan(self.into().saturating_mul(3_600_000))
    }

    /// So many days of 24 hours.
    fn days(self) -> Timespan {
        Timespan(self.into().saturating_mul(86_400_000))
    }
}

impl TimespanUnits for i32 {}
impl TimespanUnits for u32 {}
impl TimespanUnits for i64 {}

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
        Self::start_at(SystemTime::now().into())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timespans_read_as_they_are_spoken() {
        let spans = [10.millis(), 5.seconds(), 1.minutes(), 2.hours(), 1.days(), 3u32.seconds(), 4i64.millis()];
        assert_eq!(spans.map(Timespan::as_millis), [10, 5_000, 60_000, 7_200_000, 86_400_000, 3_000, 4]);
        assert_eq!(i64::MAX.days(), Timespan::MAX);
    }

    #[test]
    fn points_in_time_are_milliseconds_of_the_epoch() {
        let times =
            [Timestamp::from(1_500i64), 1_500u64.into(), (UNIX_EPOCH + Duration::from_micros(1_500_999)).into()];
        assert_eq!(times, [Timestamp::from_millis(1_500); 3]);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_micros(1)), Timestamp::from_millis(-1));
        assert_eq!(Timestamp::from(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn negative_timespans_are_no_machine_time() {
        assert_eq!(Duration::from(1_500.millis()), Duration::from_millis(1_500));
        assert_eq!(Duration::from(-1.seconds()), Duration::ZERO);
    }

    #[test]
    fn sums_stop_at_the_ends_of_time() {
        assert_eq!(Timestamp::MAX + 1.millis(), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - 1.millis(), Timestamp::MIN);
        assert_eq!(Timestamp::MIN + -Timespan::MAX, Timestamp::MIN);
        assert_eq!(Timestamp::from_millis(5) + 3.millis(), Timestamp::from_millis(8));
        assert_eq!(Timestamp::from_millis(5) - 8.millis(), Timestamp::from_millis(-3));
    }

    proptest! {
        #[test]
        fn the_absence_of_a_time_stays_absent(millis in any::<i64>()) {
            prop_assert_eq!(Timestamp::NONE + Timespan(millis), Timestamp::NONE);
            prop_assert_eq!(Timestamp::NONE - Timespan(millis), Timestamp::NONE);
            prop_assert!((Timestamp::MIN - Timespan(millis)).is_some());
        }
    }
}
