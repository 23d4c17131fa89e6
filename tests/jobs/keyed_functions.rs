//! Functions with state and timers: what they emit, when timers fire, and that nothing is lost or doubled by a death.

use std::time::Duration;

use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, States, TimeKind, Timer, ValueState};
use millstream::prelude::*;
use millstream::testing::{Script, Simulation, TopologyDriver};

use crate::rig::effort::seeds;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Registers the timers that records ask for, twice each, and emits `(key, kind, time)` for each that fires.
struct Alarms {
    heard: ValueState<u64>,
}

/// A key, and a timer for it: `(key, kind, time)`, deleted again if the time is negative.
type Wish = (char, TimeKind, i64);

impl Alarms {
    fn open(states: &mut States<'_, char>) -> Result<Self> {
        Ok(Self { heard: states.value("heard")? })
    }
}

impl KeyedProcess<char, Wish> for Alarms {
    type Out = (char, TimeKind, i64);

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<Wish>,
        context: &mut KeyContext<'_, char>,
        _out: &mut E,
    ) -> Result<()> {
        *context.value(self.heard).get_or_insert_with(|| 0)? += 1;
        let (_, kind, time) = record.value;
        for _ in 0..2 {
            match (kind, time < 0) {
                (TimeKind::Event, false) => context.register_event_timer(at(time))?,
                (TimeKind::Event, true) => context.delete_event_timer(at(-time))?,
                (TimeKind::Processing, false) => context.register_processing_timer(at(time))?,
                (TimeKind::Processing, true) => context.delete_processing_timer(at(-time))?,
            }
        }
        Ok(())
    }

    fn on_timer<E: Emit<Self::Out>>(
        &mut self,
        timer: Timer,
        context: &mut KeyContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        out.emit(Record::at((*context.key(), timer.kind, timer.time.as_millis()), timer.time))
    }
}

fn alarms() -> TopologyDriver {
    let topology = Topology::new("alarms");
    topology
        .source("wishes", Collection::of(Vec::<Wish>::new()))
        .key_by(|(key, _, _)| *key)
        .process("alarms", Alarms::open)
        .collect("fired");
    TopologyDriver::new(&topology).expect("the plan has no mistake")
}

fn wish(driver: &mut TopologyDriver, key: char, kind: TimeKind, time: i64) {
    driver.push("wishes", (key, kind, time)).expect("no operator fails");
}

fn fired(driver: &mut TopologyDriver) -> Vec<(char, i64)> {
    driver.output::<Wish>("fired").into_iter().map(|(key, _, time)| (key, time)).collect()
}

fn watermark(driver: &mut TopologyDriver, millis: i64) -> Vec<(char, i64)> {
    driver.watermark::<Wish>("wishes", millis).expect("no operator fails");
    fired(driver)
}

#[test]
fn t1_timer_that_is_registered_twice_fires_once() {
    let mut driver = alarms();
    wish(&mut driver, 'a', TimeKind::Event, 10);
    assert_eq!(watermark(&mut driver, 9), []);
    assert_eq!(watermark(&mut driver, 10), [('a', 10)]);
    assert_eq!(watermark(&mut driver, 11), []);
}

#[test]
fn t2_timers_of_two_keys_survive_a_restart() {
    let mut driver = alarms();
    wish(&mut driver, 'a', TimeKind::Event, 10);
    wish(&mut driver, 'b', TimeKind::Event, 10);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.restore(&snapshot).expect("it can be restored");
    let mut fired = watermark(&mut driver, 10);
    fired.sort_unstable();
    assert_eq!(fired, [('a', 10), ('b', 10)]);
}

#[test]
fn timers_fire_in_the_order_of_time_and_before_the_watermark_goes_on() {
    let mut driver = alarms();
    for time in [30, 10, 20, 40] {
        wish(&mut driver, 'a', TimeKind::Event, time);
    }
    assert_eq!(watermark(&mut driver, 30), [('a', 10), ('a', 20), ('a', 30)]);
    assert_eq!(driver.watermark_at("fired"), Some(at(30)));
}

#[test]
fn timer_that_is_not_later_than_the_watermark_fires_when_it_rises_next() {
    let mut driver = alarms();
    assert_eq!(watermark(&mut driver, 50), []);
    wish(&mut driver, 'a', TimeKind::Event, 10);
    assert_eq!(fired(&mut driver), []);
    assert_eq!(watermark(&mut driver, 51), [('a', 10)]);
}

