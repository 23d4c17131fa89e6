//! Windows whose records are aggregated, in each subtask, before they travel: nobody can tell, but by what it costs.

use std::collections::BTreeMap;

use millstream::model::Record;
use millstream::operator::SideOutput;
use millstream::operator::aggregate::Aggregate;
use millstream::operator::window::{TimeWindow, WindowError};
use millstream::plan::PlanError;
use millstream::prelude::*;
use millstream::testing::{Script, Simulation};
use serde::{Deserialize, Serialize};

use crate::rig::effort::seeds;

const RECORDS: u64 = 2_000;
const KEYS: u64 = 17;
const SECOND: u64 = 1_000;

/// Record `n`: a key, an amount and a time, out of order by less than a tenth of a second.
fn ride(n: u64) -> (u64, u64, u64) {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (mixed % KEYS, mixed % 1_000, n * 10 + mixed % 100)
}

/// Key, start of the window, count, sum and maximum.
type Row = (u64, i64, u64, u64, u64);

/// What loops over the records give for windows of `size`, one every `slide`.
fn expected(size: u64, slide: u64) -> Vec<Row> {
    let mut rows = BTreeMap::<(u64, i64), (u64, u64, u64)>::new();
    for (key, amount, time) in (0..RECORDS).map(ride) {
        let last = (time - time % slide) as i64;
        for start in (0..size / slide).map(|back| last - (back * slide) as i64) {
            let (count, sum, most) = rows.entry((key, start)).or_default();
            (*count, *sum, *most) = (*count + 1, *sum + amount, amount.max(*most));
        }
    }
    rows.into_iter().map(|((key, start), (count, sum, most))| (key, start, count, sum, most)).collect()
}

fn windows(size: u64, slide: u64, local: Option<bool>) -> Topology {
    let topology = Topology::new("windows");
    let rides = topology
        .source("rides", Generator::new(RECORDS, ride))
        .event_time(Watermarks::bounded_out_of_order(100.millis()), |(_, _, time)| *time)
        .key_by(|(key, _, _)| *key);
    let aggregate = (
        Count,
        Sum::of(|(_, amount, _): &(u64, u64, u64)| *amount),
        Max::of(|(_, amount, _): &(u64, u64, u64)| *amount),
    );
    let row = |key: &u64, window: TimeWindow, (count, sum, most): (u64, u64, u64)| {
        [(*key, window.start().as_millis(), count, sum, most)]
    };
    if size == slide {
        let windows = rides.window("sums", Tumbling::of((size as i64).millis()));
        let windows = local.into_iter().fold(windows, |windows, local| windows.local_aggregation(local));
        windows.aggregate_with(aggregate, row).collect("rows");
    } else {
        let windows = rides.window("sums", Sliding::of((size as i64).millis(), (slide as i64).millis()));
        let windows = local.into_iter().fold(windows, |windows, local| windows.local_aggregation(local));
        windows.aggregate_with(aggregate, row).collect("rows");
    }
    topology
}

#[test]
fn results_are_exact_whatever_dies_between_the_parts() {
    for (size, slide) in [(SECOND, SECOND), (4 * SECOND, SECOND)] {
        let expected = expected(size, slide);
        let explored = Simulation::new(windows(size, slide, None), 0)
            .fault_randomly(2)
            .explore(seeds(0..150), |run| run.check_output("rows", &expected));
        println!("{explored:?}");
        explored.assert_holds();
        assert!(explored.restores() > 20, "{explored:?}");
    }
}

/// Counts records and mergers.
#[derive(Clone)]
struct Mergers;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counted {
    records: u64,
    mergers: u64,
}

impl<T> Aggregate<T> for Mergers {
    type Accumulator = Counted;
    type Out = Counted;

    fn create(&mut self) -> Counted {
        Counted::default()
    }

    fn add(&mut self, counted: &mut Counted, _: &Record<T>) -> Result<()> {
        counted.records += 1;
        Ok(())
    }

    fn merge(&mut self, into: &mut Counted, from: &Counted) -> Result<()> {
        into.records += from.records;
        into.mergers += 1;
        Ok(())
    }

    fn result(&mut self, counted: &Counted) -> Result<Counted> {
        Ok(counted.clone())
    }
}

