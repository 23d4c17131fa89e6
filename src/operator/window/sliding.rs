//! Cuts windows of equal length out of time at regular distances, so that they overlap or leave gaps.

use std::marker::PhantomData;

use millstream_actors::time::{Timespan, Timestamp};

use super::grid::Grid;
use super::trigger::Trigger;
use super::{Fixed, InEventTime, InProcessingTime, Panes, TimeWindow, WindowAssigner, WindowError, WindowTime};

/// Windows of equal length that begin at regular distances.
///
/// # Shape
/// A record lies in `size / slide` windows, rounded up or down. If the slide is longer than the windows, there are gaps
/// between them, and a record in a gap is in no window.
///
/// # Units
/// Length and slide are at least 1 ms. Windows are aligned to the Unix epoch; an offset shifts them.
///
/// # Errors
/// At build time, if length or slide are not positive, or the offset not shorter than the slide.
///
/// # Example
/// ```
/// use millstream::operator::window::{Sliding, WindowAssigner, WindowError};
/// use millstream::prelude::*;
///
/// let mut minutes = Sliding::of(60.seconds(), 30.seconds());
/// let windows: Vec<String> =
///     minutes.assign(&"ride", Timestamp::from_millis(61_500))?.map(|window| window.to_string()).collect();
/// assert_eq!(windows, ["[60000, 120000)", "[30000, 90000)"]);
/// # Ok::<(), WindowError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Sliding<D = InEventTime> {
    size: Timespan,
    grid: Grid,
    domain: PhantomData<D>,
}

impl Sliding {
    /// Windows of length `size`, one every `slide`, in event time.
    pub fn of(size: Timespan, slide: Timespan) -> Self {
        Self { size, grid: Grid::new(slide, Timespan::ZERO), domain: PhantomData }
    }

    /// The same windows in processing time.
    pub fn processing_time(self) -> Sliding<InProcessingTime> {
        Sliding { size: self.size, grid: self.grid, domain: PhantomData }
    }
}

impl<D> Sliding<D> {
    /// Shifts the windows; 0 by default.
    pub fn offset(self, offset: Timespan) -> Self {
        Self { grid: self.grid.offset(offset), ..self }
    }
}

impl<T, D> WindowAssigner<T> for Sliding<D>
where
    D: WindowTime,
    D::AtWindowEnd: Trigger<T>,
{
    type Time = D;
    type Kind = Fixed;
    type Windows = SlidingWindows;
    type Trigger = D::AtWindowEnd;

    fn check(&self) -> Result<(), WindowError> {
        let (size, slide) = (self.size, self.grid.period());
        if !size.is_positive() {
            Err(WindowError::SizeNotPositive { size })
        } else if !slide.is_positive() {
            Err(WindowError::SlideNotPositive { slide })
        } else {
            self.grid.check()
        }
    }

    fn covers_time(&self) -> bool {
        self.size >= self.grid.period()
    }

    #[inline]
    fn assign(&mut self, _: &T, time: Timestamp) -> Result<SlidingWindows, WindowError> {
        Ok(SlidingWindows::holding(time, self.grid.distance(time), self.size, self.grid.period()))
    }

    fn panes(&self) -> Option<Panes> {
        let overlap = self.size > self.grid.period();
        overlap.then(|| Panes::new(self.size, self.grid.clone()))
    }
}

/// The sliding windows that hold one timestamp, the one that begins last first.
#[derive(Debug, Clone)]
pub struct SlidingWindows {
    time: Timestamp,
    /// How far `time` lies behind the start of the next window.
    distance: i64,
    size: i64,
    slide: i64,
}

impl SlidingWindows {
    /// The windows that hold `time`, of which the last one began `distance` ago.
    #[inline]
    pub(super) fn holding(time: Timestamp, distance: i64, size: Timespan, slide: Timespan) -> Self {
        Self { time, distance, size: size.as_millis(), slide: slide.as_millis() }
    }
}