#[test]
fn deleted_timer_does_not_fire_and_deleting_none_is_nothing() {
    let mut driver = alarms();
    wish(&mut driver, 'a', TimeKind::Event, 10);
    wish(&mut driver, 'b', TimeKind::Event, 10);
    wish(&mut driver, 'a', TimeKind::Event, -10);
    wish(&mut driver, 'a', TimeKind::Event, -20);
    assert_eq!(watermark(&mut driver, 100), [('b', 10)]);
}

#[test]
fn processing_timers_fire_with_the_clock_overdue_ones_at_once_and_not_at_the_end() {
    let mut driver = alarms();
    let now = driver.processing_time().as_millis();
    wish(&mut driver, 'a', TimeKind::Processing, now + 1_000);
    wish(&mut driver, 'b', TimeKind::Processing, now - 1);
    assert_eq!(fired(&mut driver), [('b', now - 1)]);
    driver.advance(Duration::from_millis(999)).expect("no operator fails");
    assert_eq!(fired(&mut driver), []);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.advance(Duration::from_millis(1)).expect("no operator fails");
    assert_eq!(fired(&mut driver), [('a', now + 1_000)]);

    // What became due while nothing ran fires at once.
    driver.restore(&snapshot).expect("it can be restored");
    assert_eq!(fired(&mut driver), [('a', now + 1_000)]);
    wish(&mut driver, 'c', TimeKind::Processing, now + 9_000);
    driver.end::<Wish>("wishes").expect("no operator fails");
    assert_eq!(fired(&mut driver), []);
}

#[test]
fn the_end_of_the_input_fires_all_event_timers_however_many() {
    let mut driver = alarms();
    for time in 0..1_000 {
        wish(&mut driver, 'a', TimeKind::Event, time);
    }
    driver.end::<Wish>("wishes").expect("no operator fails");
    assert_eq!(fired(&mut driver), (0..1_000).map(|time| ('a', time)).collect::<Vec<_>>());
}

#[test]
fn every_timer_fires_once_whatever_dies() {
    let topology = Topology::new("alarms");
    topology
        .source("wishes", Collection::of(Vec::<Wish>::new()))
        .key_by(|(key, _, _)| *key)
        .process("alarms", Alarms::open)
        .collect("fired");
    let mut script = Script::new();
    for time in 0..200 {
        let key = char::from(b'a' + (time % 7) as u8);
        script = script.record((key, TimeKind::Event, 10 * time + 500)).watermark(10 * time);
    }
    let expected = script.values().map(|(key, _, time)| (*key, *time)).collect::<Vec<_>>();
    let explored = Simulation::new(topology, 0).input("wishes", script).kill_randomly(4).explore(seeds(0..40), |run| {
        let mut fired = run.output::<Wish>("fired").into_iter().map(|(key, _, time)| (key, time)).collect::<Vec<_>>();
        fired.sort_unstable();
        let mut expected = expected.clone();
        expected.sort_unstable();
        let lost = || millstream::testing::Mismatch::new(format!("seed {}: {fired:?}", run.seed()));
        if fired == expected { Ok(()) } else { Err(lost()) }
    });
    explored.assert_holds();
    assert!(explored.restores() > 10, "{explored:?}");
}

#[test]
fn repeats_are_held_back_until_their_retention_is_over() {
    let topology = Topology::new("dedup");
    topology
        .source("words", Collection::of(Vec::<&'static str>::new()))
        .key_by(|word| word.to_string())
        .dedup("first ones", 10.millis())
        .collect("results");
    let mut driver = TopologyDriver::new(&topology).expect("the plan has no mistake");
    for (word, time) in [("a", 0), ("a", 9), ("b", 9), ("a", 10)] {
        driver.push_at("words", word, time).expect("no operator fails");
    }
    assert_eq!(driver.output::<&str>("results"), ["a", "b", "a"]);
    let known = |driver: &mut TopologyDriver| {
        driver.state::<String, Timestamp>("first ones/closed until").expect("it can be read").len()
    };
    assert_eq!(known(&mut driver), 2);
    driver.watermark::<&'static str>("words", 30).expect("no operator fails");
    assert_eq!(known(&mut driver), 0, "a silent key keeps no state");
    let error = driver.push("words", "c").expect_err("it has no event time");
    assert!(error.to_string().contains("no event time"), "{error}");
}
