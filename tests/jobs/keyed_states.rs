//! The kinds of state per key in whole jobs: nothing is lost or doubled by a death, and what lives for a time leaves in time.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::model::Record;
use millstream::operator::{
    AggregatingState, Emit, KeyContext, KeyedProcess, ListState, MapState, ReducingState, States, Timer, ValueState,
};
use millstream::prelude::*;
use millstream::state::{Ttl, TtlUpdate};
use millstream::testing::{Script, Simulation, TopologyDriver};

use crate::rig::effort::seeds;

/// Keeps the readings of a sensor in every way.
struct Archive {
    latest: ValueState<u64>,
    all: ListState<u64>,
    by_last_digit: MapState<u64, u64>,
    highest: ReducingState<u64>,
    sum: AggregatingState<u64, u64>,
}

/// Sensor and reading.
type Reading = (u64, u64);

/// A sensor, its latest reading, all of them, how many there are of each last digit, the highest one and the sum.
type Summary = (u64, u64, Vec<u64>, Vec<(u64, u64)>, u64, u64);

impl Archive {
    fn open(states: &mut States<'_, u64>) -> Result<Self> {
        Ok(Self {
            latest: states.value("latest")?,
            all: states.list("all")?,
            by_last_digit: states.map("by last digit")?,
            highest: states.reducing("highest", |highest: &mut u64, new| *highest = new.max(*highest))?,
            sum: states.aggregating("sum", Sum::of(|reading: &u64| *reading))?,
        })
    }
}

impl KeyedProcess<u64, Reading> for Archive {
    type Out = Summary;

    fn on_record<E: Emit<Summary>>(
        &mut self,
        record: Record<Reading>,
        context: &mut KeyContext<'_, u64>,
        _out: &mut E,
    ) -> Result<()> {
        let reading = record.value.1;
        context.value(self.latest).set(reading)?;
        context.list(self.all).push(reading)?;
        *context.map(self.by_last_digit).get_or_insert_with(&(reading % 10), || 0)? += 1;
        context.reducing(self.highest).add(reading)?;
        context.aggregating(self.sum).add(&record.with(reading))?;
        context.register_event_timer(Timestamp::MAX)
    }

    fn on_timer<E: Emit<Summary>>(
        &mut self,
        _timer: Timer,
        context: &mut KeyContext<'_, u64>,
        out: &mut E,
    ) -> Result<()> {
        let latest = context.value(self.latest).take()?.unwrap_or_default();
        let all = context.list(self.all).take()?;
        let digits = context.map(self.by_last_digit).entries()?.map(|(digit, times)| (*digit, *times)).collect();
        let highest = context.reducing(self.highest).take()?.unwrap_or_default();
        let sum = context.aggregating(self.sum).get()?.unwrap_or_default();
        out.emit(Record::new((*context.key(), latest, all, digits, highest, sum)))
    }
}

fn summary_of(sensor: u64, readings: Vec<u64>) -> Summary {
    let mut digits = BTreeMap::new();
    readings.iter().for_each(|reading| *digits.entry(reading % 10).or_default() += 1);
    let latest = readings.last().copied().unwrap_or_default();
    let (highest, sum) = (readings.iter().max().copied().unwrap_or_default(), readings.iter().sum());
    (sensor, latest, readings, digits.into_iter().collect(), highest, sum)
}

#[test]
fn states_of_every_kind_are_those_of_a_run_in_which_nothing_died() {
    let topology = Topology::new("archive");
    topology
        .source("readings", Collection::of(Vec::<Reading>::new()))
        .key_by(|(sensor, _)| *sensor)
        .process("archive", Archive::open)
        .collect("summaries");
    let script = Script::records((0..600u64).map(|n| (n % 5, 37 * n % 101)));
    let explored =
        Simulation::new(topology, 0).input("readings", script).kill_randomly(4).explore(seeds(0..40), |run| {
            let mut readings = BTreeMap::<u64, Vec<u64>>::new();
            for (sensor, reading) in run.input::<Reading>("readings") {
                readings.entry(sensor).or_default().push(reading);
            }
            let expected = readings.into_iter().map(|(sensor, readings)| summary_of(sensor, readings));
            run.check_output("summaries", &expected.collect::<Vec<_>>())
        });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

/// Sets the number of a session, or says what it is.
struct Sessions {
    number: ValueState<u64>,
}

impl KeyedProcess<(), Option<u64>> for Sessions {
    type Out = Option<u64>;

    fn on_record<E: Emit<Option<u64>>>(
        &mut self,
        record: Record<Option<u64>>,
        context: &mut KeyContext<'_, ()>,
        out: &mut E,
    ) -> Result<()> {
        let mut number = context.value(self.number);
        match record.value {
            Some(new) => number.set(new),
            None => out.emit(Record::new(number.get()?.copied())),
        }
    }
}

/// What is read `pauses` after each other, behind a write.
fn read_after(ttl: Ttl, pauses: &[u64]) -> Vec<Option<u64>> {
    let topology = sessions(move |states| Ok(Sessions { number: states.with_ttl(ttl).value("number")? }));
    let mut driver = TopologyDriver::new(&topology).expect("the plan has no mistake");
    driver.push("sessions", Some(7u64)).expect("no operator fails");
    for pause in pauses {
        driver.advance(Duration::from_millis(*pause)).expect("no operator fails");
        // Time goes on while nothing runs, too.
        let snapshot = driver.snapshot().expect("a snapshot can be taken");
        driver.restore(&snapshot).expect("it can be restored");
        driver.push("sessions", None::<u64>).expect("no operator fails");
    }
    driver.output("read")
}

#[test]
fn ttl1_value_lives_for_its_time_and_longer_if_reading_counts() {
    let ten = Ttl::of(Duration::from_millis(10));
    assert_eq!(read_after(ten, &[9]), [Some(7)]);
    assert_eq!(read_after(ten, &[10]), [None]);
    assert_eq!(read_after(ten, &[9, 1]).last(), Some(&None));
    let renewed = ten.updated(TtlUpdate::OnReadAndWrite);
    assert_eq!(read_after(renewed, &[9, 9]).last(), Some(&Some(7)));
    assert_eq!(read_after(renewed, &[9, 10]).last(), Some(&None));
}

fn sessions(open: impl Fn(&mut States<'_, ()>) -> Result<Sessions> + Send + Sync + 'static) -> Topology {
    let topology = Topology::new("sessions");
    topology
        .source("sessions", Collection::of(Vec::<Option<u64>>::new()))
        .key_by(|_| ())
        .process("session numbers", open)
        .collect("read");
    topology
}

#[test]
fn state_of_a_key_that_is_not_declared_any_more_is_refused() {
    let before = sessions(|states| {
        let _: ListState<u64> = states.list("history")?;
        Ok(Sessions { number: states.value("number")? })
    });
    let mut driver = TopologyDriver::new(&before).expect("the plan has no mistake");
    driver.push("sessions", Some(7u64)).expect("no operator fails");
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    drop(driver);
    let after = sessions(|states| Ok(Sessions { number: states.value("number")? }));
    let mut driver = TopologyDriver::new(&after).expect("the plan has no mistake");
    let refusal = driver.restore(&snapshot).expect_err("nobody claims the list").to_string();
    let undeclared = "session numbers: the checkpoint has its state 'history', but none of that name is declared";
    assert!(refusal.contains(undeclared), "{refusal}");
}
