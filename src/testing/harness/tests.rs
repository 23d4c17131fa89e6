//! The harness itself: what it accepts, and what it complains about.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::error::Result;
use crate::metrics::FILTERED;
use crate::model::{Keyed, Record};
use crate::operator::{
    After, Emission, Emit, Event, Filter, Fold, Map, Operator, PartVisitor, SideEmitter, SideOutput, StateKind,
    SubtaskContext,
};
use crate::state::Table;
use millstream_actors::time::{TimeSignal, Timestamp};

fn message_of(case: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(case)).expect_err("the case must fail");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Counts records in a variable that is in no snapshot.
struct Forgetful {
    count: u64,
}

impl Operator for Forgetful {
    type In = &'static str;
    type Out = u64;

    fn on_record<E: Emit<u64>>(&mut self, record: Record<&'static str>, out: &mut E) -> Result<()> {
        self.count += 1;
        out.emit(record.with(self.count))
    }
}

#[test]
fn output_is_compared_with_its_watermarks_and_its_end() {
    let doubled = || OperatorHarness::plain(|_| Ok(Map::new(|n: u64| n * 2)));
    let input = [rec(1), rec_at(2, 5), watermark(9), idle(), active(), rec_at(3, 10), end()];
    doubled().input(input.clone()).expect([rec(2), rec_at(4, 5), watermark(9), idle(), active(), rec_at(6, 10), end()]);
    let message = message_of(|| doubled().input(input).expect([rec(2), rec_at(4, 5), watermark(8)]));
    assert!(message.contains("expected watermark 8, found watermark 9 at element 2"), "{message}");
}

#[test]
fn operator_that_forgets_is_found_by_restoring_it() {
    let case = || OperatorHarness::plain(|_| Ok(Forgetful { count: 0 })).input([rec("a"), rec("b")]);
    let message = message_of(|| case().expect([rec(1), rec(2)]));
    assert!(message.starts_with("mode restored, seed "), "{message}");
    assert!(message.contains("expected 2, found 1 at element 1 of the input (\"b\")"), "{message}");
    let reason = "its count is lost on purpose";
    case()
        .except(Mode::Restored, reason)
        .except(Mode::Evicted, reason)
        .except(Mode::Mixed, reason)
        .expect([rec(1), rec(2)]);
}

#[test]
fn keyed_state_comes_back_in_every_mode() {
    OperatorHarness::keyed(|context| Ok(Fold::new(context.table("sums")?, 0, |sum: &mut u64, n: u64| *sum += n)))
        .input([rec(('a', 1)), rec(('b', 2)), watermark(1), rec(('a', 3)), rec(('b', 4)), rec(('a', 5)), end()])
        .expect([rec(('a', 1)), rec(('b', 2)), watermark(1), rec(('a', 4)), rec(('b', 6)), rec(('a', 9)), end()]);
}

#[test]
fn counts_are_compared_and_survive_restoring() {
    let open = |context: &mut SubtaskContext| Ok(Filter::new(|n: &u64| *n > 1, context.counter(FILTERED)));
    let case = || OperatorHarness::plain(open).input([rec(1), rec(2), rec(0)]);
    case().expect_counters([(FILTERED, 2)]).expect([rec(2)]);
    let message = message_of(|| case().expect_counters([]).expect([rec(2)]));
    assert!(message.contains("expected the counts"), "{message}");
}

/// Puts odd numbers aside.
struct Parity {
    odd: SideEmitter<u64>,
}

impl Operator for Parity {
    type In = u64;
    type Out = u64;

    fn on_record<E: Emit<u64>>(&mut self, record: Record<u64>, out: &mut E) -> Result<()> {
        if record.value.is_multiple_of(2) {
            return out.emit(record);
        }
        self.odd.emit(record);
        Ok(())
    }
}

#[test]
fn side_outputs_are_compared() {
    let odd = SideOutput::new("odd");
    let side = odd.clone();
    let case = move || {
        let side = side.clone();
        OperatorHarness::plain(move |context| Ok(Parity { odd: context.side(&side) })).input([rec(1), rec(2), rec(3)])
    };
    case().expect_side(&odd, [rec(1), rec(3)]).expect([rec(2)]);
    let message = message_of(|| case().expect_side(&odd, [rec(1)]).expect([rec(2)]));
    assert!(message.contains("side output 'odd' has"), "{message}");
}

/// Emits a record for each millisecond that a watermark has advanced, some per call.
struct Ticks {
    said: i64,
    until: i64,
}

impl Operator for Ticks {
    type In = ();
    type Out = i64;

    fn on_record<E: Emit<i64>>(&mut self, _: Record<()>, _: &mut E) -> Result<()> {
        Ok(())
    }

    fn on_signal<E: Emit<i64>>(&mut self, signal: TimeSignal, _: &mut E) -> Result<()> {
        if let TimeSignal::Watermark(at) = signal {
            self.until = at.as_millis();
        }
        Ok(())
    }

    fn on_event<E: Emit<i64>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        if let Event::Resume { at_most } = event {
            let next = self.said.saturating_add(at_most as i64).min(self.until);
            (self.said + 1..=next).try_for_each(|at| out.emit(Record::at(at, Timestamp::from_millis(at))))?;
            self.said = next;
            if self.said == self.until {
                out.signal(TimeSignal::Watermark(Timestamp::from_millis(self.until)))?;
            }
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.emission(After::Events, &mut || {
            if self.said < self.until { Emission::Unfinished } else { Emission::Complete }
        });
        visitor.small_state("ticks", StateKind::split("said"), &mut |said| said.put(&self.said));
    }
}

