//! The jobs whose instructions are counted: on one thread, without a clock, with the same work in every run.

use std::hint::black_box;
use std::time::Duration;

use compact_str::{CompactString, format_compact};
use millstream::actors::ids::{Attempt, CheckpointId};
use millstream::model::{KeyGroup, KeyGroupRange, MaxParallelism, hash_key};
use millstream::prelude::*;
use millstream::state::{StateDir, StateOptions, Table};

use millstream_benches::every_thousand::EveryThousand;

/// A job.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// How many records are so much work that the start, which is never twice the same, differs by less than a hundredth
    /// of it.
    pub(crate) records: u64,
    /// Runs it with so many records.
    pub(crate) run: fn(u64),
}

const KEYS: u64 = 1_000;

/// The jobs.
pub(crate) const JOBS: [Job; 8] = [
    Job { name: "chain of four", records: 1_000_000, run: chain },
    Job { name: "exchange", records: 500_000, run: exchange },
    Job { name: "count of integers", records: 200_000, run: count_of_integers },
    Job { name: "count of words", records: 100_000, run: count_of_words },
    Job { name: "tumbling windows", records: 100_000, run: tumbling },
    Job { name: "sliding windows", records: 100_000, run: sliding },
    Job { name: "sessions", records: 100_000, run: sessions },
    Job { name: "changelog", records: 100_000, run: changelog },
];

fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn key_of(n: u64) -> u64 {
    (mixed(n) * KEYS) >> 32
}

fn start(topology: &Topology) {
    // A slice that ends by the clock ends earlier on a slower machine, and a slice costs instructions.
    let options = JobOptions::new().parallelism(1).workers(1).without_checkpoints().run_slice(Duration::MAX);
    topology.start(options).expect("the plan is right").wait().expect("nothing fails in this topology");
}

fn end<T: 'static>(stream: Stream<impl Chain<Out = T>>) {
    stream.for_each("results", |result| {
        black_box(result);
    });
}

fn chain(records: u64) {
    let topology = Topology::new("chain");
    let numbers = topology.source("numbers", Generator::new(records, mixed));
    end(numbers.map(|n| n ^ (n >> 7)).filter(|n| n & 7 != 0).map(|n| n * 3).filter(|n| n & 3 != 1));
    start(&topology);
}

fn exchange(records: u64) {
    let topology = Topology::new("exchange");
    end(topology.source("numbers", Generator::new(records, mixed)).rebalance());
    start(&topology);
}

fn count_of_integers(records: u64) {
    let topology = Topology::new("integers");
    end(topology.source("numbers", Generator::new(records, key_of)).key_by(|key| *key).count("counts"));
    start(&topology);
}

fn count_of_words(records: u64) {
    let topology = Topology::new("words");
    let words = topology.source("words", Generator::new(records, |n| format_compact!("word{}", key_of(n))));
    end(words.key_by(CompactString::clone).count("counts"));
    start(&topology);
}

/// A hundred records per millisecond, by key.
fn timed(topology: &Topology, records: u64) -> KeyedStream<u64, u64> {
    topology
        .source("numbers", Generator::new(records, |n| n))
        .event_time(Watermarks::custom(EveryThousand::default), |n| n / 100)
        .key_by(|n| key_of(*n))
}

fn tumbling(records: u64) {
    let topology = Topology::new("tumbling");
    end(timed(&topology, records).window("counts", Tumbling::of(100.millis())).aggregate(Count));
    start(&topology);
}

fn sliding(records: u64) {
    let topology = Topology::new("sliding");
    end(timed(&topology, records).window("counts", Sliding::of(500.millis(), 100.millis())).aggregate(Count));
    start(&topology);
}

fn sessions(records: u64) {
    let topology = Topology::new("sessions");
    end(timed(&topology, records).window("counts", Session::with_gap(50.millis())).aggregate(Count));
    start(&topology);
}

/// So many new rows, and what a checkpoint writes of them. It does not come to the disk.
fn changelog(rows: u64) {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let options = StateOptions { memory_bytes: 1 << 30, ..StateOptions::default() };
    let state = StateDir::open(directory.path(), options).expect("the directory is new");
    let groups = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(127) };
    let max = MaxParallelism::try_from(128).expect("it is within the limit");
    let mut store = state.store("counts-0", Attempt(1), None, groups, max).expect("the directory is new");
    let mut counts: Table<u64, u64> = store.table("counts").expect("it is new");
    for key in 0..rows {
        counts.insert(hash_key(&key), &key, mixed(key)).expect("nothing is on disk");
    }
    store.barrier(CheckpointId(1), &mut counts).expect("nothing failed before");
    let persist = store.encode(usize::MAX, &mut counts).expect("numbers can be encoded");
    black_box(persist.is_some());
}
