//! Windows over two streams: pairs and groups of the reference's windows, in every mode.

use std::fmt::Debug;

use millstream_actors::time::{Timespan, TimespanUnits};
use proptest::prelude::*;

use super::against_reference::{History, Played, Several, Variant, histories, play};
use super::undisclosed::Undisclosed;
use crate::model::Data;
use crate::operator::window::contents::{Contents, Evicts, Listed, Pairs, Sides};
use crate::operator::window::evictor::Count as LastRecords;
use crate::operator::window::reference::{Cut, Fire, Rules, Step, Time};
use crate::operator::window::trigger::{Count, EndOfStream, EventTime, ProcessingTime, Purging, TriggerFor};
use crate::operator::window::{
    Evicting, Global, KeepAll, LateTo, PerKey, Session, Sliding, TimeWindow, Tumbling, WindowAssigner, WindowOperator,
    WindowSettings,
};
use crate::operator::{Either, SideOutput, SubtaskContext};
use crate::testing::harness::{Element, OperatorHarness, end, rec_at, watermark};

/// A number of one of two streams.
type Side = Either<i64, i64>;

/// A case that has not run yet.
type Case<T> = OperatorHarness<(String, Side), T>;

/// What windows over two streams are set to.
#[derive(Clone)]
struct Windows<A, R> {
    assigner: A,
    trigger: R,
    lateness: Timespan,
    late: (SideOutput<i64>, SideOutput<i64>),
}

impl<A: WindowAssigner<Side>, R: TriggerFor<A::Kind, Side>> Windows<A, R> {
    fn new(assigner: A, trigger: R) -> Self {
        let late = (SideOutput::new("late left"), SideOutput::new("late right"));
        Self { assigner, trigger, lateness: 0.millis(), late }
    }

    fn lateness(self, lateness: Timespan) -> Self {
        Self { lateness, ..self }
    }

    fn keeping<C, F>(&self, contents: F) -> Case<C::Out>
    where
        C: Contents<PerKey<String>, Side>,
        C::Out: Data + PartialEq + Debug,
        F: Fn() -> C + 'static,
    {
        let Self { assigner, trigger, lateness, late } = self.clone();
        let late_to = LateTo::each(Some(late.0), Some(late.1));
        let settings = WindowSettings { assigner, trigger, allowed_lateness: lateness, late_to };
        let open = move |context: &mut SubtaskContext| {
            WindowOperator::<PerKey<String>, Side, A, R, C>::open("windows", settings.clone(), contents(), context)
        };
        OperatorHarness::keyed(open).in_any_order().allow_late()
    }

    fn pairs<V>(&self, evicts: V) -> Case<(i64, i64)>
    where
        V: Evicts<Side>,
    {
        self.keeping(move || Listed::new(evicts.clone(), Pairs::new(|left: &i64, right: &i64| (*left, *right))))
    }

    fn groups(&self) -> Case<(String, TimeWindow, i64, i64)> {
        let sums = |key: &String, window: TimeWindow, left: &[&i64], right: &[&i64]| {
            [(key.clone(), window, left.iter().copied().sum::<i64>(), right.iter().copied().sum::<i64>())]
        };
        self.keeping(move || Listed::new(KeepAll, Sides::new(sums)))
    }
}

/// Every second record is of the second stream: values are powers of two, one for each record.
fn is_left(value: i64) -> bool {
    value.trailing_zeros().is_multiple_of(2)
}

fn side_of(value: i64) -> Side {
    if is_left(value) { Either::Left(value) } else { Either::Right(value) }
}

/// The values that a sum is of, of each side.
fn parted(sum: i64) -> (Vec<i64>, Vec<i64>) {
    (0..i64::BITS - 1).map(|bit| sum & 1 << bit).filter(|value| *value != 0).partition(|value| is_left(*value))
}

/// Makes of each record what `change` says, and leaves the rest.
fn each_record<T, U>(elements: Vec<Element<T>>, change: impl Fn(T, i64) -> Vec<Element<U>>) -> Vec<Element<U>> {
    let element = |element| match element {
        Element::Record(record) => change(record.value, record.time.as_millis()),
        Element::Signal(signal) => vec![Element::Signal(signal)],
        Element::ProcessingTime(time) => vec![Element::ProcessingTime(time)],
        Element::End => vec![Element::End],
    };
    elements.into_iter().flat_map(element).collect()
}

