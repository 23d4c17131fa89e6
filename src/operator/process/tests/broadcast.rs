//! Functions that hear broadcast records: what they see of the broadcast maps, and of all keys.

use std::collections::BTreeMap;

use millstream_actors::time::Timestamp;

use super::clerk::{Clerk, Do};
use crate::error::Result;
use crate::model::Record;
use crate::operator::{
    BroadcastProcess, BroadcastState, BroadcastStates, Either, Emit, KeyContext, KeyedBroadcastContext,
    KeyedBroadcastProcess, KeyedProcess, OperatorList, OperatorStates, ReadOnlyContext, StreamContext, Timer,
};
use crate::testing::harness::{Element, OperatorHarness, end, rec, rec_at, watermark};
use Either::{Left, Right};

/// A clerk with factors, by name, that are broadcast: what it says is multiplied by them.
struct Office {
    clerk: Clerk,
    factors: BroadcastState<char, u64>,
}

/// What the office is told.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Factor(char, u64),
    /// Says the sum of each kind of state, of each key.
    Sums,
    /// Forgets the value of each key that is at least so much.
    ForgetAbove(u64),
}

/// Key, and what is said of it.
type Said = (char, Vec<u64>);

impl Office {
    fn open(states: &mut BroadcastStates<'_, char>) -> Result<Self> {
        Ok(Self { clerk: Clerk::open(&mut states.keyed())?, factors: states.broadcast("factors")? })
    }
}

impl KeyedBroadcastProcess<char, Do, Rule> for Office {
    type Out = Said;

    fn on_record<E: Emit<Said>>(
        &mut self,
        record: Record<Do>,
        context: &mut KeyContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        let (factor, time) = (context.broadcast(self.factors).values().product::<u64>(), record.time);
        let mut says = Vec::new();
        self.clerk.on_record(record, context, &mut says)?;
        context.register_event_timer(Timestamp::from_millis(100))?;
        for said in says {
            let numbers = said.value.iter().map(|number| factor * number).collect();
            out.emit(Record { value: (*context.key(), numbers), time })?;
        }
        Ok(())
    }

    fn on_broadcast<E: Emit<Said>>(
        &mut self,
        record: Record<Rule>,
        context: &mut KeyedBroadcastContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        let Clerk { value, map, list, highest, average } = self.clerk;
        match record.value {
            Rule::Factor(name, factor) => {
                context.broadcast(self.factors).insert(name, factor);
            }
            Rule::ForgetAbove(limit) => {
                context.for_each_key(value, |_, mut value| {
                    if value.get()?.is_some_and(|value| *value >= limit) {
                        value.take()?;
                    }
                    Ok(())
                })?;
            }
            Rule::Sums => {
                let mut sums = BTreeMap::<char, Vec<u64>>::new();
                let mut say = |key: &char, sum: u64| -> Result<()> {
                    sums.entry(*key).or_default().push(sum);
                    Ok(())
                };
                context.for_each_key(value, |key, mut value| say(key, value.get()?.copied().unwrap_or_default()))?;
                context.for_each_key(map, |key, mut map| say(key, map.entries()?.map(|(_, number)| number).sum()))?;
                context.for_each_key(list, |key, mut list| say(key, list.elements()?.sum()))?;
                context.for_each_key(highest, |key, mut top| say(key, top.get()?.copied().unwrap_or_default()))?;
                context.for_each_key(average, |key, mut mean| say(key, mean.get()?.unwrap_or_default() as u64))?;
                sums.into_iter().try_for_each(|sums| out.emit(Record::new(sums)))?;
            }
        }
        Ok(())
    }

    fn on_timer<E: Emit<Said>>(&mut self, timer: Timer, context: &mut KeyContext<'_, char>, out: &mut E) -> Result<()> {
        let factors = context.broadcast(self.factors).values().copied().collect();
        out.emit(Record::at((*context.key(), factors), timer.time))
    }
}

fn office(
    input: impl IntoIterator<Item = Element<Either<(char, Do), Rule>>>,
    says: impl IntoIterator<Item = Element<Said>>,
) {
    OperatorHarness::process_keyed_broadcast(Office::open).input(input).in_any_order().expect(says);
}

