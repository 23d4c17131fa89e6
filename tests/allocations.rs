//! A record costs no allocation: what a job allocates does not grow with the number of its records, but for batches.

use std::alloc::System;
use std::hint::black_box;

use millstream::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 200_000;
const KEYS: u64 = 100;
/// Ten allocations per batch of 1024 records.
const PER_RECORD: f64 = 0.01;

/// How often all threads together ask for memory while a job runs.
fn allocations(build: Build, records: u64) -> usize {
    let topology = Topology::new("allocations");
    build(&topology, records);
    let options = JobOptions::new().parallelism(1).without_checkpoints();
    let region = Region::new(ALLOCATOR);
    topology.start(options).expect("the plan is right").wait().expect("nothing fails in this topology");
    let stats = region.change();
    stats.allocations + stats.reallocations
}

/// How many allocations each record of the second half of a job costs: what it takes to start is not counted.
fn per_record(build: Build) -> f64 {
    let (once, twice) = (allocations(build, RECORDS), allocations(build, 2 * RECORDS));
    (twice as f64 - once as f64) / RECORDS as f64
}

/// Writes a job of so many records down.
type Build = fn(&Topology, u64);

fn numbers(topology: &Topology, records: u64) -> Stream<impl Chain<Out = u64>> {
    topology.source("numbers", Generator::new(records, |n| n))
}

fn keyed(topology: &Topology, records: u64) -> KeyedStream<u64, u64> {
    numbers(topology, records).key_by(|n| n % KEYS)
}

/// A hundred records per millisecond, and a watermark behind each ten thousand: it sends a batch that is not full.
fn timed(topology: &Topology, records: u64) -> KeyedStream<u64, u64> {
    let watermarks = Watermarks::punctuated(|n: &u64, time| (n % 10_000 == 9_999).then_some(time));
    numbers(topology, records).event_time(watermarks, |n| n / 100).key_by(|n| n % KEYS)
}

fn end<T: 'static>(stream: Stream<impl Chain<Out = T>>) {
    stream.for_each("results", |result| {
        black_box(result);
    });
}

const JOBS: [(&str, Build); 8] = [
    ("map and filter", |t, n| end(numbers(t, n).map(|n| n * 3).filter(|n| n % 2 == 0))),
    ("rebalance", |t, n| end(numbers(t, n).rebalance())),
    ("count by integers", |t, n| end(keyed(t, n).count("state"))),
    ("fold", |t, n| end(keyed(t, n).fold("state", 0u64, |sum, n| *sum += n))),
    ("map_with_state", |t, n| end(keyed(t, n).map_with_state("state", |last: &mut u64, n| std::mem::replace(last, n)))),
    ("tumbling windows", |t, n| end(timed(t, n).window("state", Tumbling::of(100.millis())).aggregate(Count))),
    ("sliding windows", |t, n| {
        end(timed(t, n).window("state", Sliding::of(100.millis(), 20.millis())).aggregate(Count))
    }),
    ("sessions", |t, n| end(timed(t, n).window("state", Session::with_gap(1.seconds())).aggregate(Count))),
];

// One test: the allocator counts for the whole process, so nothing may run beside it.
#[test]
fn no_record_costs_an_allocation() {
    let strings: Build = |t, n| end(numbers(t, n).map(|n| format!("a string of its own for {n}")));
    assert!(per_record(strings) > 0.99, "allocations of records are not noticed");
    let costs = JOBS.map(|(name, build)| (name, per_record(build)));
    let strays = costs.iter().filter(|(_, cost)| *cost > PER_RECORD).collect::<Vec<_>>();
    assert!(strays.is_empty(), "allocations per record: {strays:?} of {costs:?}");
}
