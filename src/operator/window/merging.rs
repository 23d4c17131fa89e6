//! Decides which windows of a key become one, and what becomes of the state of those that were merged into another.

use serde::{Deserialize, Serialize};

use super::TimeWindow;

/// A window that is open, with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenWindow<S> {
    pub(crate) window: TimeWindow,
    pub(crate) state: S,
}

/// A window that is no more since it has become a part of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced<S> {
    pub(crate) window: TimeWindow,
    /// Its state, if the other one has not got it.
    pub(crate) state: Option<S>,
}

/// What came of a window that was added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Added<'a, S> {
    pub(crate) open: &'a mut OpenWindow<S>,
    /// Whether it is a window of its own, and was not there before.
    pub(crate) is_new: bool,
}

/// The open windows of one key, of which no two overlap or touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MergingWindows<S> {
    /// In the order of time.
    open: Vec<OpenWindow<S>>,
}

impl<S> MergingWindows<S> {
    /// No windows.
    pub(crate) fn new() -> Self {
        Self { open: Vec::new() }
    }

    /// Opens `window` with what `state` makes, or merges it with the open windows that it overlaps or touches, and gives
    /// what came of it.
    ///
    /// Fills `replaced` with the windows that are no more. The result has the state of the earliest of them; the state of
    /// the others must be merged into it. A window that lies within an open one replaces nothing.
    pub(crate) fn add(
        &mut self,
        window: TimeWindow,
        state: impl FnOnce() -> S,
        replaced: &mut Vec<Replaced<S>>,
    ) -> Added<'_, S> {
        replaced.clear();
        let touched = self.touched_by(window);
        let (first, is_new) = (touched.start, touched.is_empty());
        if is_new {
            // Most keys have one window open, so there is no room for a second unless it is needed.
            self.open.reserve_exact(usize::from(self.open.is_empty()));
            self.open.insert(first, OpenWindow { window, state: state() });
        }
        let cover = self.cover_of(window);
        if self.open[first].window != cover {
            replaced.push(Replaced { window: self.open[first].window, state: None });
            let others = self.open.drain(first + 1..touched.end);
            replaced.extend(others.map(|open| Replaced { window: open.window, state: Some(open.state) }));
            self.open[first].window = cover;
        }
        Added { open: &mut self.open[first], is_new }
    }

    /// What would come of `window` if it were added.
    pub(crate) fn cover_of(&self, window: TimeWindow) -> TimeWindow {
        let touched = self.touched_by(window);
        self.open[touched].iter().fold(window, |cover, open| cover.cover(open.window))
    }

    /// The places of the open windows that `window` overlaps or touches.
    fn touched_by(&self, window: TimeWindow) -> std::ops::Range<usize> {
        // The windows are apart, so their ends are in order as well as their starts.
        let first = self.open.partition_point(|open| open.window.end() < window.start());
        let count = self.open[first..].iter().take_while(|open| open.window.touches(window)).count();
        first..first + count
    }

    /// The state of an open window.
    pub(crate) fn get_mut(&mut self, window: TimeWindow) -> Option<&mut S> {
        self.open.iter_mut().find(|open| open.window == window).map(|open| &mut open.state)
    }

    /// Forgets the first window for which `is_over` is true, and gives it.
    pub(crate) fn retire(&mut self, is_over: impl Fn(TimeWindow) -> bool) -> Option<OpenWindow<S>> {
        let place = self.open.iter().position(|open| is_over(open.window))?;
        Some(self.open.remove(place))
    }

    /// The open windows, in the order of time.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut OpenWindow<S>> + '_ {
        self.open.iter_mut()
    }

    /// How many windows are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no window is open: then nothing needs to be kept for the key.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn window(start: i64, end: i64) -> TimeWindow {
        TimeWindow::new(Timestamp::from_millis(start), Timestamp::from_millis(end))
    }

    /// Windows whose state is what they were when it was made.
    struct Windows {
        open: MergingWindows<TimeWindow>,
        replaced: Vec<Replaced<TimeWindow>>,
    }

    impl Windows {
        fn new() -> Self {
            Self { open: MergingWindows::new(), replaced: Vec::new() }
        }

        /// Gives what came of `window`, and its state.
        fn add(&mut self, window: TimeWindow) -> (TimeWindow, TimeWindow) {
            let added = self.open.add(window, || window, &mut self.replaced);
            (added.open.window, added.open.state)
        }

        fn open(&mut self) -> Vec<(TimeWindow, TimeWindow)> {
            self.open.iter_mut().map(|open| (open.window, open.state)).collect()
        }

        fn replaced(&self) -> Vec<TimeWindow> {
            self.replaced.iter().map(|replaced| replaced.window).collect()
        }
    }

    #[test]
    fn s7_windows_that_overlap_are_merged_and_keep_the_state_of_the_first() {
        let mut windows = Windows::new();
        let first = window(0, 4);
        for _ in 0..2 {
            assert_eq!(windows.add(first), (first, first));
            assert_eq!(windows.replaced(), []);
        }
        assert_eq!(windows.add(window(3, 5)), (window(0, 5), first));
        assert_eq!(windows.replaced(), [first]);
        assert_eq!(windows.add(window(4, 6)), (window(0, 6), first));
        assert_eq!(windows.replaced(), [window(0, 5)]);
        for covered in [window(1, 4), first, window(3, 5), window(4, 6)] {
            assert_eq!(windows.add(covered), (window(0, 6), first));
            assert_eq!(windows.replaced(), []);
        }

        let second = window(11, 14);
        assert_eq!(windows.add(second), (second, second));
        assert_eq!(windows.replaced(), []);
        assert_eq!(windows.add(window(10, 13)), (window(10, 14), second));
        assert_eq!(windows.replaced(), [second]);
        assert_eq!(windows.add(window(12, 15)), (window(10, 15), second));
        assert_eq!(windows.replaced(), [window(10, 14)]);

        assert_eq!(windows.open.get_mut(window(0, 6)), Some(&mut first.clone()));
        let retired = windows.open.retire(|window| window.end() <= Timestamp::from_millis(6));
        assert_eq!(retired, Some(OpenWindow { window: window(0, 6), state: first }));
        assert_eq!(windows.open(), [(window(10, 15), second)]);
        assert_eq!(windows.open.retire(|open| open == window(0, 6)), None);
    }

    #[test]
    fn window_between_two_joins_them_under_the_state_of_the_earlier() {
        let mut windows = Windows::new();
        let (early, late, apart) = (window(0, 3), window(5, 8), window(20, 23));
        for opened in [late, apart, early] {
            windows.add(opened);
        }
        assert_eq!(windows.open.cover_of(window(3, 5)), window(0, 8));
        assert_eq!(windows.add(window(3, 5)), (window(0, 8), early), "windows that touch are merged");
        let replaced = [(early, None), (late, Some(late))].map(|(window, state)| Replaced { window, state });
        assert_eq!(windows.replaced, replaced);
        assert_eq!(windows.open(), [(window(0, 8), early), (apart, apart)]);
    }

    proptest! {
        #[test]
        fn open_windows_are_the_covers_of_what_was_added(
            lengths in proptest::collection::vec((0i64..200, 1i64..20), 1..30),
        ) {
            let mut windows = Windows::new();
            for (count, (start, length)) in lengths.iter().enumerate() {
                let before = windows.open();
                let result = windows.add(window(*start, start + length));
                let after = windows.open();
                prop_assert!(after.contains(&result));
                let gone: Vec<TimeWindow> =
                    before.iter().map(|open| open.0).filter(|open| !after.iter().any(|still| still.0 == *open)).collect();
                prop_assert_eq!(&windows.replaced(), &gone, "what is replaced is what is no more");

                // A stretch of time is open if a window that was added covers it, its end included: those touch.
                let added = &lengths[..=count];
                let covered = |time: i64| added.iter().any(|(start, length)| (*start..start + length).contains(&time));
                for time in 0..220 {
                    let at = Timestamp::from_millis(time);
                    let holding = after.iter().filter(|open| open.0.contains(at)).count();
                    prop_assert_eq!(holding, usize::from(covered(time)));
                }
                prop_assert!(after.windows(2).all(|pair| !pair[0].0.touches(pair[1].0)));
                let bytes = crate::model::encode(&windows.open).unwrap();
                prop_assert_eq!(&crate::model::decode::<MergingWindows<TimeWindow>>(&bytes).unwrap(), &windows.open);
            }
        }
    }
}
