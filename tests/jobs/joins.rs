//! Joins in whole jobs: the named scenarios, mistakes of the plan, and exact results under kills for every kind of join.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use millstream::actors::time::TimeSignal;
use millstream::io::SplitMix64;
use millstream::metrics::LATE;
use millstream::model::Record;
use millstream::prelude::*;
use millstream::testing::{Line, Mismatch, Run, Script, Simulation, TopologyDriver};

use crate::rig::effort::seeds;

// ---- the scenarios of interval joins ----

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn join(bounds: Bounds) -> TopologyDriver {
    let topology = Topology::new("join");
    let (late_left, late_right) = (SideOutput::new("late left"), SideOutput::new("late right"));
    let side = |uid: &str| topology.source(uid, Collection::of(Vec::<i64>::new())).key_by(|_| 0);
    side("left")
        .connect(side("right"))
        .interval_join("join", bounds)
        .late_left_to(&late_left)
        .late_right_to(&late_right)
        .apply(|left, right| (*left, *right))
        .collect("pairs");
    TopologyDriver::new(&topology).expect("the plan has no mistake")
}

/// Pushes `times` on both sides, each followed by its watermark; gives the pairs with their times.
fn pairs(driver: &mut TopologyDriver, times: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    for time in times {
        for side in ["left", "right"] {
            driver.push_at(side, time, time).expect("no operator fails");
        }
        for side in ["left", "right"] {
            driver.watermark::<i64>(side, time).expect("no operator fails");
        }
    }
    let records = driver.records::<(i64, i64)>("pairs");
    for Record { value: (left, right), time } in &records {
        assert_eq!(*time, at(*left.max(right)), "the later one of {left} and {right}");
    }
    let mut pairs = records.into_iter().map(|record| record.value).collect::<Vec<_>>();
    pairs.sort_unstable();
    pairs
}

#[test]
fn j1_bounds_before_the_left_record() {
    let mut driver = join(Bounds::between(-2.millis(), -1.millis()));
    assert_eq!(pairs(&mut driver, 1..=4), [(2, 1), (3, 1), (3, 2), (4, 2), (4, 3)]);
}

#[test]
fn j2_bounds_before_the_left_record_without_their_upper_end() {
    let mut driver = join(Bounds::between(-2.millis(), -1.millis()).exclude_upper());
    assert_eq!(pairs(&mut driver, 1..=4), [(3, 1), (4, 2)]);
}

#[test]
fn j3_bounds_behind_the_left_record() {
    let mut driver = join(Bounds::between(1.millis(), 2.millis()));
    assert_eq!(pairs(&mut driver, 1..=4), [(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]);
}

#[test]
fn j4_bounds_behind_the_left_record_without_their_lower_end() {
    let mut driver = join(Bounds::between(1.millis(), 2.millis()).exclude_lower());
    assert_eq!(pairs(&mut driver, 1..=4), [(1, 3), (2, 4)]);
}

#[test]
fn j5_excluded_bounds_leave_the_diagonal() {
    let mut driver = join(Bounds::between(-1.millis(), 1.millis()).exclude_lower().exclude_upper());
    assert_eq!(pairs(&mut driver, 1..=4), [(1, 1), (2, 2), (3, 3), (4, 4)]);
}

#[test]
fn j6_bounds_around_the_left_record() {
    let mut driver = join(Bounds::between(-1.millis(), 1.millis()));
    assert_eq!(pairs(&mut driver, 1..=3), [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 3)]);
}

#[test]
fn j7_late_records_go_to_their_side_and_join_nothing() {
    let mut driver = join(Bounds::between(-5.millis(), 5.millis()));
    let _ = pairs(&mut driver, [10]);
    driver.push_at("left", 9i64, 9).expect("no operator fails");
    driver.push_at("right", 8i64, 8).expect("no operator fails");
    assert_eq!(driver.output::<(i64, i64)>("pairs"), []);
    assert_eq!((driver.output::<i64>("late left"), driver.output::<i64>("late right")), (vec![9], vec![8]));
}

#[test]
fn j8_a_restored_join_goes_on_with_what_waits() {
    let mut driver = join(Bounds::between(-1.millis(), 1.millis()));
    let _ = pairs(&mut driver, 1..=3);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.restore(&snapshot).expect("it can be restored");
    assert_eq!(pairs(&mut driver, [4]), [(3, 4), (4, 3), (4, 4)]);
}

