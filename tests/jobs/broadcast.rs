//! Broadcast rules in whole jobs: every subtask hears all of them, once and in order, whatever dies.

use std::collections::{BTreeMap, BTreeSet};

use millstream::model::Record;
use millstream::operator::{
    BroadcastProcess, BroadcastState, BroadcastStates, Emit, KeyContext, KeyedBroadcastContext, KeyedBroadcastProcess,
    OperatorStates, ReadOnlyContext, ReducingState, StreamContext, Timer,
};
use millstream::plan::Exchange;
use millstream::prelude::*;
use millstream::testing::{Script, Simulation, TopologyDriver};

use crate::rig::effort::seeds;

/// Whose amount it is, and how much.
type Payment = (u64, u64);

/// What a ledger is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Notes something down.
    Note(u64),
    /// Pays out what each key has.
    PayOut,
}

/// What a ledger says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// What was paid out to a key.
    PaidOut(u64, u64),
    /// What a key has at the end, and all that was noted down.
    Closed(u64, u64, Vec<u64>),
}

/// Sums payments per key; orders go to all subtasks.
struct Ledger {
    sums: ReducingState<u64>,
    notes: BroadcastState<u64, u64>,
}

impl Ledger {
    fn open(states: &mut BroadcastStates<'_, u64>) -> Result<Self> {
        let sums = states.keyed().reducing("sums", |sum: &mut u64, amount| *sum += amount)?;
        Ok(Self { sums, notes: states.broadcast("notes")? })
    }
}

/// Behind every record of a test.
const CLOSING: Timestamp = Timestamp::MAX;

impl KeyedBroadcastProcess<u64, Payment, Order> for Ledger {
    type Out = Said;

    fn on_record<E: Emit<Said>>(
        &mut self,
        record: Record<Payment>,
        context: &mut KeyContext<'_, u64>,
        _out: &mut E,
    ) -> Result<()> {
        context.reducing(self.sums).add(record.value.1)?;
        context.register_event_timer(CLOSING)
    }

    fn on_broadcast<E: Emit<Said>>(
        &mut self,
        record: Record<Order>,
        context: &mut KeyedBroadcastContext<'_, u64>,
        out: &mut E,
    ) -> Result<()> {
        match record.value {
            Order::Note(note) => {
                // The number of a note says where it stands among all of them.
                let number = context.broadcast(self.notes).len() as u64;
                context.broadcast(self.notes).insert(number, note);
                Ok(())
            }
            Order::PayOut => context.for_each_key(self.sums, |key, mut sum| {
                sum.take()?.map_or(Ok(()), |sum| out.emit(Record::new(Said::PaidOut(*key, sum))))
            }),
        }
    }

    fn on_timer<E: Emit<Said>>(&mut self, _timer: Timer, context: &mut KeyContext<'_, u64>, out: &mut E) -> Result<()> {
        let sum = context.reducing(self.sums).get()?.copied().unwrap_or_default();
        let notes = context.broadcast(self.notes).values().copied().collect();
        out.emit(Record::new(Said::Closed(*context.key(), sum, notes)))
    }
}

fn ledger() -> Topology {
    let topology = Topology::new("ledger");
    let orders = topology.source("orders", Collection::of(Vec::<Order>::new()));
    topology
        .source("payments", Collection::of(Vec::<Payment>::new()))
        .key_by(|(key, _)| *key)
        .connect_broadcast(orders)
        .process("ledger", Ledger::open)
        .collect("said");
    topology
}

fn payments() -> Script<Payment> {
    let payment = |n: u64| (n % 13, n);
    Script::records((0..150).map(payment)).beside(Script::records((150..300).map(payment)))
}

fn totals(payments: &[Payment]) -> BTreeMap<u64, u64> {
    let mut totals = BTreeMap::new();
    payments.iter().for_each(|(key, amount)| *totals.entry(*key).or_default() += amount);
    totals
}

