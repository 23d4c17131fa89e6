//! Decides where aligned windows begin: at the points of a regular grid over all of time.

use millstream_actors::time::{Timespan, Timestamp};

use super::WindowError;

/// The points `offset + n * period`, for all whole n.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    period: i64,
    offset: i64,
    /// The point found last. Most records lie behind the same point as the one before, and need no division.
    last: i64,
    /// How far the next point is from it; 0 as long as none was found.
    reach: u64,
}

impl Grid {
    /// A period below 1 ms is read as 1 ms; [`Self::check`] refuses it.
    pub(super) fn new(period: Timespan, offset: Timespan) -> Self {
        Self { period: period.as_millis(), offset: offset.as_millis(), last: 0, reach: 0 }
    }

    /// The same period with another offset.
    pub(super) fn offset(self, offset: Timespan) -> Self {
        Self::new(self.period(), offset)
    }

    /// The distance between two points.
    pub(super) fn period(&self) -> Timespan {
        Timespan::from_millis(self.period)
    }

    /// Refuses an offset that is not shorter than the period.
    pub(super) fn check(&self) -> Result<(), WindowError> {
        let (period, offset) = (self.period(), Timespan::from_millis(self.offset));
        let is_shorter = self.offset.unsigned_abs() < self.period.unsigned_abs();
        if is_shorter { Ok(()) } else { Err(WindowError::OffsetTooLong { offset, period }) }
    }

    /// How far `time` lies behind the point at or before it: at least 0 and below the period.
    #[inline]
    pub(super) fn distance(&mut self, time: Timestamp) -> i64 {
        let time = time.as_millis();
        if time >= self.last {
            // Exact as an unsigned number, also where the two are further apart than `i64` can say.
            let distance = time.wrapping_sub(self.last) as u64;
            if distance < self.reach {
                return distance as i64;
            }
        }
        self.search(time)
    }

    fn search(&mut self, time: i64) -> i64 {
        let period = self.period.max(1);
        // Each remainder for itself: the difference of time and offset may be more than `i64` can hold.
        let distance = (time.rem_euclid(period) - self.offset.rem_euclid(period)).rem_euclid(period);
        // A point before the beginning of time cannot be kept.
        (self.last, self.reach) = time.checked_sub(distance).map_or((0, 0), |point| (point, period as u64));
        distance
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn distance_is_the_remainder_whatever_was_asked_before(
            times in proptest::collection::vec(prop_oneof![any::<i64>(), -50i64..50], 1..20),
            period in prop_oneof![1i64..i64::MAX, 1i64..20],
            offset in prop_oneof![any::<i64>(), -20i64..20],
        ) {
            let mut grid = Grid::new(Timespan::from_millis(period), Timespan::from_millis(offset));
            for time in times {
                let time = Timestamp::from_millis(time);
                let remainder = (i128::from(time.as_millis()) - i128::from(offset)).rem_euclid(i128::from(period));
                prop_assert_eq!(i128::from(grid.distance(time)), remainder);
            }
        }
    }
}
