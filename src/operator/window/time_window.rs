//! Decides what a window is: a stretch of time, closed at its start and open at its end.

use std::fmt;

use millstream_actors::time::{Timespan, Timestamp};
use serde::{Deserialize, Serialize};

/// The timestamps from a start up to an end, the start among them and the end not.
///
/// Windows are in the order in which they fire: by end, and by start where ends are equal. A window whose end is
/// [`Timestamp::MAX`] reaches to the end of time and holds that as well, so it fires when nothing is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeWindow {
    // The order of the fields is the order of windows.
    end: Timestamp,
    start: Timestamp,
}

impl TimeWindow {
    /// All of time.
    pub const ALWAYS: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    /// The window `[start, end)`. With an end that is not behind its start it holds nothing.
    #[inline]
    #[must_use]
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { end, start }
    }

    /// The window of this length that begins at `start`, cut at the end of time.
    #[inline]
    #[must_use]
    pub fn starting_at(start: Timestamp, length: Timespan) -> Self {
        Self { start, end: start + length }
    }

    /// The first timestamp in it.
    #[inline]
    #[must_use]
    pub fn start(self) -> Timestamp {
        self.start
    }

    /// The first timestamp behind it; [`Timestamp::MAX`] if there is none.
    #[inline]
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.end
    }

    /// The last timestamp in it. Results of the window carry it, so that they are never late further down.
    #[inline]
    #[must_use]
    pub fn max_timestamp(self) -> Timestamp {
        if self.end == Timestamp::MAX { self.end } else { self.end - Timespan::from_millis(1) }
    }

    /// When everything that is kept for it is let go: when its time has reached the last timestamp and
    /// `allowed_lateness` more.
    #[inline]
    #[must_use]
    pub fn cleanup_time(self, allowed_lateness: Timespan) -> Timestamp {
        self.max_timestamp() + allowed_lateness
    }

    /// Whether `time` lies in it.
    #[inline]
    #[must_use]
    pub fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time <= self.max_timestamp()
    }

    /// Whether the two overlap, or one begins where the other ends.
    #[inline]
    #[must_use]
    pub fn touches(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The shortest window that holds both.
    #[inline]
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl fmt::Debug for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;

    use super::*;

    fn window(start: i64, end: i64) -> TimeWindow {
        TimeWindow::new(Timestamp::from_millis(start), Timestamp::from_millis(end))
    }

    #[test]
    fn end_is_not_in_the_window() {
        let hour = TimeWindow::starting_at(Timestamp::from_millis(0), 1.hours());
        assert_eq!(hour.max_timestamp(), Timestamp::from_millis(3_599_999));
        assert!(hour.contains(hour.start()) && hour.contains(hour.max_timestamp()));
        assert!(!hour.contains(hour.end()));
        assert!(!hour.contains(Timestamp::NONE));
    }

    #[test]
    fn window_that_reaches_the_end_of_time_holds_it() {
        assert_eq!(TimeWindow::ALWAYS.max_timestamp(), Timestamp::MAX);
        assert!(TimeWindow::ALWAYS.contains(Timestamp::MAX) && TimeWindow::ALWAYS.contains(Timestamp::MIN));
        let last = TimeWindow::starting_at(Timestamp::MAX, 1.hours());
        assert!(last.contains(Timestamp::MAX));
        assert_eq!(last.cleanup_time(1.days()), Timestamp::MAX);
    }

    #[test]
    fn windows_are_in_the_order_in_which_they_fire() {
        let mut windows = [window(3, 9), window(0, 10), window(5, 6), window(2, 9)];
        windows.sort();
        assert_eq!(windows, [window(5, 6), window(2, 9), window(3, 9), window(0, 10)]);
    }

    #[test]
    fn windows_touch_where_one_ends_and_the_other_begins() {
        assert!(window(0, 4).touches(window(4, 7)) && window(4, 7).touches(window(0, 4)));
        assert!(!window(0, 4).touches(window(5, 7)));
        assert_eq!(window(0, 4).cover(window(5, 7)), window(0, 7));
    }

    #[test]
    fn windows_survive_encoding() {
        let bytes = crate::model::encode(&window(-5, 5)).unwrap();
        assert_eq!(crate::model::decode::<TimeWindow>(&bytes).unwrap(), window(-5, 5));
    }
}
