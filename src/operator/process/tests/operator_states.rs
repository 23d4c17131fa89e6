//! Functions over whole streams: their states, when they let go what they hold, and which declarations are refused.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::Record;
use crate::operator::{BroadcastState, Emit, OperatorList, OperatorStates, StreamContext, StreamProcess, UnionList};
use crate::testing::harness::{Mode, OperatorHarness, end, rec, rec_at, watermark};

/// Puts records into the order of their times; those without time wait for the end.
struct Sorted {
    waiting: OperatorList<Record<u64>>,
}

impl Sorted {
    fn open(states: &mut OperatorStates<'_>) -> Result<Self> {
        Ok(Self { waiting: states.list("waiting")? })
    }
}

impl StreamProcess<u64> for Sorted {
    type Out = u64;

    fn on_record<E: Emit<u64>>(
        &mut self,
        record: Record<u64>,
        context: &mut StreamContext<'_>,
        _out: &mut E,
    ) -> Result<()> {
        context.list(self.waiting).push(record);
        Ok(())
    }

    fn on_watermark<E: Emit<u64>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        assert_eq!(context.time(), context.watermark());
        let watermark = context.watermark();
        let is_due = |record: &mut Record<u64>| record.time.is_some() && record.time <= watermark;
        let mut due = context.list(self.waiting).extract_if(.., is_due).collect::<Vec<_>>();
        due.sort_by_key(|record| record.time);
        due.into_iter().try_for_each(|record| out.emit(record))
    }

    fn on_end<E: Emit<u64>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        context.list(self.waiting).drain(..).try_for_each(|record| out.emit(record))
    }
}

#[test]
fn what_waits_in_a_list_goes_before_the_watermark_and_before_the_end() {
    OperatorHarness::process_stream(Sorted::open)
        .input([rec_at(3, 30), rec_at(1, 10), rec(9), watermark(9), rec_at(2, 20), watermark(20), rec(8), end()])
        .expect([
            watermark(9),
            rec_at(1, 10),
            rec_at(2, 20),
            watermark(20),
            rec_at(3, 30),
            watermark(i64::MAX),
            rec(9),
            rec(8),
            end(),
        ]);
}

/// Remembers everything it hears, in all ways, and says all of it.
struct Memory {
    list: OperatorList<u64>,
    union: UnionList<u64>,
    map: BroadcastState<u64, u64>,
}

impl Memory {
    fn open(states: &mut OperatorStates<'_>) -> Result<Self> {
        Ok(Self {
            list: states.list("list")?,
            union: states.union_list("union", |all| all)?,
            map: states.broadcast("map")?,
        })
    }
}

impl StreamProcess<u64> for Memory {
    type Out = (Vec<u64>, Vec<u64>, BTreeMap<u64, u64>);

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<u64>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        let number = record.value;
        context.list(self.list).push(number);
        context.union_list(self.union).push(10 * number);
        *context.broadcast(self.map).entry(number % 2).or_default() += number;
        let (list, union) = (context.list(self.list).clone(), context.union_list(self.union).clone());
        out.emit(Record::new((list, union, context.broadcast(self.map).clone())))
    }
}

#[test]
fn states_of_a_subtask_come_back_in_every_mode() {
    OperatorHarness::process_stream(Memory::open).input([rec(1), rec(2), rec(3)]).expect([
        rec((vec![1], vec![10], BTreeMap::from([(1, 1)]))),
        rec((vec![1, 2], vec![10, 20], BTreeMap::from([(0, 2), (1, 1)]))),
        rec((vec![1, 2, 3], vec![10, 20, 30], BTreeMap::from([(0, 2), (1, 4)]))),
    ]);
}

/// Expects an error when a function that declared `before` is restored as one that declares `after`.
fn refused_after(
    before: fn(&mut OperatorStates<'_>) -> Result<OperatorList<Record<u64>>>,
    after: fn(&mut OperatorStates<'_>) -> Result<OperatorList<Record<u64>>>,
    part: &str,
) {
    // Each mode begins with a first opening, which has nothing to restore.
    let open = move |states: &mut OperatorStates<'_>| {
        let is_first = states.subtask().restored.is_none();
        Ok(Sorted { waiting: if is_first { before(states)? } else { after(states)? } })
    };
    let reason = "nothing is restored";
    let case = OperatorHarness::process_stream(open).input([rec(1), rec(2)]);
    let without = [Mode::Stepwise, Mode::Batched, Mode::Snapshot, Mode::Crowded, Mode::Interrupted, Mode::Mixed];
    without.into_iter().fold(case, |case, mode| case.except(mode, reason)).expect_error(part);
}

#[test]
fn name_that_is_used_twice_is_refused() {
    let open = |states: &mut OperatorStates<'_>| {
        states.union_list::<u64>("waiting", |all| all)?;
        Sorted::open(states)
    };
    let twice = "function: two states are called 'waiting': give each a name of its own";
    OperatorHarness::process_stream(open).input([rec(1)]).expect_error(twice);
}

#[test]
fn state_that_is_not_declared_any_more_is_refused_and_so_is_one_of_another_kind() {
    let undeclared = "the checkpoint has its state 'waiting', but none of that name is declared: give it back";
    refused_after(|states| states.list("waiting"), |states| states.list("held back"), undeclared);
    let other_kind = "the state 'waiting' is a union list in the checkpoint, and declared as a list: rename it";
    refused_after(
        |states| states.union_list::<u64>("waiting", |all| all).and(states.list("other")),
        |states| states.list("waiting"),
        other_kind,
    );
}
