//! Cuts time into windows of equal length that adjoin.

use std::iter;
use std::marker::PhantomData;

use millstream_actors::time::{Timespan, Timestamp};

use super::grid::Grid;
use super::trigger::Trigger;
use super::{Fixed, InEventTime, InProcessingTime, TimeWindow, WindowAssigner, WindowError, WindowTime};

/// Windows of equal length that adjoin: each timestamp lies in exactly one.
///
/// # Units
/// The length is at least 1 ms. Windows are aligned to the Unix epoch; an offset shifts them: days that begin at
/// midnight in a place eight hours east of Greenwich are `Tumbling::of(1.days()).offset(-8.hours())`.
///
/// # Errors
/// At build time, if the length is not positive, or the offset not shorter than the length.
///
/// # Example
/// ```
/// use millstream::operator::window::{Tumbling, WindowAssigner, WindowError};
/// use millstream::prelude::*;
///
/// let mut minutes = Tumbling::of(1.minutes());
/// let windows: Vec<String> =
///     minutes.assign(&"ride", Timestamp::from_millis(61_500))?.map(|window| window.to_string()).collect();
/// assert_eq!(windows, ["[60000, 120000)"]);
/// # Ok::<(), WindowError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Tumbling<D = InEventTime> {
    grid: Grid,
    domain: PhantomData<D>,
}

impl Tumbling {
    /// Windows of this length, in event time.
    pub fn of(size: Timespan) -> Self {
        Self { grid: Grid::new(size, Timespan::ZERO), domain: PhantomData }
    }

    /// The same windows in processing time.
    pub fn processing_time(self) -> Tumbling<InProcessingTime> {
        Tumbling { grid: self.grid, domain: PhantomData }
    }
}

impl<D> Tumbling<D> {
    /// Shifts the windows; 0 by default.
    pub fn offset(self, offset: Timespan) -> Self {
        Self { grid: self.grid.offset(offset), ..self }
    }
}

impl<T, D> WindowAssigner<T> for Tumbling<D>
where
    D: WindowTime,
    D::AtWindowEnd: Trigger<T>,
{
    type Time = D;
    type Kind = Fixed;
    type Windows = iter::Once<TimeWindow>;
    type Trigger = D::AtWindowEnd;

    fn check(&self) -> Result<(), WindowError> {
        let size = self.grid.period();
        if size.is_positive() { self.grid.check() } else { Err(WindowError::SizeNotPositive { size }) }
    }

    fn covers_time(&self) -> bool {
        true
    }

    #[inline]
    fn assign(&mut self, _: &T, time: Timestamp) -> Result<Self::Windows, WindowError> {
        let distance = self.grid.distance(time);
        // Both ends are measured from `time`, so a window that is cut at one end of time has the right other end.
        let start = time - Timespan::from_millis(distance);
        let end = time + Timespan::from_millis(self.grid.period().as_millis() - distance);
        Ok(iter::once(TimeWindow::new(start, end)))
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;
    use proptest::prelude::*;

    use super::*;

    fn bounds<D>(assigner: &mut Tumbling<D>, time: Timestamp) -> (i64, i64)
    where
        D: WindowTime,
        D::AtWindowEnd: Trigger<()>,
    {
        let windows: Vec<TimeWindow> = assigner.assign(&(), time).unwrap().collect();
        assert_eq!(windows.len(), 1);
        assert!(windows[0].contains(time), "{time} is not in {windows:?}");
        (windows[0].start().as_millis(), windows[0].end().as_millis())
    }

    #[test]
    fn w14_windows_before_the_epoch_and_with_offset_are_aligned() {
        let mut seconds = Tumbling::of(5.seconds());
        assert_eq!(bounds(&mut seconds, Timestamp::from_millis(-1)), (-5_000, 0));
        let mut days = Tumbling::of(1.days()).offset(-8.hours());
        assert_eq!(bounds(&mut days, Timestamp::from_millis(0)), (-28_800_000, 57_600_000));
    }

    #[test]
    fn windows_are_cut_at_both_ends_of_time() {
        let mut days = Tumbling::of(1.days()).processing_time();
        let (start, end) = bounds(&mut days, Timestamp::MIN);
        assert_eq!(start, Timestamp::MIN.as_millis());
        assert_eq!(end.rem_euclid(1.days().as_millis()), 0);
        let (start, end) = bounds(&mut days, Timestamp::MAX);
        assert_eq!(end, i64::MAX);
        assert_eq!(start.rem_euclid(1.days().as_millis()), 0);
        assert_eq!(bounds(&mut Tumbling::of(Timespan::MAX), Timestamp::MAX), (i64::MAX, i64::MAX));
    }

    #[test]
    fn lengths_and_offsets_that_make_no_windows_are_refused() {
        let check = |assigner: Tumbling| WindowAssigner::<()>::check(&assigner);
        assert_eq!(check(Tumbling::of(0.millis())), Err(WindowError::SizeNotPositive { size: Timespan::ZERO }));
        assert!(check(Tumbling::of(-1.seconds())).is_err());
        for offset in [5.seconds(), -5.seconds(), -Timespan::MAX] {
            let refused = WindowError::OffsetTooLong { offset, period: 5.seconds() };
            assert_eq!(check(Tumbling::of(5.seconds()).offset(offset)), Err(refused));
        }
        assert_eq!(check(Tumbling::of(5.seconds()).offset(-4_999.millis())), Ok(()));
    }

    proptest! {
        #[test]
        fn each_time_is_in_one_window_of_full_length(
            time in -1_000_000i64..1_000_000, size in 1i64..5_000, share in -0.99f64..0.99,
        ) {
            let offset = (size as f64 * share) as i64;
            let mut assigner = Tumbling::of(size.millis()).offset(offset.millis());
            prop_assert_eq!(WindowAssigner::<()>::check(&assigner), Ok(()));
            let (start, end) = bounds(&mut assigner, Timestamp::from_millis(time));
            prop_assert_eq!(end - start, size);
            prop_assert_eq!((start - offset).rem_euclid(size), 0);
        }
    }
}