#[test]
fn records_of_keys_read_what_was_broadcast_before_them() {
    let input = [
        rec(Left(('a', Do::Add(3)))),
        rec(Left(('a', Do::Value))),
        rec(Right(Rule::Factor('x', 10))),
        rec(Left(('a', Do::Value))),
        rec(Right(Rule::Factor('y', 2))),
        rec(Left(('b', Do::Add(1)))),
        rec(Left(('b', Do::Value))),
        rec(Right(Rule::Factor('x', 1))),
        rec(Left(('a', Do::Value))),
    ];
    office(input, [rec(('a', vec![3])), rec(('a', vec![30])), rec(('b', vec![20])), rec(('a', vec![6]))]);
}

#[test]
fn timers_read_what_was_broadcast_before_they_fire() {
    let input = [
        rec(Left(('a', Do::Add(3)))),
        rec(Right(Rule::Factor('x', 10))),
        rec(Left(('b', Do::Add(3)))),
        watermark(99),
        rec(Right(Rule::Factor('y', 2))),
        watermark(100),
        end(),
    ];
    let fired = |key| rec_at((key, vec![10, 2]), 100);
    office(input, [watermark(99), fired('a'), fired('b'), watermark(100), end()]);
}

#[test]
fn broadcast_record_sees_and_changes_the_states_of_all_keys() {
    let told = [
        ('a', Do::Set(7)),
        ('b', Do::Set(3)),
        ('a', Do::Put('x', 1)),
        ('a', Do::Put('y', 2)),
        ('b', Do::Put('x', 5)),
        ('a', Do::Push(4)),
        ('a', Do::Push(4)),
        ('b', Do::Push(6)),
        ('a', Do::Raise(9)),
        ('b', Do::Raise(2)),
        ('a', Do::Weigh(4)),
        ('b', Do::Weigh(8)),
    ];
    let input = told.into_iter().map(|told| rec(Left(told))).chain([
        rec(Right(Rule::Sums)),
        rec(Right(Rule::ForgetAbove(5))),
        rec(Left(('a', Do::Value))),
        rec(Left(('b', Do::Value))),
    ]);
    let sums = [rec(('a', vec![7, 3, 8, 9, 4])), rec(('b', vec![3, 5, 6, 2, 8]))];
    office(input, sums.into_iter().chain([rec(('a', vec![])), rec(('b', vec![3]))]));
}

/// Holds numbers back until a rule lets their parity go; says at the end what never went.
struct Gate {
    open: BroadcastState<bool, u64>,
    waiting: OperatorList<u64>,
}

impl Gate {
    fn open(states: &mut OperatorStates<'_>) -> Result<Self> {
        Ok(Self { open: states.broadcast("open")?, waiting: states.list("waiting")? })
    }
}

impl BroadcastProcess<u64, bool> for Gate {
    type Out = u64;

    fn on_record<E: Emit<u64>>(
        &mut self,
        record: Record<u64>,
        context: &mut ReadOnlyContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        if context.broadcast(self.open).contains_key(&record.value.is_multiple_of(2)) {
            return out.emit(record);
        }
        context.list(self.waiting).push(record.value);
        Ok(())
    }

    fn on_broadcast<E: Emit<u64>>(
        &mut self,
        record: Record<bool>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        let even = record.value;
        *context.broadcast(self.open).entry(even).or_default() += 1;
        let freed = context.list(self.waiting).extract_if(.., |number| number.is_multiple_of(2) == even);
        freed.collect::<Vec<_>>().into_iter().try_for_each(|number| out.emit(Record::new(number)))
    }

    fn on_watermark<E: Emit<u64>>(&mut self, context: &mut ReadOnlyContext<'_>, out: &mut E) -> Result<()> {
        out.emit(Record::new(1_000 + context.list(self.waiting).len() as u64))
    }

    fn on_end<E: Emit<u64>>(&mut self, context: &mut ReadOnlyContext<'_>, out: &mut E) -> Result<()> {
        context.list(self.waiting).drain(..).try_for_each(|number| out.emit(Record::new(100 + number)))
    }
}

#[test]
fn what_waits_for_a_rule_goes_when_it_comes_and_at_the_end() {
    let input =
        [rec(Left(2)), rec(Left(3)), rec(Left(4)), watermark(5), rec(Right(true)), rec(Left(6)), rec(Left(5)), end()];
    OperatorHarness::process_broadcast(Gate::open).input(input).expect([
        rec(1_003),
        watermark(5),
        rec(2),
        rec(4),
        rec(6),
        rec(1_002),
        watermark(i64::MAX),
        rec(103),
        rec(105),
        end(),
    ]);
}
