//! Functions over whole streams, and their states per subtask: in whole jobs, under kills, and at a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::actors::error::FailureKind;
use millstream::model::Record;
use millstream::operator::{
    Emit, KeyContext, KeyedProcess, OperatorList, OperatorStates, States, StreamContext, StreamProcess, UnionList,
    ValueState,
};
use millstream::prelude::*;
use millstream::testing::{Mismatch, Script, Simulation, TopologyDriver};

use crate::rig::effort::seeds;

/// Puts numbers into parcels of three; at the end, what is left.
struct Parcels {
    open: OperatorList<u64>,
}

impl Parcels {
    fn open(states: &mut OperatorStates<'_>) -> Result<Self> {
        Ok(Self { open: states.list("open")? })
    }
}

impl StreamProcess<u64> for Parcels {
    type Out = Vec<u64>;

    fn on_record<E: Emit<Vec<u64>>>(
        &mut self,
        record: Record<u64>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        let open = context.list(self.open);
        open.push(record.value);
        if open.len() == 3 { out.emit(Record::new(std::mem::take(open))) } else { Ok(()) }
    }

    fn on_end<E: Emit<Vec<u64>>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        out.emit(Record::new(std::mem::take(context.list(self.open))))
    }
}

#[test]
fn each_number_is_in_one_parcel_whatever_dies() {
    let topology = Topology::new("parcels");
    topology
        .source("numbers", Collection::of(Vec::<u64>::new()))
        .rebalance()
        .process("parcels", Parcels::open)
        .collect("parcels out");
    let script = Script::records(0..200u64).beside(Script::records(200..350));
    let simulation = Simulation::new(topology, 0).input("numbers", script);
    let explored = simulation.kill_randomly(4).explore(seeds(0..40), |run| {
        let parcels = run.output::<Vec<u64>>("parcels out");
        let mut packed = parcels.concat();
        packed.sort_unstable();
        let mut numbers = run.input::<u64>("numbers");
        numbers.sort_unstable();
        let is_wrong = packed != numbers || parcels.iter().filter(|parcel| parcel.len() < 3).count() > 2;
        if is_wrong { Err(Mismatch::new(format!("{parcels:?}"))) } else { Ok(()) }
    });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

/// Notes down who has seen what, in a list of which each subtask learns that of all.
struct Seen {
    index: u32,
    keeps_all: bool,
    seen: UnionList<(u32, u64)>,
}

impl Seen {
    fn open(states: &mut OperatorStates<'_>, keeps_all: bool) -> Result<Self> {
        let index = states.subtask().index;
        let keep = |all: Vec<(u32, u64)>| all.into_iter().filter(|(of, _)| keeps_all || *of == index).collect();
        Ok(Self { index, keeps_all, seen: states.union_list("seen", keep)? })
    }
}

impl StreamProcess<u64> for Seen {
    type Out = (u32, u64);

    fn on_record<E: Emit<(u32, u64)>>(
        &mut self,
        record: Record<u64>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()> {
        let is_known =
            self.keeps_all && context.union_list(self.seen).iter().any(|(_, number)| *number == record.value);
        context.union_list(self.seen).push((self.index, record.value));
        if is_known { out.emit(Record::new((self.index, record.value))) } else { Ok(()) }
    }

    fn on_end<E: Emit<(u32, u64)>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        context.union_list(self.seen).drain(..).try_for_each(|seen| out.emit(Record::new(seen)))
    }
}

fn seen(keeps_all: bool) -> Topology {
    let topology = Topology::new("seen");
    topology
        .source("numbers", Collection::of(Vec::<u64>::new()))
        .process("seen", move |states| Seen::open(states, keeps_all))
        .collect("known");
    topology
}

#[test]
fn subtask_that_keeps_its_own_of_a_union_loses_and_doubles_nothing_whatever_dies() {
    let script = Script::records(0..150u64).beside(Script::records(150..300));
    let explored =
        Simulation::new(seen(false), 0).input("numbers", script).kill_randomly(4).explore(seeds(0..40), |run| {
            let mut found = run.output::<(u32, u64)>("known").into_iter().map(|(_, number)| number).collect::<Vec<_>>();
            found.sort_unstable();
            let mut expected = run.input::<u64>("numbers");
            expected.sort_unstable();
            if found == expected { Ok(()) } else { Err(Mismatch::new(format!("{found:?}"))) }
        });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

#[test]
fn every_subtask_begins_with_the_union_of_all() {
    let mut driver = TopologyDriver::with_parallelism(&seen(true), 2).expect("the plan has no mistake");
    // Lines go to the subtasks in turn, so each of the two has seen every second number.
    (0..6u64).for_each(|number| driver.push("numbers", number).expect("no operator fails"));
    assert_eq!(driver.output::<(u32, u64)>("known"), []);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.restore(&snapshot).expect("it can be restored");
    (0..6u64).for_each(|number| driver.push("numbers", number).expect("no operator fails"));
    // One more number, and the others go to the other subtask.
    [9u64].into_iter().chain(0..6).for_each(|number| driver.push("numbers", number).expect("no operator fails"));
    let known = driver.output::<(u32, u64)>("known");
    let by =
        |index: u32| known.iter().filter(|(of, _)| *of == index).map(|(_, number)| *number).collect::<BTreeSet<_>>();
    assert_eq!((by(0), by(1)), ((0..6).collect(), (0..6).collect()), "each knows what both have seen");
}

// ---- what is declared wrongly ----

struct Twice;

impl KeyedProcess<u64, u64> for Twice {
    type Out = u64;

    fn on_record<E: Emit<u64>>(
        &mut self,
        record: Record<u64>,
        _context: &mut KeyContext<'_, u64>,
        out: &mut E,
    ) -> Result<()> {
        out.emit(record)
    }
}

#[test]
fn function_with_two_states_of_one_name_ends_the_job_without_restarts() {
    let topology = Topology::new("twice");
    topology
        .source("numbers", Collection::of([1u64]))
        .key_by(|number| *number)
        .process("twice", |states: &mut States<'_, u64>| {
            let _: ValueState<u64> = states.value("count")?;
            let _: ValueState<u64> = states.value("count")?;
            Ok(Twice)
        })
        .discard("nowhere");
    let restarts = RestartPolicy::FixedDelay { attempts: None, delay: Duration::ZERO };
    let mut job = topology.start(JobOptions::new().parallelism(1).restart(restarts)).expect("the plan has no mistake");
    let error = job.wait().expect_err("a restart would find the same").to_string();
    assert!(error.contains("twice: two states are called 'count': give each a name of its own"), "{error}");
    assert_eq!(job.attempts().len(), 1);
    let kinds = job
        .attempts()
        .iter()
        .filter_map(|attempt| attempt.failure.as_ref().map(|failure| failure.kind))
        .collect::<Vec<_>>();
    assert_eq!(kinds, [FailureKind::Mistake]);
}
