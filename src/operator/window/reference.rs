//! What windows must give that fire at their end or with every n-th record, in the simplest words: the oracle of tests.
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
    /// Sessions whose gap follows from the value.
    DynamicSession {
        gap_of: fn(i64) -> i64,
    },
    /// For each length, one window that begins at a multiple of it.
    Several {
        lengths: [i64; 2],
    },
    /// One window, which ends with the stream.
    Global,
}

/// Which time counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Time {
    Event { lateness: i64 },
    Processing,
}

/// When windows fire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fire {
    AtTheEnd,
    /// With every n-th record.
    WithEvery(u64),
}

/// What windows are set to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) cut: Cut,
    pub(crate) time: Time,
    pub(crate) fire: Fire,
    /// Whether windows forget what they hold when they fire.
    pub(crate) purging: bool,
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
    rules: Rules,
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
    /// Records since it fired, or from the beginning.
    count: u64,
}

impl Reference {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, now: i64::MIN, kept: Vec::new() }
    }

    /// What a step must give, in this order.
    pub(crate) fn step(&mut self, step: Step) -> Vec<Outcome> {
        let outcomes = match step {
            Step::Element { key, value, time } => self.element(key, value, time),
            Step::Advance(to) => self.advance(to),
        };
        let over = |window: &Kept| cleanup(self.rules.time, window) <= self.now;
        self.kept.retain(|window| !over(window));
        outcomes
    }

    fn element(&mut self, key: u8, value: i64, time: i64) -> Vec<Outcome> {
        let time = if matches!(self.rules.time, Time::Processing) { self.now } else { time };
        let (mut outcomes, mut was_added) = (Vec::new(), false);
        for (start, end) in self.windows_of(time, value) {
            let mut window = self.take(key, start, end);
            if matches!(self.rules.time, Time::Event { .. }) && cleanup(self.rules.time, &window) <= self.now {
                continue;
            }
            was_added = true;
            window.values.push(value);
            window.count += 1;
            let fires = match self.rules.fire {
                Fire::AtTheEnd => last(&window) <= self.now,
                Fire::WithEvery(records) => window.count >= records,
            };
            if fires {
                window.count = 0;
                outcomes.push(self.fire(&mut window));
            }
            self.kept.push(window);
        }
        match self.rules.time {
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
        let fires = matches!(self.rules.fire, Fire::AtTheEnd);
        for window in kept.iter_mut().filter(|_| fires) {
            if self.now < last(window) && last(window) <= to && !window.values.is_empty() {
                outcomes.push(self.fire(window));
            }
        }
        (self.kept, self.now) = (kept, to);
        outcomes
    }

    fn windows_of(&self, time: i64, value: i64) -> Vec<(i64, i64)> {
        match self.rules.cut {
            Cut::Tumbling { size, offset } => {
                let start = time - (time - offset).rem_euclid(size);
                vec![(start, start + size)]
            }
            Cut::Sliding { size, slide, offset } => {
                let begins = |start: &i64| (start - offset).rem_euclid(slide) == 0;
                (time - size + 1..=time).rev().filter(begins).map(|start| (start, start + size)).collect()
            }
            Cut::Session { gap } => vec![(time, time + gap)],
            Cut::DynamicSession { gap_of } => vec![(time, time + gap_of(value))],
            Cut::Several { lengths } => {
                let window = |length: i64| (time - time.rem_euclid(length), time - time.rem_euclid(length) + length);
                lengths.map(window).to_vec()
            }
            Cut::Global => vec![(i64::MIN, i64::MAX)],
        }
    }

    /// Takes the window of a key out of those that are kept; of a session, all that it touches, as one.
    fn take(&mut self, key: u8, start: i64, end: i64) -> Kept {
        let is_session = matches!(self.rules.cut, Cut::Session { .. } | Cut::DynamicSession { .. });
        let mut window = Kept { key, start, end, values: Vec::new(), count: 0 };
        let belongs = |kept: &Kept, window: &Kept| {
            let same = (kept.start, kept.end) == (window.start, window.end);
            let touches = kept.start <= window.end && window.start <= kept.end;
            kept.key == key && (same || is_session && touches)
        };
        while let Some(place) = self.kept.iter().position(|kept| belongs(kept, &window)) {
            let other = self.kept.remove(place);
            (window.start, window.end) = (window.start.min(other.start), window.end.max(other.end));
            window.values.extend(other.values);
            window.count += other.count;
        }
        window
    }

    fn fire(&self, window: &mut Kept) -> Outcome {
        let mut values = window.values.clone();
        values.sort_unstable();
        if self.rules.purging {
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
        let accumulates =
            Rules { cut: tumbling, time: Time::Event { lateness: 500 }, fire: Fire::AtTheEnd, purging: false };
        assert_eq!(outcomes(Reference::new(accumulates), &steps), accumulating);
        assert_eq!(outcomes(Reference::new(Rules { purging: true, ..accumulates }), &steps), purging);
    }

    #[test]
    fn reference_joins_sessions_that_touch() {
        let steps = [element(1, 0), element(2, 5), element(3, 3), element(4, 20), Step::Advance(10)];
        let cut = Cut::Session { gap: 3 };
        let rules = Rules { cut, time: Time::Event { lateness: 0 }, fire: Fire::AtTheEnd, purging: false };
        assert_eq!(outcomes(Reference::new(rules), &steps), [fired(0, 8, &[1, 2, 3])]);
    }

    #[test]
    fn reference_counts_records_and_begins_anew() {
        let steps = [element(1, 0), element(2, 5), element(3, 3), element(4, 1), Step::Advance(10)];
        let (time, fire) = (Time::Event { lateness: 0 }, Fire::WithEvery(2));
        let rules = Rules { cut: Cut::Tumbling { size: 10, offset: 0 }, time, fire, purging: true };
        assert_eq!(outcomes(Reference::new(rules), &steps), [fired(0, 10, &[1, 2]), fired(0, 10, &[3, 4])]);
    }
}
