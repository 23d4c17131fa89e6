//! Opens a window with each record, for those that touch to be merged into sessions.

use std::iter;
use std::marker::PhantomData;

use millstream_actors::time::{Timespan, Timestamp};

use super::trigger::Trigger;
use super::{InEventTime, InProcessingTime, Merging, TimeWindow, WindowAssigner, WindowError, WindowTime};

/// Windows of activity: a session ends when no record has come for the length of the gap.
///
/// # Shape
/// Each record opens `[time, time + gap)`. Windows of one key that overlap or touch are merged.
///
/// # Units
/// A gap is at least 1 ms. It is the same for all records ([`Session::with_gap`]), or follows from each
/// ([`Session::dynamic`]).
///
/// # Errors
/// A gap that is not positive: at build time if it is fixed, at run time if it follows from a record.
///
/// # Example
/// ```
/// use millstream::operator::window::{Session, WindowAssigner, WindowError};
/// use millstream::prelude::*;
///
/// // People who pay are given more time.
/// let mut visits = Session::dynamic(|page: &&str| if *page == "checkout" { 30.minutes() } else { 5.minutes() });
/// let window = visits.assign(&"checkout", Timestamp::from_millis(0))?.next();
/// assert_eq!(window.map(|window| window.end()), Some(Timestamp::from_millis(1_800_000)));
/// # Ok::<(), WindowError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Session<G = FixedGap, D = InEventTime> {
    gap: G,
    domain: PhantomData<D>,
}

impl Session {
    /// Sessions that end `gap` behind their last record, in event time.
    pub fn with_gap(gap: Timespan) -> Self {
        Self { gap: FixedGap(gap), domain: PhantomData }
    }
}

impl<F> Session<DynamicGap<F>> {
    /// Sessions that end when no record's own gap reaches further, in event time.
    pub fn dynamic(gap_of: F) -> Self {
        Self { gap: DynamicGap(gap_of), domain: PhantomData }
    }
}

impl<G> Session<G> {
    /// The same sessions in processing time.
    pub fn processing_time(self) -> Session<G, InProcessingTime> {
        Session { gap: self.gap, domain: PhantomData }
    }
}

/// The gap that each record of type `T` puts behind itself.
pub trait Gap<T>: Clone + Send + 'static {
    /// The gap behind a record.
    fn behind(&mut self, value: &T) -> Timespan;

    /// The gap, if it is the same behind all records.
    fn fixed(&self) -> Option<Timespan> {
        None
    }
}

/// One gap for all records.
#[derive(Debug, Clone, Copy)]
pub struct FixedGap(Timespan);

impl<T> Gap<T> for FixedGap {
    #[inline]
    fn behind(&mut self, _: &T) -> Timespan {
        self.0
    }

    fn fixed(&self) -> Option<Timespan> {
        Some(self.0)
    }
}

/// A gap that follows from the record.
#[derive(Debug, Clone, Copy)]
pub struct DynamicGap<F>(F);

impl<T, F: FnMut(&T) -> Timespan + Clone + Send + 'static> Gap<T> for DynamicGap<F> {
    #[inline]
    fn behind(&mut self, value: &T) -> Timespan {
        (self.0)(value)
    }
}

/// Refuses a gap that is not positive.
fn positive(gap: Timespan) -> Result<Timespan, WindowError> {
    if gap.is_positive() { Ok(gap) } else { Err(WindowError::GapNotPositive { gap }) }
}

impl<T, G, D> WindowAssigner<T> for Session<G, D>
where
    G: Gap<T>,
    D: WindowTime,
    D::AtWindowEnd: Trigger<T>,
{
    type Time = D;
    type Kind = Merging;
    type Windows = iter::Once<TimeWindow>;
    type Trigger = D::AtWindowEnd;

    fn check(&self) -> Result<(), WindowError> {
        self.gap.fixed().map_or(Ok(()), |gap| positive(gap).map(drop))
    }

    #[inline]
    fn assign(&mut self, value: &T, time: Timestamp) -> Result<Self::Windows, WindowError> {
        Ok(iter::once(TimeWindow::starting_at(time, positive(self.gap.behind(value))?)))
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
    fn record_opens_a_window_as_long_as_the_gap() {
        let mut sessions = Session::with_gap(3.seconds());
        let windows: Vec<_> = sessions.assign(&"click", Timestamp::from_millis(-500)).unwrap().collect();
        assert_eq!(windows, [window(-500, 2_500)]);
        let last: Vec<_> = sessions.assign(&"click", Timestamp::MAX).unwrap().collect();
        assert!(last[0].contains(Timestamp::MAX));
    }

    #[test]
    fn gap_may_follow_from_the_record() {
        let mut sessions = Session::dynamic(|gap: &i64| gap.millis()).processing_time();
        let windows: Vec<_> = sessions.assign(&7, Timestamp::from_millis(10)).unwrap().collect();
        assert_eq!(windows, [window(10, 17)]);
        assert_eq!(WindowAssigner::<i64>::check(&sessions), Ok(()));
    }

    #[test]
    fn gap_that_is_not_positive_is_refused() {
        for gap in [0, -1] {
            let refused = WindowError::GapNotPositive { gap: gap.millis() };
            assert_eq!(WindowAssigner::<()>::check(&Session::with_gap(gap.millis())), Err(refused.clone()));
            let mut dynamic = Session::dynamic(|gap: &i64| gap.millis());
            let assigned = dynamic.assign(&i64::from(gap), Timestamp::from_millis(0)).map(Iterator::count);
            assert_eq!(assigned, Err(refused));
        }
    }
}