#[test]
fn what_was_late_is_late_again_behind_a_restart() {
    let mut driver = join(Bounds::between(-5.millis(), 5.millis()));
    let _ = pairs(&mut driver, [10]);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.restore(&snapshot).expect("it can be restored");
    driver.push_at("left", 9i64, 9).expect("no operator fails");
    assert_eq!((driver.output::<(i64, i64)>("pairs"), driver.output::<i64>("late left")), (vec![], vec![9]));
}

#[test]
fn what_can_join_nothing_any_more_is_forgotten() {
    let mut driver = join(Bounds::between(-1.millis(), 2.millis()));
    let _ = pairs(&mut driver, 1..=100);
    let snapshot = driver.snapshot().expect("a snapshot can be taken");
    driver.restore(&snapshot).expect("it can be restored");
    assert_eq!(pairs(&mut driver, [101]), [(99, 101), (100, 101), (101, 100), (101, 101)]);
}

// ---- mistakes ----

/// Two streams of numbers, each its own key.
fn sides(topology: &Topology) -> [KeyedStream<u64, u64>; 2] {
    ["left", "right"].map(|uid| topology.source(uid, Collection::of([1u64])).key_by(|number| *number))
}

/// The whole message of the mistake in what `build` makes of two streams.
fn mistake(build: impl FnOnce([KeyedStream<u64, u64>; 2])) -> String {
    let topology = Topology::new("wrong");
    build(sides(&topology));
    topology.plan().expect_err("it is a mistake").to_string()
}

#[test]
fn joins_that_cannot_be_are_mistakes_of_the_plan() {
    let late = SideOutput::<u64>::new("late");
    let found = [
        mistake(|[left, right]| {
            let bounds = Bounds::between(2.millis(), 1.millis());
            left.connect(right).interval_join("pairs", bounds).apply(|_, _| ()).discard("nowhere");
        }),
        mistake(|[left, right]| {
            let bounds = Bounds::between(1.millis(), 1.millis()).exclude_lower();
            left.connect(right).interval_join("pairs", bounds).apply(|_, _| ()).discard("nowhere");
        }),
        mistake(|[left, right]| {
            left.connect(right).window("pairs", Tumbling::of(0.seconds())).join(|_, _| ()).discard("nowhere");
        }),
        mistake(|[left, right]| {
            let windows = left.connect(right).window("groups", Session::with_gap(1.seconds()));
            windows.allowed_lateness(-1.seconds()).co_group(|_, _, _, _| [()]).discard("nowhere");
        }),
        mistake(|[left, right]| {
            let windows = left.connect(right).window("pairs", Tumbling::of(1.seconds()).processing_time());
            windows.late_right_to(&late).join(|_, _| ()).discard("nowhere");
        }),
        mistake(|[left, right]| {
            let windows = left.connect(right).window("pairs", Tumbling::of(1.seconds()));
            windows.late_left_to(&late).join(|_, _| ()).discard("pairs");
        }),
        mistake(|[left, right]| {
            left.temporal_join("", right, Change::Upsert).apply(|_, _| ()).discard("nowhere");
        }),
        mistake(|[left, right]| drop(left.lookup_join("rows", right, Change::Upsert).apply(|_, _| ()))),
    ];
    let expected = [
        "the interval of join 'pairs' ends before it begins: from 2 ms to 1 ms; give the lower bound first",
        "the interval of join 'pairs' ends before it begins: from 2 ms to 1 ms; give the lower bound first",
        "'pairs': windows are 0 ms long: they must be at least 1 ms",
        "'groups': the allowed lateness is -1000 ms: it must not be negative",
        "'pairs': the windows are of processing time, in which no record is late: leave out `.allowed_lateness(..)` and \
         `.late_to(..)`, or use windows of event time",
        "uid 'pairs' is used twice, by a window_join and a discard: give each its own",
        "a temporal_join has an empty uid: give it a stable name of its own",
        "the stream behind 'rows' has no sink: end it with `.sink(uid, ...)`, `.discard(uid)` or the like",
    ];
    assert_eq!(found, expected);
}

#[test]
fn joins_are_printed_by_the_verbs_they_are_written_with() {
    let topology = Topology::new("verbs");
    let [left, right] = sides(&topology);
    left.connect(right)
        .window("minutes", Tumbling::of(1.minutes()))
        .co_group(|key, _, left, right| [(*key, left.len(), right.len())])
        .parallelism(1)
        .discard("nowhere");
    let plan = topology.plan_with(1).unwrap().to_string();
    assert!(plan.contains("window_co_group 'minutes' → discard 'nowhere'"), "{plan}");
}