/// Records per window, and mergers per window, of a job with two subtasks.
fn counted(local: Option<bool>) -> Vec<Counted> {
    let topology = Topology::new("mergers");
    let windows = topology
        .source("numbers", Generator::new(RECORDS, |n| n))
        .event_time(Watermarks::monotonic(), |n| *n)
        .key_by(|_| ())
        .window("counts", Tumbling::of(500.millis()));
    let windows = local.into_iter().fold(windows, |windows, local| windows.local_aggregation(local));
    let counts = windows.aggregate(Mergers).collect("results");
    let options = JobOptions::new().parallelism(2).without_checkpoints();
    topology.start(options).expect("the plan is right").wait().expect("nothing fails");
    counts.take().into_iter().map(|((), counted)| counted).collect()
}

#[test]
fn fewer_accumulators_than_records_travel_where_that_is_wanted() {
    for counted in counted(Some(true)) {
        assert_eq!(counted.records, 500);
        assert!((2..100).contains(&counted.mergers), "{counted:?}");
    }
    for local in [Some(false), None] {
        let one_by_one = Counted { records: 500, mergers: 0 };
        assert_eq!(counted(local), [one_by_one.clone(), one_by_one.clone(), one_by_one.clone(), one_by_one]);
    }
}

#[test]
fn late_records_are_counted_one_by_one_and_fire_one_by_one() {
    let lately = |local| {
        let topology = Topology::new("late");
        let script = Script::new()
            .record_at(('a', 1), 100)
            .record_at(('a', 2), 200)
            .watermark(1_500)
            .record_at(('a', 4), 300)
            .record_at(('a', 8), 400)
            .watermark(2_500)
            .record_at(('a', 16), 500)
            .record_at(('a', 32), 600)
            .record_at(('a', 64), 2_600);
        let sums = topology
            .source("numbers", script)
            .key_by(|(key, _)| *key)
            .window("sums", Tumbling::of(1.seconds()))
            .allowed_lateness(1.seconds())
            .local_aggregation(local)
            .aggregate(Sum::of(|(_, n): &(char, u64)| *n))
            .collect("results");
        let mut job = topology.start(JobOptions::new().parallelism(1)).expect("the plan is right");
        let watch = job.watch();
        job.wait().expect("nothing fails");
        (sums.take(), watch.ledger().late)
    };
    let expected = (vec![('a', 3), ('a', 7), ('a', 15), ('a', 64)], 2);
    assert_eq!(lately(false), expected);
    assert_eq!(lately(true), expected);
}

#[test]
fn windows_over_all_records_are_aggregated_where_the_records_are() {
    let topology = Topology::new("all");
    let counts = topology
        .source("numbers", Generator::new(RECORDS, |n| n))
        .event_time(Watermarks::monotonic(), |n| *n)
        .window_all("counts", Tumbling::of(1.seconds()))
        .local_aggregation(true)
        .aggregate(Mergers)
        .collect("results");
    let options = JobOptions::new().parallelism(2).without_checkpoints();
    topology.start(options).expect("the plan is right").wait().expect("nothing fails");
    let counts = counts.take();
    assert_eq!(counts.iter().map(|counted| counted.records).collect::<Vec<_>>(), [1_000, 1_000]);
    assert!(counts.iter().all(|counted| (2..200).contains(&counted.mergers)), "{counts:?}");
}

#[test]
fn what_cannot_be_aggregated_in_parts_is_refused() {
    let mistake = |build: fn(&Topology)| {
        let topology = Topology::new("refused");
        build(&topology);
        topology.plan().expect_err("it is refused")
    };
    let refused = PlanError::Window { uid: "sums".to_owned(), mistake: WindowError::NotLocal };
    let sessions = mistake(|topology| {
        let numbers = topology.source("numbers", Generator::new(1, |n| n)).key_by(|n| *n);
        let windows = numbers.window("sums", Session::with_gap(1.seconds())).local_aggregation(true);
        windows.aggregate(Count).collect("results");
    });
    assert_eq!(sessions, refused);
    let sent_elsewhere = mistake(|topology| {
        let late = SideOutput::new("late");
        let numbers = topology.source("numbers", Generator::new(1, |n| n)).key_by(|n| *n);
        let windows = numbers.window("sums", Tumbling::of(1.seconds())).late_to(&late).local_aggregation(true);
        windows.aggregate(Count).collect("results");
    });
    assert_eq!(sent_elsewhere, refused);
    let no_aggregate = mistake(|topology| {
        let numbers = topology.source("numbers", Generator::new(1, |n| n)).key_by(|n| *n);
        let windows = numbers.window("sums", Tumbling::of(1.seconds())).local_aggregation(true);
        windows.apply(|_, _, records| [records.len()]).collect("results");
    });
    assert_eq!(no_aggregate, refused);
}
