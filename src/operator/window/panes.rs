//! Decides how overlapping windows share their contents: time is cut into panes, and each window is a run of panes.

use millstream_actors::time::{Timespan, Timestamp};

use super::TimeWindow;
use super::grid::Grid;
use super::sliding::SlidingWindows;

/// The pieces that sliding windows are made of: each record lies in one pane, each window is a run of whole panes.
///
/// A record is added to its pane only; a window that fires merges its panes. So the cost of a record does not grow with
/// the number of windows that it is in, and that of a window is one merge per pane.
///
/// There are at most two panes per slide: they are cut where a window begins and where one ends, and nowhere else.
///
/// # Source
/// Paired windows: Krishnamurthy, Wu, Franklin, "On-the-fly sharing for streamed aggregation", SIGMOD 2006.
#[derive(Debug, Clone)]
pub struct Panes {
    size: Timespan,
    grid: Grid,
    /// How far behind the start of a window another one ends; 0 if they end where others begin.
    cut: i64,
}

impl Panes {
    /// The panes of windows that are `size` long and begin at the points of `grid`. Both are positive.
    pub(super) fn new(size: Timespan, grid: Grid) -> Self {
        let cut = size.as_millis() % grid.period().as_millis().max(1);
        Self { size, grid, cut }
    }

    /// The pane that holds `time`.
    #[inline]
    #[must_use]
    pub fn pane_at(&mut self, time: Timestamp) -> TimeWindow {
        let distance = self.grid.distance(time);
        let (first, behind) =
            if distance < self.cut { (0, self.cut) } else { (self.cut, self.grid.period().as_millis()) };
        TimeWindow::new(time - Timespan::from_millis(distance - first), time + Timespan::from_millis(behind - distance))
    }

    /// The panes that make up `window`, in order.
    pub fn panes_of(&mut self, window: TimeWindow) -> impl Iterator<Item = TimeWindow> + '_ {
        let mut next = Some(window.start());
        std::iter::from_fn(move || {
            let pane = self.pane_at(next?);
            let more = pane.end() < window.end() || self.cuts_at_the_end_of_time(pane);
            next = more.then_some(pane.end());
            Some(pane)
        })
    }

    /// The number of `pane` in the order of time. Neighbours have neighbouring numbers.
    pub(super) fn number_of(&mut self, pane: TimeWindow) -> i128 {
        let time = time_in(pane);
        let distance = self.grid.distance(time);
        let point = i128::from(time.as_millis()) - i128::from(distance);
        let slide = point.div_euclid(i128::from(self.grid.period().as_millis().max(1)));
        match self.cut {
            0 => slide,
            cut => 2 * slide + i128::from(distance >= cut),
        }
    }

    /// How many panes a window has, at most.
    pub(super) fn most_per_window(&self) -> i128 {
        let slides = i128::from(self.size.as_millis()) / i128::from(self.grid.period().as_millis().max(1));
        // One more at the end of time, which the last window holds as well.
        1 + if self.cut == 0 { slides } else { 2 * slides + 1 }
    }

    /// The first window of `pane` whose last timestamp is behind `time`.
    pub(super) fn first_window_behind(&mut self, pane: TimeWindow, time: Timestamp) -> Option<TimeWindow> {
        let inside = time_in(pane);
        let distance = self.grid.distance(inside);
        let (size, slide) = (self.size.as_millis(), self.grid.period().as_millis().max(1));
        // How far the last of its windows ends behind the earliest end that is wanted. A window that reaches the end of
        // time holds that as well, and so has a last timestamp that is one later.
        let wanted = (i128::from(time.as_millis()) + 2).min(i128::from(Timestamp::MAX.as_millis()));
        let last_end = i128::from(inside.as_millis()) + i128::from(size) - i128::from(distance);
        if last_end < wanted || time == Timestamp::MAX {
            return None;
        }
        let by_time = (last_end - wanted) / i128::from(slide);
        let earlier = by_time.min(i128::from((size - 1 - distance) / slide)) as i64;
        let distance = distance + earlier * slide;
        Some(TimeWindow::new(inside - Timespan::from_millis(distance), inside + Timespan::from_millis(size - distance)))
    }

    /// A pane of which no window is behind `time`, but of the next few some are; `None` if there may be none.
    pub(super) fn pane_before_windows_behind(&mut self, time: Timestamp) -> Option<TimeWindow> {
        let pane = self.pane_at(time - self.size);
        self.first_window_behind(pane, time).is_none().then_some(pane)
    }

    /// Whether `pane` ends at, and another one begins with, the last timestamp there is.
    fn cuts_at_the_end_of_time(&mut self, pane: TimeWindow) -> bool {
        let last = Timestamp::MAX;
        pane.start() < last && pane.end() == last && self.pane_at(last).start() == last
    }

    /// The windows that `pane` is a part of, the one that begins last first.
    #[must_use]
    pub fn windows_of(&mut self, pane: TimeWindow) -> SlidingWindows {
        let time = time_in(pane);
        SlidingWindows::holding(time, self.grid.distance(time), self.size, self.grid.period())
    }
}