/// Compares windows over two streams with the reference: as pairs, or as groups.
fn judge<A, R>(windows: &Windows<A, R>, rules: Rules, history: &History)
where
    A: WindowAssigner<Side>,
    R: TriggerFor<A::Kind, Side>,
{
    let Played { input, output, late } = play(rules, history);
    let input = each_record(input, |(key, value), time| vec![rec_at((key, side_of(value)), time)]);
    let late_of = |of_left| {
        let is_asked = move |value| is_left(value) == of_left;
        each_record(late.clone(), move |value, time| if is_asked(value) { vec![rec_at(value, time)] } else { vec![] })
    };
    let (late_left, late_right) = (late_of(true), late_of(false));
    if history.variant.lists {
        let groups = each_record(output, |(key, window, sum), time| {
            let (left, right) = parted(sum);
            vec![rec_at((key, window, left.iter().sum(), right.iter().sum()), time)]
        });
        let case = windows.groups().seed(history.seed).input(input);
        case.expect_side(&windows.late.0, late_left).expect_side(&windows.late.1, late_right).expect(groups);
    } else {
        let pairs = each_record(output, |(_, _, sum), time| {
            let (left, right) = parted(sum);
            left.iter().flat_map(|left| right.iter().map(move |right| rec_at((*left, *right), time))).collect()
        });
        let case = windows.pairs(KeepAll).seed(history.seed).input(input);
        case.expect_side(&windows.late.0, late_left).expect_side(&windows.late.1, late_right).expect(pairs);
    }
}