impl Iterator for SlidingWindows {
    type Item = TimeWindow;

    #[inline]
    fn next(&mut self) -> Option<TimeWindow> {
        if self.distance >= self.size {
            return None;
        }
        // Both ends are measured from `time`, so a window that is cut at one end of time has the right other end.
        let start = self.time - Timespan::from_millis(self.distance);
        let end = self.time + Timespan::from_millis(self.size - self.distance);
        self.distance = self.distance.saturating_add(self.slide);
        Some(TimeWindow::new(start, end))
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;
    use proptest::prelude::*;

    use super::*;

    fn windows(assigner: &mut Sliding, time: i64) -> Vec<(i64, i64)> {
        let bounds = |window: TimeWindow| (window.start().as_millis(), window.end().as_millis());
        assigner.assign(&(), Timestamp::from_millis(time)).unwrap().map(bounds).collect()
    }

    #[test]
    fn record_is_in_each_window_that_holds_its_time() {
        let mut assigner = Sliding::of(5.seconds(), 1.seconds());
        let expected = [(0, 5_000), (-1_000, 4_000), (-2_000, 3_000), (-3_000, 2_000), (-4_000, 1_000)];
        assert_eq!(windows(&mut assigner, 500), expected);
        assert_eq!(windows(&mut assigner.offset(500.millis()), 500)[0], (500, 5_500));
    }

    #[test]
    fn record_between_two_windows_is_in_none() {
        let mut assigner = Sliding::of(1.seconds(), 5.seconds());
        assert_eq!(windows(&mut assigner, 999), [(0, 1_000)]);
        assert_eq!(windows(&mut assigner, 1_000), []);
    }

    #[test]
    fn windows_are_cut_at_both_ends_of_time() {
        let mut assigner = Sliding::of(3.seconds(), 1.seconds());
        for time in [Timestamp::MIN, Timestamp::MAX] {
            let windows: Vec<TimeWindow> = assigner.assign(&(), time).unwrap().collect();
            assert_eq!(windows.len(), 3, "{windows:?}");
            assert!(windows.iter().all(|window| window.contains(time)), "{windows:?}");
        }
        let mut widest = Sliding::of(Timespan::MAX, Timespan::MAX);
        assert_eq!(windows(&mut widest, i64::MAX), [(i64::MAX, i64::MAX)]);
    }

    #[test]
    fn lengths_slides_and_offsets_that_make_no_windows_are_refused() {
        let check = |assigner: Sliding| WindowAssigner::<()>::check(&assigner);
        let (none, second) = (Timespan::ZERO, 1.seconds());
        assert_eq!(check(Sliding::of(none, second)), Err(WindowError::SizeNotPositive { size: none }));
        assert_eq!(check(Sliding::of(second, none)), Err(WindowError::SlideNotPositive { slide: none }));
        let refused = WindowError::OffsetTooLong { offset: second, period: second };
        assert_eq!(check(Sliding::of(5.seconds(), second).offset(second)), Err(refused));
        assert_eq!(check(Sliding::of(second, 5.seconds()).offset(-4.seconds())), Ok(()));
    }

    proptest! {
        #[test]
        fn windows_are_those_of_the_grid_that_hold_the_time(
            time in -1_000i64..1_000, size in 1i64..60, slide in 1i64..60, share in -0.99f64..0.99,
        ) {
            let offset = (slide as f64 * share) as i64;
            let mut assigner = Sliding::of(size.millis(), slide.millis()).offset(offset.millis());
            prop_assert_eq!(WindowAssigner::<()>::check(&assigner), Ok(()));
            let on_grid = |start: &i64| (start - offset).rem_euclid(slide) == 0;
            let expected: Vec<(i64, i64)> =
                (time - size + 1..=time).rev().filter(on_grid).map(|start| (start, start + size)).collect();
            prop_assert_eq!(windows(&mut assigner, time), expected);
        }
    }
}