/// A time in `pane` that tells all about it: that of an end which is cut off may lie in another.
fn time_in(pane: TimeWindow) -> Timestamp {
    if pane.start() == Timestamp::MIN { pane.max_timestamp() } else { pane.start() }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;
    use proptest::prelude::*;

    use super::*;
    use crate::operator::window::{Sliding, Tumbling, WindowAssigner};

    fn panes_of(assigner: &Sliding) -> Panes {
        WindowAssigner::<()>::panes(assigner).expect("the windows overlap")
    }

    #[test]
    fn windows_that_do_not_overlap_share_nothing() {
        assert!(WindowAssigner::<()>::panes(&Tumbling::of(5.seconds())).is_none());
        assert!(WindowAssigner::<()>::panes(&Sliding::of(5.seconds(), 5.seconds())).is_none());
        assert!(WindowAssigner::<()>::panes(&Sliding::of(1.seconds(), 5.seconds())).is_none());
    }

    #[test]
    fn pane_is_as_long_as_the_slide_where_that_divides_the_window() {
        let mut panes = panes_of(&Sliding::of(1.hours(), 1.minutes()).offset(10.seconds()));
        let pane = panes.pane_at(Timestamp::from_millis(0));
        assert_eq!((pane.start().as_millis(), pane.end().as_millis()), (-50_000, 10_000));
        assert_eq!(panes.windows_of(pane).count(), 60);
    }

    #[test]
    fn there_are_at_most_two_panes_per_slide() {
        let mut panes = panes_of(&Sliding::of(10_007.millis(), 1_000.millis()));
        let window = TimeWindow::starting_at(Timestamp::from_millis(3_000), 10_007.millis());
        assert_eq!(panes.panes_of(window).count(), 21);
    }

    proptest! {
        #[test]
        fn windows_are_runs_of_panes_and_panes_know_their_windows(
            time in prop_oneof![-1_000i64..1_000, i64::MIN..i64::MIN + 200, i64::MAX - 200..i64::MAX, Just(i64::MAX)],
            slide in 1i64..40, more in 1i64..80, share in -0.99f64..0.99,
        ) {
            let offset = (slide as f64 * share) as i64;
            let mut assigner = Sliding::of((slide + more).millis(), slide.millis()).offset(offset.millis());
            let mut panes = panes_of(&assigner);
            let time = Timestamp::from_millis(time);
            let pane = panes.pane_at(time);
            prop_assert!(pane.contains(time));

            let windows: Vec<TimeWindow> = assigner.assign(&(), time).unwrap().collect();
            prop_assert_eq!(panes.windows_of(pane).collect::<Vec<_>>(), windows.clone());
            let windows_ends: Vec<Timestamp> = windows.iter().map(|window| window.max_timestamp()).collect();
            for window in windows {
                let run: Vec<TimeWindow> = panes.panes_of(window).collect();
                prop_assert_eq!((run[0].start(), run[run.len() - 1].end()), (window.start(), window.end()));
                prop_assert!(run.windows(2).all(|pair| pair[0].end() == pair[1].start()));
                prop_assert!(run.contains(&pane));
                prop_assert!(run.len() as i128 <= panes.most_per_window());
                let numbers: Vec<i128> = run.iter().map(|pane| panes.number_of(*pane)).collect();
                prop_assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
            }
            for behind in windows_ends.iter().copied().chain([Timestamp::MIN, Timestamp::MAX, time]) {
                let first = panes.windows_of(pane).filter(|window| window.max_timestamp() > behind).last();
                prop_assert_eq!(panes.first_window_behind(pane, behind), first);
            }
            for behind in windows_ends.iter().copied().chain([Timestamp::MIN, Timestamp::MAX, time]) {
                let passed = panes.pane_before_windows_behind(behind);
                prop_assert!(passed.is_none_or(|passed| panes.windows_of(passed).all(|of| of.max_timestamp() <= behind)));
            }
        }
    }
}
