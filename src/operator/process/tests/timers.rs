//! Timers of functions, played through in every mode.

use millstream_actors::time::{Timespan, Timestamp};

use crate::error::Result;
use crate::model::Record;
use crate::operator::{Emit, KeyContext, KeyedProcess, TimeKind, Timer};
use crate::testing::harness::{Element, OperatorHarness, end, processing_time, rec, rec_at, watermark};

/// Registers what it hears as timers, of event time if they are at least 1000, and says key and time of what fires. A timer
/// whose time ends with 7 is registered again, ten later, when it fires.
struct Clocks;

fn kind_of(millis: i64) -> TimeKind {
    if millis >= 1_000 { TimeKind::Event } else { TimeKind::Processing }
}

impl KeyedProcess<char, i64> for Clocks {
    type Out = (char, i64);

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<i64>,
        context: &mut KeyContext<'_, char>,
        _out: &mut E,
    ) -> Result<()> {
        let millis = record.value.abs();
        let time = Timestamp::from_millis(millis);
        match (kind_of(millis), record.value < 0) {
            (TimeKind::Event, false) => context.register_event_timer(time),
            (TimeKind::Event, true) => context.delete_event_timer(time),
            (TimeKind::Processing, false) => context.register_processing_timer(time),
            (TimeKind::Processing, true) => context.delete_processing_timer(time),
        }
    }

    fn on_timer<E: Emit<Self::Out>>(
        &mut self,
        timer: Timer,
        context: &mut KeyContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        assert_eq!((timer.time, timer.kind), (context.time(), kind_of(timer.time.as_millis())));
        out.emit(Record::at((*context.key(), timer.time.as_millis()), timer.time))?;
        if timer.time.as_millis() % 10 == 7 {
            context.register_event_timer(timer.time + Timespan::from_millis(10))?;
        }
        Ok(())
    }
}

fn case(
    input: impl IntoIterator<Item = Element<(char, i64)>>,
    expected: impl IntoIterator<Item = Element<(char, i64)>>,
) {
    OperatorHarness::process(|_| Ok(Clocks)).input(input).allow_late().in_any_order().expect(expected);
}

#[test]
fn t1_timer_that_is_registered_twice_fires_once_in_every_mode() {
    let input = [rec(('a', 1_010)), rec(('a', 1_010)), watermark(1_009), watermark(1_010), watermark(1_011)];
    case(input, [watermark(1_009), rec_at(('a', 1_010), 1_010), watermark(1_010), watermark(1_011)]);
}

#[test]
fn t2_timers_fire_with_their_keys_in_every_mode() {
    let input = [rec(('a', 1_010)), rec(('b', 1_010)), watermark(1_010)];
    case(input, [rec_at(('a', 1_010), 1_010), rec_at(('b', 1_010), 1_010), watermark(1_010)]);
}

#[test]
fn event_timer_that_is_registered_late_waits_for_the_next_watermark() {
    let input = [watermark(2_000), rec(('a', 1_010)), watermark(2_001)];
    case(input, [watermark(2_000), rec_at(('a', 1_010), 1_010), watermark(2_001)]);
}

#[test]
fn timer_that_is_registered_by_a_timer_and_is_due_fires_with_it() {
    let again = [1_007, 1_017, 1_027].map(|time| rec_at(('a', time), time));
    case([rec(('a', 1_007)), watermark(1_030)], again.into_iter().chain([watermark(1_030)]));
}

#[test]
fn deleted_timers_do_not_fire_and_deleting_none_is_nothing() {
    let input =
        [rec(('a', 1_010)), rec(('a', -1_010)), rec(('b', -1_020)), rec(('a', 5)), rec(('a', -5)), processing_time(9)];
    case(input.into_iter().chain([watermark(1_100), end()]), [watermark(1_100), end()]);
}

#[test]
fn processing_timers_fire_with_the_clock_and_overdue_ones_at_once() {
    let input = [rec(('a', 5)), processing_time(4), processing_time(5), rec(('b', 3)), rec(('c', 900)), end()];
    case(input, [rec_at(('a', 5), 5), rec_at(('b', 3), 3), end()]);
}

#[test]
fn the_end_of_the_input_fires_event_timers_and_drops_those_of_the_clock() {
    let input = [rec(('a', 5)), rec(('a', 4_000)), rec(('b', 3_000)), end()];
    case(input, [rec_at(('b', 3_000), 3_000), rec_at(('a', 4_000), 4_000), end()]);
}

/// Says of each record whether it is behind the watermark.
struct Lateness;

impl KeyedProcess<char, i64> for Lateness {
    type Out = bool;

    fn on_record<E: Emit<bool>>(
        &mut self,
        record: Record<i64>,
        context: &mut KeyContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        out.emit(Record::new(record.time <= context.watermark()))
    }
}

#[test]
fn record_behind_the_watermark_is_behind_it_in_every_mode() {
    OperatorHarness::process(|_| Ok(Lateness))
        .input([rec_at(('a', 0), 5), watermark(10), rec_at(('a', 0), 10), rec_at(('b', 0), 11)])
        .expect([rec(false), watermark(10), rec(true), rec(false)]);
}
