//! A running count per key on one subtask, beside the same count in a hash map of the standard library's interface.

use std::hash::BuildHasherDefault;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::model::StableHasher;
use millstream::prelude::*;
use millstream_benches::micro::{print_ratio, run, timed};

const RECORDS: u64 = 10_000_000;
const KEYS: u64 = 500_000;

/// Keys in an order that no cache foresees.
fn key_of(n: u64) -> u64 {
    ((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * KEYS) >> 32
}

fn topology() -> Topology {
    let topology = Topology::new("state");
    topology.source("keys", Generator::new(RECORDS, key_of)).key_by(|key| *key).count("counts").for_each(
        "results",
        |count| {
            black_box(count);
        },
    );
    topology
}

fn by_hand() {
    let mut counts = hashbrown::HashMap::<u64, u64, BuildHasherDefault<StableHasher>>::default();
    for n in 0..RECORDS {
        let key = key_of(n);
        let count = counts.entry(key).or_insert(0);
        *count += 1;
        black_box((key, *count));
    }
}

fn options() -> JobOptions {
    JobOptions::new().parallelism(1).without_checkpoints()
}

fn state(criterion: &mut Criterion) {
    let topology = topology();
    let mut group = criterion.benchmark_group("state");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("topology", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| run(&topology, options())).sum());
    });
    group.bench_function("by hand", |bench| bench.iter(by_hand));
    group.finish();
    print_ratio("state", || run(&topology, options()), || timed(by_hand));
}

criterion_group!(benches, state);
criterion_main!(benches);