// ---- under kills ----

/// A key, and a number of its own.
type Event = (u64, u64);

const KEYS: u64 = 5;
const RECORDS: u64 = 150;
/// How far a record may lie behind one that came before it.
const DISORDER: i64 = 60;

/// Records out of order, and watermarks that lag behind the latest of them, with pauses for checkpoints.
fn history(seed: u64, lag: i64) -> Script<Event> {
    let (mut chance, mut latest, mut lines) = (SplitMix64::new(seed), 0, Vec::new());
    for number in 0..RECORDS {
        latest += chance.below(20) as i64;
        let time = latest - chance.below(DISORDER as u64) as i64;
        lines.push(Line::Record(Record::at((chance.below(KEYS), number), at(time))));
        if number % 7 == 0 {
            lines.push(Line::Signal(TimeSignal::Watermark(at(latest - lag))));
        }
        if number % 15 == 0 {
            lines.push(Line::Pause(Duration::from_millis(5)));
        }
    }
    Script::of(lines)
}

/// The events of a script, with their times.
fn events(script: &Script<Event>) -> Vec<(Event, i64)> {
    let event = |line: &Line<Event>| match line {
        Line::Record(record) => Some((record.value, record.time.as_millis())),
        _ => None,
    };
    script.lines().filter_map(event).collect()
}

/// Those of a key, of both scripts, that fit.
fn matches(left: &[(Event, i64)], right: &[(Event, i64)], fits: impl Fn(i64, i64) -> bool) -> Vec<(u64, u64, u64)> {
    let of_one = |((key, number), time): &(Event, i64)| {
        let others = right.iter().filter(|((other, _), at)| other == key && fits(*time, *at));
        others.map(|((_, other), _)| (*key, *number, *other)).collect::<Vec<_>>()
    };
    left.iter().flat_map(of_one).collect()
}

/// The start of the tumbling window of 50 ms that holds `time`.
fn window_of(time: i64) -> i64 {
    time - time.rem_euclid(50)
}

/// Runs with random kills, and proves that they took place.
fn explore(topology: Topology, scripts: [&Script<Event>; 2], check: impl Fn(&Run) -> Result<(), Mismatch>) {
    explore_seeds(30, topology, scripts, check);
}

/// The same, with so many seeds.
fn explore_seeds(
    usual: u64,
    topology: Topology,
    scripts: [&Script<Event>; 2],
    check: impl Fn(&Run) -> Result<(), Mismatch>,
) {
    let [left, right] = scripts.map(Script::clone);
    let simulation = Simulation::new(topology, 0).input("left", left).input("right", right).kill_randomly(3);
    let explored = simulation.explore(seeds(0..usual), check);
    explored.assert_holds();
    assert!(explored.kills() > usual && explored.restores() > usual / 2, "{explored:?}");
}

/// Two empty inputs, by key.
fn inputs(topology: &Topology) -> [KeyedStream<u64, Event>; 2] {
    ["left", "right"].map(|uid| topology.source(uid, Script::<Event>::new()).key_by(|event| event.0))
}

#[test]
fn interval_joins_are_exact_under_kills() {
    let topology = Topology::new("intervals");
    let [left, right] = inputs(&topology);
    left.connect(right)
        .interval_join("join", Bounds::between(-20.millis(), 30.millis()))
        .apply(|left, right| (left.0, left.1, right.1))
        .collect("pairs");
    let (left, right) = (history(1, DISORDER + 1), history(2, DISORDER + 1));
    let expected = matches(&events(&left), &events(&right), |left, right| left - 20 <= right && right <= left + 30);
    explore(topology, [&left, &right], |run| run.check_output("pairs", &expected));
}

#[test]
fn window_joins_are_exact_under_kills() {
    let topology = Topology::new("windows");
    let [left, right] = inputs(&topology);
    left.connect(right)
        .window("join", Tumbling::of(50.millis()))
        .join(|left, right| (left.0, left.1, right.1))
        .collect("pairs");
    let (left, right) = (history(3, DISORDER + 1), history(4, DISORDER + 1));
    let expected = matches(&events(&left), &events(&right), |left, right| window_of(left) == window_of(right));
    explore(topology, [&left, &right], |run| run.check_output("pairs", &expected));
}