#[test]
fn unfinished_operator_goes_on_until_it_is_done() {
    let open = |context: &mut SubtaskContext| {
        let said = context.restored_state("ticks", StateKind::split("said"))?.into_iter().next().unwrap_or(0);
        Ok(Ticks { said, until: said })
    };
    OperatorHarness::plain(open).input([watermark(2), rec(()), watermark(5)]).expect([
        rec_at(1, 1),
        rec_at(2, 2),
        watermark(2),
        rec_at(3, 3),
        rec_at(4, 4),
        rec_at(5, 5),
        watermark(5),
    ]);
}

/// Breaks the grammar of a channel.
struct Offender;

impl Operator for Offender {
    type In = &'static str;
    type Out = &'static str;

    fn on_record<E: Emit<&'static str>>(&mut self, record: Record<&'static str>, out: &mut E) -> Result<()> {
        out.emit(Record::at(record.value, Timestamp::from_millis(0)))
    }

    fn on_signal<E: Emit<&'static str>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        if signal == TimeSignal::Watermark(Timestamp::MAX) { Ok(()) } else { out.signal(signal) }
    }
}

#[test]
fn grammar_of_the_output_is_checked() {
    let case = || OperatorHarness::plain(|_| Ok(Offender));
    let message = message_of(|| case().input([watermark(1), rec("late")]).expect([]));
    assert!(message.contains("emits a record at 0 behind watermark 1, at element 1"), "{message}");
    case().input([watermark(1), rec("late")]).allow_late().expect([watermark(1), rec_at("late", 0)]);
    let message = message_of(|| case().input([end()]).expect([end()]));
    assert!(message.contains("keeps back that event time is over"), "{message}");
    case().input([end()]).expect_error("keeps back");
}

/// Hands records on in pairs, the second first.
struct Swaps {
    held: Option<Record<u64>>,
}

impl Operator for Swaps {
    type In = u64;
    type Out = u64;

    fn on_record<E: Emit<u64>>(&mut self, record: Record<u64>, out: &mut E) -> Result<()> {
        match self.held.take() {
            None => self.held = Some(record),
            Some(first) => {
                out.emit(record)?;
                out.emit(first)?;
            }
        }
        Ok(())
    }
}

#[test]
fn records_of_one_time_may_be_expected_in_any_order() {
    let case = || {
        let reason = "what it holds is in no snapshot";
        let harness = OperatorHarness::plain(|_| Ok(Swaps { held: None }));
        [Mode::Restored, Mode::Evicted, Mode::Mixed].into_iter().fold(harness, |case, mode| case.except(mode, reason))
    };
    case().input([rec(1), rec(2)]).in_any_order().expect([rec(1), rec(2)]);
    let message =
        message_of(|| case().input([rec_at(1, 1), rec_at(2, 2)]).in_any_order().expect([rec_at(1, 1), rec_at(2, 2)]));
    assert!(message.contains("expected 1 at 1, found 2 at 2"), "{message}");
}

/// Waits for processing time that has come, and does nothing with it.
struct Stubborn;

impl Operator for Stubborn {
    type In = Keyed<u8, u8>;
    type Out = u8;

    fn on_record<E: Emit<u8>>(&mut self, _: Record<Keyed<u8, u8>>, _: &mut E) -> Result<()> {
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.due(&mut || Ok(Some(Timestamp::from_millis(7))));
    }
}

#[test]
fn operator_that_makes_no_progress_fails() {
    let open = |_: &mut SubtaskContext| Ok(Stubborn);
    OperatorHarness::keyed(open).input([processing_time(6), rec((1, 1))]).expect([]);
    OperatorHarness::keyed(open).input([processing_time(7)]).expect_error("does nothing with 7");
    OperatorHarness::keyed(open).input([processing_time(5), processing_time(4)]).expect_error("goes back");
}

/// Opens a table and a small state, and lists the table only if it is told to, the small state as often as it is told to.
struct Unlisted {
    counts: Table<u8, u64>,
    lists_counts: bool,
    lists_said: usize,
}

impl Operator for Unlisted {
    type In = Keyed<u8, u8>;
    type Out = u8;

    fn on_record<E: Emit<u8>>(&mut self, record: Record<Keyed<u8, u8>>, _: &mut E) -> Result<()> {
        let Keyed { hash, key, .. } = record.value;
        *self.counts.get_or_insert_with(hash, &key, || 0)? += 1;
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        if self.lists_counts {
            visitor.tables(&mut self.counts);
        }
        for _ in 0..self.lists_said {
            visitor.small_state("counts", StateKind::split("said"), &mut |said| said.put(&0u8));
        }
    }
}

#[test]
fn state_that_would_be_in_no_checkpoint_is_refused_when_the_operator_opens() {
    let case = |lists_counts, lists_said| {
        let open = move |context: &mut SubtaskContext| {
            Ok(Unlisted { counts: context.table("counts")?, lists_counts, lists_said })
        };
        OperatorHarness::keyed(open).input([rec((1, 1))])
    };
    case(true, 1).expect([]);
    case(false, 1).expect_error("counts: opens this table, but does not list it among its parts");
    case(true, 2).expect_error("counts: lists its small state 'said' twice");
}
