//! What windows with the default triggers must give, in the simplest words: the oracle of tests.
//!
//! All windows lie in one list of plain numbers, which is searched from its beginning at each step. Nothing of the code
//! that is judged is used, but the type in which windows are named.

use millstream_actors::time::Timestamp;

use super::TimeWindow;

/// How time is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Tumbling {
        size: i64,
        offset: i64,
    },
    Sliding {
        size: i64,
        slide: i64,
        offset: i64,
    },
    Session {
        gap: i64,
    },
    /// One window, which fires at the end of the stream.
    Global,
}

/// Which time counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Time {
    Event { lateness: i64 },
    Processing,
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A record. Its time counts in event time only.
    Element { key: u8, value: i64, time: i64 },
    /// The watermark, or the clock, has come to this point. Neither goes back.
    Advance(i64),
}

/// What must be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A window is evaluated with these values, sorted.
    Fired { key: u8, window: TimeWindow, values: Vec<i64> },
    /// A record comes too late for all its windows.
    Late { key: u8, value: i64 },
}

/// Windows that are judged step by step.
#[derive(Debug)]
pub(crate) struct Reference {
    cut: Cut,
    time: Time,
    /// Whether windows forget what they hold when they fire.
    purging: bool,
    /// The watermark, or the clock.
    now: i64,
    /// All windows of all keys that are not over.
    kept: Vec<Kept>,
}

/// A window that is not over, with what it holds.
#[derive(Debug)]
struct Kept {
    key: u8,
    start: i64,
    end: i64,
    values: Vec<i64>,
}

impl Reference {
    pub(crate) fn new(cut: Cut, time: Time, purging: bool) -> Self {
        Self { cut, time, purging, now: i64::MIN, kept: Vec::new() }
    }

    /// What a step must give, in this order.
    pub(crate) fn step(&mut self, step: Step) -> Vec<Outcome> {
        let outcomes = match step {
            Step::Element { key, value, time } => self.element(key, value, time),
            Step::Advance(to) => self.advance(to),
        };
        let over = |window: &Kept| cleanup(self.time, window) <= self.now;
        self.kept.retain(|window| !over(window));
        outcomes
    }

    fn element(&mut self, key: u8, value: i64, time: i64) -> Vec<Outcome> {
        let time = if matches!(self.time, Time::Processing) { self.now } else { time };
        let (mut outcomes, mut was_added) = (Vec::new(), false);
        for (start, end) in self.windows_of(time) {
            let mut window = self.take(key, start, end);
            if matches!(self.time, Time::Event { .. }) && cleanup(self.time, &window) <= self.now {
                continue;
            }
            was_added = true;
            window.values.push(value);
            if last(&window) <= self.now {
                outcomes.push(self.fire(&mut window));
            }
            self.kept.push(window);
        }
        match self.time {
            Time::Event { lateness } if !was_added && time + lateness <= self.now => {
                outcomes.push(Outcome::Late { key, value });
            }
            _ => {}
        }
        outcomes
    }

    fn advance(&mut self, to: i64) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|window| (window.end, window.start, window.key));
        for window in &mut kept {
            if self.now < last(window) && last(window) <= to && !window.values.is_empty() {
                outcomes.push(self.fire(window));
            }
        }
        (self.kept, self.now) = (kept, to);
        outcomes
    }

    fn windows_of(&self, time: i64) -> Vec<(i64, i64)> {
        match self.cut {
            Cut::Tumbling { size, offset } => {
                let start = time - (time - offset).rem_euclid(size);
                vec![(start, start + size)]
            }
            Cut::Sliding { size, slide, offset } => {
                let begins = |start: &i64| (start - offset).rem_euclid(slide) == 0;
                (time - size + 1..=time).rev().filter(begins).map(|start| (start, start + size)).collect()
            }
            Cut::Session { gap } => vec![(time, time + gap)],
            Cut::Global => vec![(i64::MIN, i64::MAX)],
        }
    }

    /// Takes the window of a key out of those that are kept; of a session, all that it touches, as one.
    fn take(&mut self, key: u8, start: i64, end: i64) -> Kept {
        let is_session = matches!(self.cut, Cut::Session { .. });
        let mut window = Kept { key, start, end, values: Vec::new() };
        let belongs = |kept: &Kept, window: &Kept| {
            let same = (kept.start, kept.end) == (window.start, window.end);
            let touches = kept.start <= window.end && window.start <= kept.end;
            kept.key == key && (same || is_session && touches)
        };
        while let Some(place) = self.kept.iter().position(|kept| belongs(kept, &window)) {
            let other = self.kept.remove(place);
            (window.start, window.end) = (window.start.min(other.start), window.end.max(other.end));
            window.values.extend(other.values);
        }
        window
    }

    fn fire(&self, window: &mut Kept) -> Outcome {
        let mut values = window.values.clone();
        values.sort_unstable();
        if self.purging {
            window.values.clear();
        }
        let (start, end) = (Timestamp::from_millis(window.start), Timestamp::from_millis(window.end));
        Outcome::Fired { key: window.key, window: TimeWindow::new(start, end), values }
    }
}

fn last(window: &Kept) -> i64 {
    if window.end == i64::MAX { window.end } else { window.end - 1 }
}

fn cleanup(time: Time, window: &Kept) -> i64 {
    match time {
        Time::Event { lateness } => last(window).saturating_add(lateness),
        Time::Processing => last(window),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(value: i64, time: i64) -> Step {
        Step::Element { key: 0, value, time }
    }

    fn fired(start: i64, end: i64, values: &[i64]) -> Outcome {
        let window = TimeWindow::new(Timestamp::from_millis(start), Timestamp::from_millis(end));
        Outcome::Fired { key: 0, window, values: values.to_vec() }
    }

    fn outcomes(mut reference: Reference, steps: &[Step]) -> Vec<Outcome> {
        steps.iter().flat_map(|step| reference.step(*step)).collect()
    }

    #[test]
    fn reference_fires_late_and_drops_what_is_later() {
        let tumbling = Cut::Tumbling { size: 2_000, offset: 0 };
        let steps = [
            element(1, 500),
            Step::Advance(1_999),
            element(2, 1_300),
            Step::Advance(2_499),
            element(3, 1_500),
            element(4, 2_000),
        ];
        let accumulating = [fired(0, 2_000, &[1]), fired(0, 2_000, &[1, 2]), Outcome::Late { key: 0, value: 3 }];
        let purging = [fired(0, 2_000, &[1]), fired(0, 2_000, &[2]), Outcome::Late { key: 0, value: 3 }];
        let time = Time::Event { lateness: 500 };
        assert_eq!(outcomes(Reference::new(tumbling, time, false), &steps), accumulating);
        assert_eq!(outcomes(Reference::new(tumbling, time, true), &steps), purging);
    }

    #[test]
    fn reference_joins_sessions_that_touch() {
        let steps = [element(1, 0), element(2, 5), element(3, 3), element(4, 20), Step::Advance(10)];
        let reference = Reference::new(Cut::Session { gap: 3 }, Time::Event { lateness: 0 }, false);
        assert_eq!(outcomes(reference, &steps), [fired(0, 8, &[1, 2, 3])]);
    }
}
