//! A record costs no allocation: what a job allocates does not grow with the number of its records, but for batches and
//! run slices.

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use millstream::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 400_000;
/// By then everything that a job allocates to get going is there.
const WARM: u64 = RECORDS / 2;
const KEYS: u64 = 100;
/// Ten allocations per batch of 1024 records.
const PER_RECORD: f64 = 0.01;
/// A run slice is a future of its own, may end in a batch that is not full, and lets letters come. How many slices there are
/// is up to the machine.
const PER_SLICE: u64 = 8;

/// How often all threads together had asked for memory when the source read record [`WARM`], and the last one.
#[derive(Clone, Default)]
struct Readings(Arc<[OnceLock<usize>; 2]>);

impl Readings {
    fn read(&self, n: u64) {
        let reading = match n {
            WARM => &self.0[0],
            n if n == RECORDS - 1 => &self.0[1],
            _ => return,
        };
        let stats = ALLOCATOR.stats();
        reading.set(stats.allocations + stats.reallocations).expect("each number is read once");
    }

    /// The allocations between the two.
    fn between(&self) -> usize {
        let [warm, end] =
            [&self.0[0], &self.0[1]].map(|reading| *reading.get().expect("the source reads every number"));
        end - warm
    }
}

/// How many allocations a record costs beside those of run slices: what a job takes to start and to end is not counted.
fn per_record(build: Build) -> f64 {
    let (topology, readings) = (Topology::new("allocations"), Readings::default());
    build(&topology, readings.clone());
    let options = JobOptions::new().parallelism(1).without_checkpoints();
    let mut job = topology.start(options).expect("the plan is right");
    job.wait().expect("nothing fails in this topology");
    let view = job.view().expect("the job has run");
    let slices = view.subtasks.values().map(|subtask| subtask.slices).sum::<u64>();
    (readings.between() as f64 - (PER_SLICE * slices) as f64) / (RECORDS - 1 - WARM) as f64
}

/// Writes a job down.
type Build = fn(&Topology, Readings);

fn numbers(topology: &Topology, readings: Readings) -> Stream<impl Chain<Out = u64>> {
    let number = move |n| {
        readings.read(n);
        n
    };
    topology.source("numbers", Generator::new(RECORDS, number))
}

fn keyed(topology: &Topology, readings: Readings) -> KeyedStream<u64, u64> {
    numbers(topology, readings).key_by(|n| n % KEYS)
}

/// A hundred records per millisecond, and a watermark behind each ten thousand: it sends a batch that is not full.
fn timed(topology: &Topology, readings: Readings) -> KeyedStream<u64, u64> {
    let watermarks = Watermarks::punctuated(|n: &u64, time| (n % 10_000 == 9_999).then_some(time));
    numbers(topology, readings).event_time(watermarks, |n| n / 100).key_by(|n| n % KEYS)
}

fn end<T: 'static>(stream: Stream<impl Chain<Out = T>>) {
    stream.for_each("results", |result| {
        black_box(result);
    });
}

const JOBS: [(&str, Build); 8] = [
    ("map and filter", |t, r| end(numbers(t, r).map(|n| n * 3).filter(|n| n % 2 == 0))),
    ("rebalance", |t, r| end(numbers(t, r).rebalance())),
    ("count by integers", |t, r| end(keyed(t, r).count("state"))),
    ("fold", |t, r| end(keyed(t, r).fold("state", 0u64, |sum, n| *sum += n))),
    ("map_with_state", |t, r| end(keyed(t, r).map_with_state("state", |last: &mut u64, n| std::mem::replace(last, n)))),
    ("tumbling windows", |t, r| end(timed(t, r).window("state", Tumbling::of(100.millis())).aggregate(Count))),
    ("sliding windows", |t, r| {
        end(timed(t, r).window("state", Sliding::of(100.millis(), 20.millis())).aggregate(Count))
    }),
    ("sessions", |t, r| end(timed(t, r).window("state", Session::with_gap(1.seconds())).aggregate(Count))),
];

// One test: the allocator counts for the whole process, so nothing may run beside it.
#[test]
fn no_record_costs_an_allocation() {
    let strings: Build = |t, r| end(numbers(t, r).map(|n| format!("a string of its own for {n}")));
    assert!(per_record(strings) > 0.9, "allocations of records are not noticed");
    let costs = JOBS.map(|(name, build)| (name, per_record(build)));
    let strays = costs.iter().filter(|(_, cost)| *cost > PER_RECORD).collect::<Vec<_>>();
    assert!(strays.is_empty(), "allocations per record: {strays:?} of {costs:?}");
}
