//! Windows of a million keys: their table filled and taken, and whole jobs.
//!
//! `cargo bench --bench windows` measures all. `cargo bench --bench windows -- once KIND [name=number ...]` runs one job,
//! where `KIND` is `tumbling` (100 s), `sliding` (100 s, one per second) or `sessions` (gap 1 s), and names are `records`,
//! `keys` and `seconds` of event time: under a profiler, two runs with different `records` tell the instructions of one.

mod jobs;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use jobs::Case;
use millstream::actors::ids::Attempt;
use millstream::model::{KeyGroup, KeyGroupRange, MaxParallelism, hash_key};
use millstream::state::{StateDir, StateError, StateOptions, Store, WindowTable};

const KEYS: u64 = 1_000_000;
const SLICE: usize = 4096;

type Counts = WindowTable<i64, u64, u64>;

/// A store in a directory that goes with it.
fn open() -> (tempfile::TempDir, StateDir, Store) {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let options = StateOptions { memory_bytes: 1 << 30, ..StateOptions::default() };
    let state = StateDir::open(directory.path(), options).expect("the directory is new");
    let groups = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(127) };
    let max = MaxParallelism::try_from(128).expect("it is within the limit");
    let store = state.store("windows-0", Attempt(1), None, groups, max).expect("the directory is new");
    (directory, state, store)
}

/// Counts one record per key, in an order that no cache foresees.
fn fill(counts: &mut Counts, window: i64) {
    const AHEAD: u64 = 64;
    let key_of = |n: u64| n.wrapping_mul(0x9E37_79B1) % KEYS;
    for start in (0..KEYS).step_by(AHEAD as usize) {
        let keys = (start..KEYS.min(start + AHEAD)).map(key_of);
        counts.look_ahead(window, keys.clone().map(|key| hash_key(&key)));
        for key in keys {
            let count = counts.get_or_insert_with(window, hash_key(&key), &key, || 0);
            *count.expect("nothing is on disk") += 1;
        }
    }
}

fn take(counts: &mut Counts, window: i64) {
    let mut each = |_, key: &u64, count: u64| {
        black_box((key, count));
        Ok::<_, StateError>(())
    };
    while !counts.take(window, SLICE, &mut each).expect("nothing is on disk") {}
}

fn show(counts: &mut Counts, window: i64) {
    let mut each = |_, key: &u64, count: &u64| {
        black_box((key, count));
        Ok::<_, StateError>(())
    };
    while !counts.show(window, SLICE, &mut each).expect("nothing is on disk") {}
}

/// The time that `step` takes for each of `rounds` windows, between `before` and `after`.
fn measured(
    rounds: u64,
    counts: &mut Counts,
    before: impl Fn(&mut Counts, i64),
    step: impl Fn(&mut Counts, i64),
    after: impl Fn(&mut Counts, i64),
) -> Duration {
    let mut spent = Duration::ZERO;
    for window in 0..rounds as i64 {
        before(counts, window);
        let began = Instant::now();
        step(counts, window);
        spent += began.elapsed();
        after(counts, window);
    }
    spent
}

fn windows(criterion: &mut Criterion) {
    let (_directory, _state, mut store) = open();
    let mut counts = Counts::open(&mut store, "counts").expect("it is new");
    let mut group = criterion.benchmark_group("windows");
    group.sample_size(10).throughput(Throughput::Elements(KEYS));
    group.bench_function("first record of a key", |bench| {
        bench.iter_custom(|rounds| measured(rounds, &mut counts, |_, _| (), fill, take));
    });
    group.bench_function("second record of a key", |bench| {
        bench.iter_custom(|rounds| measured(rounds, &mut counts, fill, fill, take));
    });
    group.bench_function("show", |bench| {
        bench.iter_custom(|rounds| measured(rounds, &mut counts, fill, show, take));
    });
    group.bench_function("take", |bench| {
        bench.iter_custom(|rounds| measured(rounds, &mut counts, fill, take, |_, _| ()));
    });
    group.finish();
}

criterion_group!(benches, windows);

/// What is said of jobs when all is measured.
const JOBS: [&str; 6] = [
    "tumbling records=1000000 keys=1000000",
    "sliding records=1000000 keys=1000000 seconds=1",
    "sessions records=1000000 keys=1000000 seconds=1",
    "tumbling records=10000000 keys=1000 seconds=10",
    "sliding records=10000000 keys=1000 seconds=10",
    "sessions records=10000000 keys=1000 seconds=10",
];

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1).skip_while(|argument| argument.starts_with("--"));
    match arguments.next().as_deref() {
        Some("once") => {
            let words = arguments.filter(|argument| !argument.starts_with("--"));
            println!("{}", Case::parse(words)?.run()?);
        }
        _ => {
            benches();
            let is_test = std::env::args().any(|argument| argument == "--test");
            for job in JOBS.iter().filter(|_| !is_test) {
                println!("{}", Case::parse(job.split(' ').map(str::to_owned))?.run()?);
            }
        }
    }
    Ok(())
}
