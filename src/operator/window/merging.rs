//! Decides which windows of a key become one, and where the state of a window lies that others were merged into.

use serde::{Deserialize, Serialize};

use super::TimeWindow;

/// A window that is open, and the window under which its state lies.
///
/// The two differ once the window has grown: its state stays where it was, so that merging moves no state but that of
/// windows which cease to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// The window as it is now.
    pub window: TimeWindow,
    /// The window as it was when its state was made: the namespace of the state.
    pub state: TimeWindow,
}

/// The open windows of one key, of which no two overlap or touch.
///
/// # Recovery
/// It is a part of the key's state: a snapshot must hold it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MergingWindows {
    /// In the order of time.
    open: Vec<OpenWindow>,
}

impl MergingWindows {
    /// No windows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens `window`, or merges it with the open windows that it overlaps or touches, and gives what came of it.
    ///
    /// Fills `replaced` with the windows that are no more since they have become a part of the result: their timers and
    /// the state of their triggers must go, and state under another namespace than the result's must be merged into
    /// that. A window that lies within an open one replaces nothing. State stays that of the earliest window.
    pub fn add(&mut self, window: TimeWindow, replaced: &mut Vec<OpenWindow>) -> OpenWindow {
        replaced.clear();
        // The windows are apart, so their ends are in order as well as their starts.
        let first = self.open.partition_point(|open| open.window.end() < window.start());
        let count = self.open[first..].iter().take_while(|open| open.window.touches(window)).count();
        let touched = &self.open[first..first + count];
        let Some(earliest) = touched.first() else {
            let opened = OpenWindow { window, state: window };
            self.open.insert(first, opened);
            return opened;
        };
        let cover = touched.iter().fold(window, |cover, open| cover.cover(open.window));
        let result = OpenWindow { window: cover, state: earliest.state };
        if *earliest != result {
            replaced.extend_from_slice(touched);
            self.open[first] = result;
            self.open.drain(first + 1..first + count);
        }
        result
    }

    /// The namespace of the state of an open window.
    #[must_use]
    pub fn state_of(&self, window: TimeWindow) -> Option<TimeWindow> {
        self.open.iter().find(|open| open.window == window).map(|open| open.state)
    }

    /// Forgets a window whose time is over, and gives the namespace of its state.
    pub fn retire(&mut self, window: TimeWindow) -> Option<TimeWindow> {
        let place = self.open.iter().position(|open| open.window == window)?;
        Some(self.open.remove(place).state)
    }

    /// The open windows, in the order of time.
    pub fn iter(&self) -> impl Iterator<Item = OpenWindow> + '_ {
        self.open.iter().copied()
    }

    /// Whether no window is open: then nothing needs to be kept for the key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
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

    fn open(window: TimeWindow, state: TimeWindow) -> OpenWindow {
        OpenWindow { window, state }
    }

    #[test]
    fn s7_windows_that_overlap_are_merged_and_keep_the_state_of_the_first() {
        let (mut windows, mut replaced) = (MergingWindows::new(), Vec::new());
        let first = window(0, 4);
        for _ in 0..2 {
            assert_eq!(windows.add(first, &mut replaced), open(first, first));
            assert_eq!(replaced, []);
        }
        assert_eq!(windows.add(window(3, 5), &mut replaced), open(window(0, 5), first));
        assert_eq!(replaced, [open(first, first)]);
        assert_eq!(windows.add(window(4, 6), &mut replaced), open(window(0, 6), first));
        assert_eq!(replaced, [open(window(0, 5), first)]);
        for covered in [window(1, 4), first, window(3, 5), window(4, 6)] {
            assert_eq!(windows.add(covered, &mut replaced), open(window(0, 6), first));
            assert_eq!(replaced, []);
        }

        let second = window(11, 14);
        assert_eq!(windows.add(second, &mut replaced), open(second, second));
        assert_eq!(replaced, []);
        assert_eq!(windows.add(window(10, 13), &mut replaced), open(window(10, 14), second));
        assert_eq!(replaced, [open(second, second)]);
        assert_eq!(windows.add(window(12, 15), &mut replaced), open(window(10, 15), second));
        assert_eq!(replaced, [open(window(10, 14), second)]);

        assert_eq!(windows.state_of(window(0, 6)), Some(first));
        assert_eq!(windows.retire(window(0, 6)), Some(first));
        assert_eq!(windows.iter().collect::<Vec<_>>(), [open(window(10, 15), second)]);
        assert_eq!(windows.retire(window(0, 6)), None);
    }

    #[test]
    fn window_between_two_joins_them_under_the_state_of_the_earlier() {
        let (mut windows, mut replaced) = (MergingWindows::new(), Vec::new());
        let (early, late, apart) = (window(0, 3), window(5, 8), window(20, 23));
        for opened in [late, apart, early] {
            windows.add(opened, &mut replaced);
        }
        assert_eq!(
            windows.add(window(3, 5), &mut replaced),
            open(window(0, 8), early),
            "windows that touch are merged"
        );
        assert_eq!(replaced, [open(early, early), open(late, late)]);
        assert_eq!(windows.iter().collect::<Vec<_>>(), [open(window(0, 8), early), open(apart, apart)]);
    }

    proptest! {
        #[test]
        fn open_windows_are_the_covers_of_what_was_added(
            lengths in proptest::collection::vec((0i64..200, 1i64..20), 1..30),
        ) {
            let (mut windows, mut replaced) = (MergingWindows::new(), Vec::new());
            for (count, (start, length)) in lengths.iter().enumerate() {
                let before: Vec<OpenWindow> = windows.iter().collect();
                let result = windows.add(window(*start, start + length), &mut replaced);
                let after: Vec<OpenWindow> = windows.iter().collect();
                prop_assert!(after.contains(&result));
                let gone: Vec<OpenWindow> = before.iter().filter(|open| !after.contains(open)).copied().collect();
                prop_assert_eq!(&replaced, &gone, "what is replaced is what is no more");

                // A stretch of time is open if a window that was added covers it, its end included: those touch.
                let added = &lengths[..=count];
                let covered = |time: i64| added.iter().any(|(start, length)| (*start..start + length).contains(&time));
                for time in 0..220 {
                    let at = Timestamp::from_millis(time);
                    let holding = after.iter().filter(|open| open.window.contains(at)).count();
                    prop_assert_eq!(holding, usize::from(covered(time)));
                }
                prop_assert!(after.windows(2).all(|pair| !pair[0].window.touches(pair[1].window)));
                let bytes = crate::model::encode(&windows).unwrap();
                prop_assert_eq!(&crate::model::decode::<MergingWindows>(&bytes).unwrap(), &windows);
            }
        }
    }
}