#[test]
fn every_subtask_has_heard_the_same_rules_in_their_order_whatever_dies() {
    let notes = (0..60).map(|n| Order::Note(7 * n % 41));
    let simulation = Simulation::new(ledger(), 0).input("payments", payments()).input("orders", Script::records(notes));
    let explored = simulation.options(|options| options.parallelism(3)).kill_randomly(4).explore(seeds(0..40), |run| {
        let notes = run.input::<Order>("orders").into_iter().map(|order| match order {
            Order::Note(note) => note,
            Order::PayOut => panic!("nothing is paid out here"),
        });
        let notes = notes.collect::<Vec<_>>();
        let totals = totals(&run.input::<Payment>("payments"));
        let closed = totals.into_iter().map(|(key, sum)| Said::Closed(key, sum, notes.clone()));
        run.check_output("said", &closed.collect::<Vec<_>>())
    });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

#[test]
fn what_a_rule_takes_from_all_keys_is_taken_once_whatever_dies() {
    let orders = (0..20).map(|n| if n % 4 == 3 { Order::PayOut } else { Order::Note(n) });
    let simulation =
        Simulation::new(ledger(), 0).input("payments", payments()).input("orders", Script::records(orders));
    let explored = simulation.kill_randomly(4).explore(seeds(0..40), |run| {
        let mut found = BTreeMap::<u64, u64>::new();
        for said in run.output::<Said>("said") {
            let (Said::PaidOut(key, sum) | Said::Closed(key, sum, _)) = said;
            *found.entry(key).or_default() += sum;
        }
        let expected = totals(&run.input::<Payment>("payments"));
        let wrong = || millstream::testing::Mismatch::new(format!("expected {expected:?}, found {found:?}"));
        if found == expected { Ok(()) } else { Err(wrong()) }
    });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

/// Lets words through that are on a list; each subtask says at the end which ones were.
struct Guests {
    index: u32,
    list: BroadcastState<String, u64>,
}

impl Guests {
    fn open(states: &mut OperatorStates<'_>) -> Result<Self> {
        Ok(Self { index: states.subtask().index, list: states.broadcast("list")? })
    }
}

impl BroadcastProcess<String, String> for Guests {
    type Out = (u32, String, u64);

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<String>,
        context: &mut ReadOnlyContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        match context.broadcast(self.list).get(&record.value) {
            Some(times) => out.emit(Record::new((self.index, record.value.clone(), *times))),
            None => Ok(()),
        }
    }

    fn on_broadcast<E: Emit<Self::Out>>(
        &mut self,
        record: Record<String>,
        context: &mut StreamContext<'_>,
        _out: &mut E,
    ) -> Result<()> {
        *context.broadcast(self.list).entry(record.value).or_default() += 1;
        Ok(())
    }

    fn on_end<E: Emit<Self::Out>>(&mut self, context: &mut ReadOnlyContext<'_>, out: &mut E) -> Result<()> {
        let entries = context.broadcast(self.list).iter();
        entries
            .map(|(name, times)| (self.index, name.clone(), *times))
            .try_for_each(|entry| out.emit(Record::new(entry)))
    }
}

fn guests(parallelism: u32) -> Topology {
    let topology = Topology::new("guests");
    let list = topology.source("list", Collection::of(Vec::<String>::new()));
    topology
        .source("words", Collection::of(Vec::<String>::new()))
        .connect_broadcast(list)
        .parallelism(parallelism)
        .process("guests", Guests::open)
        .collect("seen");
    topology
}

#[test]
fn rules_of_several_senders_reach_every_subtask_once_whatever_dies() {
    let name = |n: u64| format!("name {}", n % 9);
    let list = Script::records((0..40).map(name)).beside(Script::records((100..150).map(name)));
    let simulation = Simulation::new(guests(3), 0)
        .input("words", Script::records((0..50).map(|n| format!("stranger {n}"))))
        .input("list", list);
    let explored = simulation.kill_randomly(4).explore(seeds(0..40), |run| {
        let mut times = BTreeMap::<String, u64>::new();
        run.input::<String>("list").into_iter().for_each(|name| *times.entry(name).or_default() += 1);
        let of_subtask = |index: u32| times.iter().map(move |(name, times)| (index, name.clone(), *times));
        run.check_output("seen", &(0..3).flat_map(of_subtask).collect::<Vec<_>>())
    });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

#[test]
fn broadcast_maps_of_all_subtasks_come_back_from_a_snapshot() {
    let mut driver = TopologyDriver::with_parallelism(&guests(2), 2).expect("the plan has no mistake");
    let push = |driver: &mut TopologyDriver, uid: &str, name: &str| {
        driver.push(uid, name.to_owned()).expect("no operator fails");
    };
    push(&mut driver, "list", "Ann");
    push(&mut driver, "list", "Ann");
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    push(&mut driver, "list", "Bob");
    driver.restore(&snapshot).expect("it can be restored");
    for name in ["Ann", "Bob", "Ann", "Bob"] {
        push(&mut driver, "words", name);
    }
    let seen = driver.output::<(u32, String, u64)>("seen").into_iter().collect::<BTreeSet<_>>();
    let both = |name: &str| BTreeSet::from([(0, name.to_owned(), 2), (1, name.to_owned(), 2)]);
    assert!(!seen.is_empty() && seen.is_subset(&both("Ann")), "{seen:?}");
}

#[test]
fn plan_shows_which_input_is_broadcast() {
    let plan = ledger().plan_with(2).expect("the plan has no mistake");
    let ledger = plan.blocks.iter().position(|block| block.nodes[0].kind == "broadcast_process").expect("it is there");
    let mut inputs = plan.edges.iter().filter(|edge| edge.to == ledger).map(|edge| edge.exchange).collect::<Vec<_>>();
    inputs.sort_by_key(|exchange| *exchange == Exchange::Broadcast);
    assert_eq!(inputs, [Exchange::KeyGroup, Exchange::Broadcast]);
}