#[test]
fn large_windows_are_joined_exactly_under_kills() {
    let topology = Topology::new("large windows");
    let [left, right] = inputs(&topology);
    left.connect(right)
        .window("join", Global)
        .trigger(trigger::EndOfStream)
        .join(|left, right| (left.0, left.1, right.1))
        .key_by(|(key, _, _)| *key)
        .window("pairs of each key", Global)
        .trigger(trigger::EndOfStream)
        .aggregate(Count)
        .collect("counts");
    let (left, right) = (history(5, 0), history(6, 0));
    let mut expected = BTreeMap::<u64, u64>::new();
    let pairs = matches(&events(&left), &events(&right), |_, _| true);
    pairs.into_iter().for_each(|(key, _, _)| *expected.entry(key).or_default() += 1);
    let expected = expected.into_iter().collect::<Vec<_>>();
    explore_seeds(10, topology, [&left, &right], |run| run.check_output("counts", &expected));
}

#[test]
fn records_that_let_many_pairs_come_lose_none_under_kills() {
    let topology = Topology::new("every tenth record");
    let [left, right] = inputs(&topology);
    left.connect(right)
        .window("join", Global)
        .trigger(trigger::Count::of(10))
        .join(|left, right| (left.0, left.1, right.1))
        .collect("pairs");
    // In the end each key has a multiple of ten records, so the last firing of each has all its pairs.
    let ten = |first: u64| {
        (first..first + KEYS * 30).fold(Script::new(), |script, number| {
            let script = script.record_at((number % KEYS, number), number as i64);
            if number % 15 == 0 { script.pause(Duration::from_millis(5)) } else { script }
        })
    };
    let (left, right) = (ten(0), ten(1_000));
    let expected = matches(&events(&left), &events(&right), |_, _| true);
    explore(topology, [&left, &right], |run| {
        let (mut found, mut expected) = (run.output::<(u64, u64, u64)>("pairs"), expected.clone());
        found.sort_unstable();
        found.dedup();
        expected.sort_unstable();
        if found == expected { Ok(()) } else { Err(Mismatch::new(format!("{} pairs are there", found.len()))) }
    });
}

#[test]
fn co_groups_are_exact_under_kills() {
    let topology = Topology::new("groups");
    let [left, right] = inputs(&topology);
    left.connect(right)
        .window("sessions", Session::with_gap(10.millis()))
        .co_group(|key, _, left, right| {
            let sum = |side: &[&Event]| side.iter().map(|event| event.1).sum::<u64>();
            [(*key, (left.len(), sum(left)), (right.len(), sum(right)))]
        })
        .collect("groups");
    let (left, right) = (history(7, DISORDER + 1), history(8, DISORDER + 1));
    let mut by_key = BTreeMap::<u64, Vec<(i64, bool, u64)>>::new();
    for (is_left, side) in [(true, &left), (false, &right)] {
        let of_side = events(side).into_iter();
        of_side.for_each(|((key, number), at)| by_key.entry(key).or_default().push((at, is_left, number)));
    }
    let mut expected = Vec::new();
    for (key, mut events) in by_key {
        events.sort_unstable();
        for session in events.chunk_by(|earlier, later| later.0 - earlier.0 <= 10) {
            let side = |wanted| session.iter().filter(move |(_, is_left, _)| *is_left == wanted);
            let of = |wanted| (side(wanted).count(), side(wanted).map(|(_, _, number)| number).sum::<u64>());
            expected.push((key, of(true), of(false)));
        }
    }
    let lonely = expected.iter().filter(|(_, left, right)| left.0 == 0 || right.0 == 0).count();
    assert!(lonely > 5, "both streams are in all sessions: {expected:?}");
    explore(topology, [&left, &right], |run| run.check_output("groups", &expected));
}

#[test]
fn temporal_joins_are_exact_under_kills() {
    let topology = Topology::new("versions");
    let [records, changes] = inputs(&topology);
    records
        .temporal_join("join", changes, |(_, number)| match number % 4 {
            0 => Change::Delete,
            _ => Change::Upsert(number),
        })
        .apply_outer(|(key, number), version| (key, number, version.copied()))
        .collect("answers");
    let (records, changes) = (history(9, DISORDER + 1), history(10, DISORDER + 1));
    let table = events(&changes);
    let answer = |((key, number), time): (Event, i64)| {
        // Of two changes of one time, the one that came last counts.
        let known = table.iter().filter(|((of, _), since)| *of == key && *since <= time);
        let version = known.max_by_key(|(_, since)| *since).map(|((_, version), _)| *version);
        (key, number, version.filter(|version| version % 4 != 0))
    };
    let expected = events(&records).into_iter().map(answer).collect::<Vec<_>>();
    assert!(expected.iter().any(|answer| answer.2.is_none()), "no record is without a version");
    explore(topology, [&records, &changes], |run| run.check_output("answers", &expected));
}

