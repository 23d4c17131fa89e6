//! Windows give what the reference gives, for random histories, in every mode.

use millstream_actors::time::TimespanUnits;
use proptest::prelude::*;

use super::cases::{Windows, e, sum_of};
use super::undisclosed::Undisclosed;
use crate::model::Record;
use crate::operator::window::contents::{Call, Listed};
use crate::operator::window::reference::{Cut, Outcome, Reference, Step, Time};
use crate::operator::window::trigger::{EndOfStream, EventTime, ProcessingTime, Purging, TriggerFor};
use crate::operator::window::{Global, KeepAll, Session, Sliding, TimeWindow, Tumbling, WindowAssigner};
use crate::testing::harness::{Element, end, processing_time, rec_at, watermark};

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Records around the present, in no order, and a time that advances now and then; in the end it is over. Each record has
/// a value of its own, so that a sum tells which ones it is of.
#[derive(Debug, Clone)]
pub(super) struct History {
    steps: Vec<Step>,
    /// What the modes leave to chance.
    pub(super) seed: u64,
    /// Whether the trigger must be asked.
    pub(super) is_asked: bool,
}

pub(super) fn histories() -> impl Strategy<Value = History> {
    let element = (0..3u8, -30i64..20).prop_map(|(key, time)| Step::Element { key, value: 0, time });
    let advance = (0i64..15).prop_map(Step::Advance);
    let steps = prop_oneof![3 => element, 1 => advance];
    (proptest::collection::vec(steps, 1..30), any::<u64>(), any::<bool>()).prop_map(|(mut steps, seed, is_asked)| {
        let mut now = 0;
        for (number, step) in steps.iter_mut().enumerate() {
            match step {
                Step::Advance(by) => {
                    now += *by;
                    *by = now;
                }
                Step::Element { value, time, .. } => {
                    *value = 1 << number;
                    *time += now;
                }
            }
        }
        steps.insert(0, Step::Advance(0));
        steps.push(Step::Advance(i64::MAX));
        History { steps, seed, is_asked }
    })
}

/// A cut of time, as the reference knows it.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) cut: Cut,
    pub(super) time: Time,
    pub(super) purging: bool,
}

/// What windows are given and must give.
#[derive(Default)]
pub(super) struct Played {
    pub(super) input: Vec<Element<(String, i64)>>,
    pub(super) output: Vec<Element<(String, TimeWindow, i64)>>,
    pub(super) late: Vec<Element<i64>>,
}

/// Plays a history to the reference.
pub(super) fn play(expected: Expected, history: &History) -> Played {
    let is_processing = matches!(expected.time, Time::Processing);
    let mut reference = Reference::new(expected.cut, expected.time, expected.purging);
    let (mut played, mut watermark_at) = (Played::default(), i64::MIN);
    for step in &history.steps {
        for outcome in reference.step(*step) {
            match (outcome, *step) {
                (Outcome::Fired { key, window, values }, _) => {
                    let result = (KEYS[usize::from(key)].to_owned(), window, values.iter().sum());
                    played.output.push(rec_at(result, window.max_timestamp().as_millis()));
                }
                (Outcome::Late { value, .. }, Step::Element { time, .. }) => played.late.push(rec_at(value, time)),
                (outcome, step) => panic!("{outcome:?} follows from {step:?}"),
            }
        }
        match *step {
            Step::Element { key, value, time } => played.input.push(e(KEYS[usize::from(key)], value, time)),
            Step::Advance(to) if is_processing => played.input.push(processing_time(to)),
            Step::Advance(i64::MAX) => {
                played.input.push(end());
                played.output.push(end());
            }
            Step::Advance(to) => {
                played.input.push(watermark(to));
                if to > watermark_at {
                    played.output.push(watermark(to));
                }
                watermark_at = to;
            }
        }
    }
    played
}

/// Compares windows with the reference: as sums, or as functions that see all records.
fn judge<A, R>(windows: &Windows<A, R>, expected: Expected, history: &History)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
{
    let Played { input, output, late } = play(expected, history);
    if history.seed.is_multiple_of(2) {
        let sums = output.iter().map(|element| match element {
            Element::Record(record) => Element::Record(record.clone().with((record.value.0.clone(), record.value.2))),
            Element::End => end(),
            Element::Signal(signal) => Element::Signal(*signal),
            Element::ProcessingTime(_) => panic!("processing time does not come out"),
        });
        let case = windows.summing().seed(history.seed).input(input).expect_side(&windows.late, late);
        return case.allow_late().expect(sums);
    }
    let list = |key: &String, window: TimeWindow, records: &[Record<i64>]| [(key.clone(), window, sum_of(records))];
    let case = windows.keeping(move || Listed::new(KeepAll, Call::new(list)));
    case.seed(history.seed).input(input).expect_side(&windows.late, late).allow_late().expect(output);
}

/// Judges windows that accumulate, and windows that purge; by a rule, or by a trigger that is asked.
fn both<A, R>(assigner: A, trigger: R, cut: Cut, time: Time, history: &History)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
    Purging<R>: TriggerFor<A::Kind, i64>,
    Undisclosed<R>: TriggerFor<A::Kind, i64>,
    Undisclosed<Purging<R>>: TriggerFor<A::Kind, i64>,
{
    let lateness = match time {
        Time::Event { lateness } => lateness.millis(),
        Time::Processing => 0.millis(),
    };
    let purging = Purging::of(trigger.clone());
    let (accumulates, purges) = (Expected { cut, time, purging: false }, Expected { cut, time, purging: true });
    if history.is_asked {
        judge(&Windows::new(assigner.clone(), Undisclosed(trigger)).lateness(lateness), accumulates, history);
        judge(&Windows::new(assigner, Undisclosed(purging)).lateness(lateness), purges, history);
    } else {
        judge(&Windows::new(assigner.clone(), trigger).lateness(lateness), accumulates, history);
        judge(&Windows::new(assigner, purging).lateness(lateness), purges, history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn tumbling_windows_are_those_of_the_reference(
        history in histories(), size in 1i64..25, share in -0.99f64..0.99, lateness in 0i64..20,
    ) {
        let offset = (size as f64 * share) as i64;
        let cut = Cut::Tumbling { size, offset };
        let assigner = Tumbling::of(size.millis()).offset(offset.millis());
        both(assigner.clone(), EventTime, cut, Time::Event { lateness }, &history);
        both(assigner.processing_time(), ProcessingTime, cut, Time::Processing, &history);
    }

    #[test]
    fn sliding_windows_are_those_of_the_reference(
        history in histories(), size in 1i64..25, slide in 1i64..25, share in -0.99f64..0.99, lateness in 0i64..20,
    ) {
        let offset = (slide as f64 * share) as i64;
        let cut = Cut::Sliding { size, slide, offset };
        let assigner = Sliding::of(size.millis(), slide.millis()).offset(offset.millis());
        both(assigner.clone(), EventTime, cut, Time::Event { lateness }, &history);
        both(assigner.processing_time(), ProcessingTime, cut, Time::Processing, &history);
    }

    #[test]
    fn sessions_are_those_of_the_reference(history in histories(), gap in 1i64..15, lateness in 0i64..20) {
        let cut = Cut::Session { gap };
        let assigner = Session::with_gap(gap.millis());
        both(assigner.clone(), EventTime, cut, Time::Event { lateness }, &history);
        both(assigner.processing_time(), ProcessingTime, cut, Time::Processing, &history);
    }

    #[test]
    fn global_window_is_that_of_the_reference(history in histories()) {
        both(Global, EndOfStream, Cut::Global, Time::Event { lateness: 0 }, &history);
    }
}