/// Judges windows of one kind in the history's variant.
fn check<A, R>(assigner: A, trigger: R, cut: Cut, fire: Fire, history: &History)
where
    A: WindowAssigner<Side>,
    R: TriggerFor<A::Kind, Side>,
    Purging<R>: TriggerFor<A::Kind, Side>,
    Undisclosed<R>: TriggerFor<A::Kind, Side>,
{
    let Variant { purging, is_asked, lateness, .. } = history.variant;
    let rules = Rules { cut, time: history.variant.time(), fire, purging };
    let lateness = lateness.unwrap_or_default().millis();
    match (purging, is_asked) {
        (true, _) => judge(&Windows::new(assigner, Purging::of(trigger)).lateness(lateness), rules, history),
        (false, true) => judge(&Windows::new(assigner, Undisclosed(trigger)).lateness(lateness), rules, history),
        (false, false) => judge(&Windows::new(assigner, trigger).lateness(lateness), rules, history),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn joins_in_tumbling_windows_are_those_of_the_reference(history in histories(), size in 1i64..25) {
        let (cut, assigner) = (Cut::Tumbling { size, offset: 0 }, Tumbling::of(size.millis()));
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn joins_in_sliding_windows_are_those_of_the_reference(
        history in histories(), size in 1i64..25, slide in 1i64..25,
    ) {
        let (cut, assigner) = (Cut::Sliding { size, slide, offset: 0 }, Sliding::of(size.millis(), slide.millis()));
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn joins_in_sessions_are_those_of_the_reference(history in histories(), gap in 1i64..15) {
        let (cut, assigner) = (Cut::Session { gap }, Session::with_gap(gap.millis()));
        match history.variant.time() {
            Time::Event { .. } => check(assigner, EventTime, cut, Fire::AtTheEnd, &history),
            Time::Processing => check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history),
        }
    }

    #[test]
    fn joins_in_windows_of_an_assigner_of_a_user_are_those_of_the_reference(
        mut history in histories(), length in 1i64..25, more in 1i64..25,
    ) {
        history.variant.lateness.get_or_insert(3);
        let lengths = [length, length + more];
        check(Several(lengths), EventTime, Cut::Several { lengths }, Fire::AtTheEnd, &history);
    }

    #[test]
    fn joins_in_the_global_window_are_those_of_the_reference(
        mut history in histories(), every in 1u64..6, ends in any::<bool>(),
    ) {
        history.variant.lateness = Some(0);
        if ends {
            check(Global, EndOfStream, Cut::Global, Fire::AtTheEnd, &history);
        } else {
            check(Global, Count::of(every), Cut::Global, Fire::WithEvery(every), &history);
        }
    }
}

fn left(value: i64, millis: i64) -> Element<(String, Side)> {
    rec_at(("k".to_owned(), Either::Left(value)), millis)
}

fn right(value: i64, millis: i64) -> Element<(String, Side)> {
    rec_at(("k".to_owned(), Either::Right(value)), millis)
}

#[test]
fn late_record_lets_all_pairs_of_its_window_come_again() {
    let windows = Windows::new(Tumbling::of(10.millis()), EventTime).lateness(5.millis());
    windows
        .pairs(KeepAll)
        .input([left(1, 0), right(2, 1), watermark(9), right(3, 2), watermark(14), left(4, 3), end()])
        .expect_side(&windows.late.0, [rec_at(4, 3)])
        .expect([rec_at((1, 2), 9), watermark(9), rec_at((1, 2), 9), rec_at((1, 3), 9), watermark(14), end()]);
}

#[test]
fn trigger_decides_when_records_are_paired() {
    Windows::new(Tumbling::of(10.millis()), Count::of(3))
        .pairs(KeepAll)
        .input([left(1, 0), left(2, 1), right(3, 2), right(4, 3), watermark(9), end()])
        .expect([rec_at((1, 3), 9), rec_at((2, 3), 9), watermark(9), end()]);
}

#[test]
fn evictor_counts_the_records_of_both_streams() {
    Windows::new(Tumbling::of(10.millis()), EventTime)
        .pairs(Evicting(LastRecords::of(3)))
        .input([left(1, 0), right(2, 1), left(3, 2), right(4, 3), end()])
        .expect([rec_at((3, 2), 9), rec_at((3, 4), 9), end()]);
}

#[test]
fn many_pairs_come_in_the_order_of_their_records_in_front_of_the_watermark() {
    let windows = Windows::new(Tumbling::of(1_000.millis()), EventTime);
    let records = (0..40).flat_map(|number| [right(number, 999 - number), left(number, number)]);
    let pairs = (0..40).flat_map(|left| (0..40).map(move |right| rec_at((left, right), 999)));
    windows.pairs(KeepAll).input(records.chain([end()])).expect(pairs.chain([end()]));
}

#[test]
fn each_record_may_let_many_pairs_come() {
    let windows = Windows::new(Global, Count::of(1));
    let records = (0..12).flat_map(|number| [left(number, number), right(number, number)]);
    let with_left = |number| (0..=number).flat_map(move |left| (0..number).map(move |right| (left, right)));
    let with_right = |number| (0..=number).flat_map(move |left| (0..=number).map(move |right| (left, right)));
    let pairs = (0..12).flat_map(|number| with_left(number).chain(with_right(number)));
    let last = i64::MAX;
    windows.pairs(KeepAll).input(records).expect(pairs.map(|pair| rec_at(pair, last)));
}

#[test]
fn window_of_the_clock_that_has_fired_without_a_key_does_not_fire_with_it_because_of_a_restore() {
    // The last record comes in the millisecond that ends a window, behind that end; its key has older panes near and far,
    // noted down in the same row and in others.
    for (first, last) in (0..30).step_by(5).flat_map(|first| (18..48).step_by(3).map(move |last| (first, last))) {
        let (first, other) = (first.min(last), first.max(10).min(last));
        let element = |key, value, time| Step::Element { key, value, time };
        let steps = vec![
            Step::Advance(first),
            element(1, 1, first),
            Step::Advance(other),
            element(2, 4, other),
            Step::Advance(last),
            element(1, 16, last),
            Step::Advance(i64::MAX),
        ];
        let variant = Variant { purging: false, is_asked: false, lists: true, lateness: None };
        let (cut, assigner) = (Cut::Sliding { size: 16, slide: 3, offset: 0 }, Sliding::of(16.millis(), 3.millis()));
        let history = History { steps, seed: 0, variant };
        check(assigner.processing_time(), ProcessingTime, cut, Fire::AtTheEnd, &history);
    }
}
