//! Windows give what the reference gives, for random histories, in every mode.

use millstream_actors::time::{TimespanUnits, Timestamp};
use proptest::prelude::*;

use super::cases::{Windows, e, sum_of};
use super::undisclosed::Undisclosed;
use crate::model::Record;
use crate::operator::window::contents::{Call, Listed};
use crate::operator::window::reference::{Cut, Fire, Outcome, Reference, Rules, Step, Time};
use crate::operator::window::trigger::{Count, EndOfStream, EventTime, ProcessingTime, Purging, TriggerFor};
use crate::operator::window::{
    Fixed, Global, InEventTime, KeepAll, Session, Sliding, TimeWindow, Tumbling, WindowAssigner, WindowError,
};
use crate::testing::harness::{Element, end, processing_time, rec_at, watermark};

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Records around the present, in no order, and a time that advances now and then; in the end it is over. Each record has
/// a value of its own, so that a sum tells which ones it is of.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) steps: Vec<Step>,
    /// What the modes leave to chance.
    pub(super) seed: u64,
    pub(super) variant: Variant,
}

/// What is the same for windows of all kinds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    /// Whether windows forget what they hold when they fire.
    pub(super) purging: bool,
    /// Whether the trigger must be asked.
    pub(super) is_asked: bool,
    /// Whether they keep the records one by one.
    pub(super) lists: bool,
    /// The lateness of windows in event time; none in processing time.
    pub(super) lateness: Option<i64>,
}

impl Variant {
    pub(super) fn time(self) -> Time {
        self.lateness.map_or(Time::Processing, |lateness| Time::Event { lateness })
    }
}

fn variants() -> impl Strategy<Value = Variant> {
    let lateness = prop_oneof![1 => Just(None), 1 => Just(Some(0)), 2 => (0i64..20).prop_map(Some)];
    (any::<bool>(), any::<bool>(), any::<bool>(), lateness).prop_map(|(purging, is_asked, lists, lateness)| Variant {
        purging,
        is_asked,
        lists,
        lateness,
    })
}

pub(super) fn histories() -> impl Strategy<Value = History> {
    let element = (0..3u8, -30i64..20).prop_map(|(key, time)| Step::Element { key, value: 0, time });
    let advance = (0i64..15).prop_map(Step::Advance);
    let steps = prop_oneof![3 => element, 1 => advance];
    (proptest::collection::vec(steps, 1..30), any::<u64>(), variants()).prop_map(|(mut steps, seed, variant)| {
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
        History { steps, seed, variant }
    })
}

/// What windows are given and must give.
#[derive(Default)]
pub(super) struct Played {
    pub(super) input: Vec<Element<(String, i64)>>,
    pub(super) output: Vec<Element<(String, TimeWindow, i64)>>,
    pub(super) late: Vec<Element<i64>>,
}

/// Plays a history to the reference.
pub(super) fn play(rules: Rules, history: &History) -> Played {
    let is_processing = matches!(rules.time, Time::Processing);
    let mut reference = Reference::new(rules);
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
fn judge<A, R>(windows: &Windows<A, R>, rules: Rules, history: &History)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
{
    let Played { input, output, late } = play(rules, history);
    if !history.variant.lists {
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

/// Judges windows of one kind in the history's variant.
fn check<A, R>(assigner: A, trigger: R, cut: Cut, fire: Fire, history: &History)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
    Purging<R>: TriggerFor<A::Kind, i64>,
    Undisclosed<R>: TriggerFor<A::Kind, i64>,
    Undisclosed<Purging<R>>: TriggerFor<A::Kind, i64>,
{
    let Variant { purging, is_asked, lateness, .. } = history.variant;
    let rules = Rules { cut, time: history.variant.time(), fire, purging };
    let lateness = lateness.unwrap_or_default().millis();
    let purges = Purging::of(trigger.clone());
    match (purging, is_asked) {
        (false, false) => judge(&Windows::new(assigner, trigger).lateness(lateness), rules, history),
        (false, true) => judge(&Windows::new(assigner, Undisclosed(trigger)).lateness(lateness), rules, history),
        (true, false) => judge(&Windows::new(assigner, purges).lateness(lateness), rules, history),
        (true, true) => judge(&Windows::new(assigner, Undisclosed(purges)).lateness(lateness), rules, history),
    }
}

/// The gap behind a value: each record of a history has another one.
fn gap_of(value: i64) -> i64 {
    1 + i64::from(value.trailing_zeros()) * 5 % 14
}

/// An assigner of a user: for each length one window, which begins at a multiple of it.
#[derive(Clone)]
pub(super) struct Several(pub(super) [i64; 2]);

impl<T> WindowAssigner<T> for Several {
    type Time = InEventTime;
    type Kind = Fixed;
    type Windows = std::array::IntoIter<TimeWindow, 2>;
    type Trigger = EventTime;

    fn assign(&mut self, _: &T, time: Timestamp) -> Result<Self::Windows, WindowError> {
        let start = |length: i64| time - time.as_millis().rem_euclid(length).millis();
        Ok(self.0.map(|length| TimeWindow::starting_at(start(length), length.millis())).into_iter())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn tumbling_windows_are_those_of_the_reference(
        history in histories(), size in 1i64..25, share in -0.99f64..0.99,
    ) {
        let offset = (size as f64 * share) as i64;
        let cut = Cut::Tumbling { size, offset };
        let assigner = Tumbling::of(size.millis()).offset(offset.millis());
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn sliding_windows_are_those_of_the_reference(
        history in histories(), size in 1i64..25, slide in 1i64..25, share in -0.99f64..0.99,
    ) {
        let offset = (slide as f64 * share) as i64;
        let cut = Cut::Sliding { size, slide, offset };
        let assigner = Sliding::of(size.millis(), slide.millis()).offset(offset.millis());
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn sessions_are_those_of_the_reference(history in histories(), gap in 1i64..15) {
        let (assigner, cut) = (Session::with_gap(gap.millis()), Cut::Session { gap });
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn sessions_with_gaps_of_their_own_are_those_of_the_reference(history in histories()) {
        let assigner = Session::dynamic(|value: &i64| gap_of(*value).millis());
        let cut = Cut::DynamicSession { gap_of };
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn windows_of_an_assigner_of_a_user_are_those_of_the_reference(
        mut history in histories(), length in 1i64..25, more in 1i64..25,
    ) {
        history.variant.lateness.get_or_insert(3);
        let lengths = [length, length + more];
        check(Several(lengths), EventTime, Cut::Several { lengths }, Fire::AtTheEnd, &history);
    }

    #[test]
    fn global_window_is_that_of_the_reference(mut history in histories(), every in 1u64..6, ends in any::<bool>()) {
        history.variant.lateness = Some(0);
        if ends {
            check(Global, EndOfStream, Cut::Global, Fire::AtTheEnd, &history);
        } else {
            check(Global, Count::of(every), Cut::Global, Fire::WithEvery(every), &history);
        }
    }

    #[test]
    fn windows_that_fire_with_every_nth_record_are_those_of_the_reference(
        mut history in histories(), size in 1i64..25, every in 1u64..5, merges in any::<bool>(),
    ) {
        history.variant.lateness.get_or_insert(3);
        if merges {
            let cut = Cut::Session { gap: size };
            check(Session::with_gap(size.millis()), Count::of(every), cut, Fire::WithEvery(every), &history);
        } else {
            let cut = Cut::Sliding { size, slide: 10, offset: 0 };
            let assigner = Sliding::of(size.millis(), 10.millis());
            check(assigner, Count::of(every), cut, Fire::WithEvery(every), &history);
        }
    }
}