/// Looks whether `answers`, those of one key in the order of its records, are what a row showed that went through `changes`,
/// whenever each of these came.
fn are_answers_of(changes: &[u64], answers: &[Option<u64>]) -> bool {
    let row = |change: &u64| Some(*change).filter(|number| number % 4 != 0);
    let mut rows = [None].into_iter().chain(changes.iter().map(row)).peekable();
    answers.iter().all(|answer| {
        while rows.next_if(|row| row != answer).is_some() {}
        rows.peek().is_some()
    })
}

#[test]
fn lookup_joins_answer_each_record_once_and_never_with_an_older_row_under_kills() {
    let topology = Topology::new("rows");
    let [records, changes] = inputs(&topology);
    records
        .lookup_join("join", changes, |(_, number)| match number % 4 {
            0 => Change::Delete,
            _ => Change::Upsert(number),
        })
        .apply_outer(|(key, number), row| (key, number, row.copied()))
        .collect("answers");
    let (records, changes) = (history(17, DISORDER), history(18, DISORDER));
    let of_key = |script: &Script<Event>, key: u64| {
        let own = events(script).into_iter().filter(|((of, _), _)| *of == key);
        own.map(|((_, number), _)| number).collect::<Vec<_>>()
    };
    let with_a_row = Cell::new(0);
    explore(topology, [&records, &changes], |run| {
        let mut answers = run.output::<(u64, u64, Option<u64>)>("answers");
        answers.sort_unstable_by_key(|(_, number, _)| *number);
        for key in 0..KEYS {
            let of_key_only = answers.iter().filter(|answer| answer.0 == key);
            let (numbers, rows): (Vec<u64>, Vec<Option<u64>>) = of_key_only.map(|answer| (answer.1, answer.2)).unzip();
            if numbers != of_key(&records, key) || !are_answers_of(&of_key(&changes, key), &rows) {
                return Err(Mismatch::new(format!("seed {}: {numbers:?} of {key} see {rows:?}", run.seed())));
            }
            with_a_row.set(with_a_row.get() + rows.iter().flatten().count());
        }
        Ok(())
    });
    assert!(with_a_row.get() > RECORDS as usize, "hardly any record has found a row");
}

#[test]
fn late_records_of_joins_are_counted_once_under_kills() {
    let topology = Topology::new("late");
    let (late_left, late_right) = (SideOutput::new("late left"), SideOutput::new("late right"));
    let [left, right] = inputs(&topology);
    left.connect(right)
        .window("join", Tumbling::of(50.millis()))
        .late_left_to(&late_left)
        .late_right_to(&late_right)
        .co_group(|_, _, left, right| left.iter().chain(right).map(|event| event.1).collect::<Vec<_>>())
        .collect("grouped");
    topology.side_output(&late_left).collect("late left");
    topology.side_output(&late_right).collect("late right");
    // How far the two inputs are apart decides what is late; that nothing is lost or doubled must hold in any case.
    let (left, right) = (history(11, 5), history(12, 5));
    let mut expected = [&left, &right].map(|script| events(script).into_iter().map(|((_, number), _)| number));
    let [left_numbers, right_numbers] = &mut expected;
    let mut expected = left_numbers.chain(right_numbers).collect::<Vec<_>>();
    expected.sort_unstable();
    explore(topology, [&left, &right], |run| {
        let late = ["late left", "late right"].map(|side| run.output::<Event>(side)).concat();
        let mut found = run.output::<u64>("grouped");
        found.extend(late.iter().map(|event| event.1));
        found.sort_unstable();
        let counted = run.counters().total(LATE);
        if found != expected {
            return Err(Mismatch::new(format!("seed {}: {found:?}", run.seed())));
        }
        if counted == late.len() as u64 {
            Ok(())
        } else {
            Err(Mismatch::new(format!("{counted} are late, not {}", late.len())))
        }
    });
}
