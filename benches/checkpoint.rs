//! A running count over a million keys with a durable checkpoint each 200 ms, beside the same job without.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::prelude::*;
use millstream_benches::micro::{print_ratio, run};

const RECORDS: u64 = 20_000_000;
const KEYS: u64 = 1_000_000;

fn topology() -> Topology {
    let topology = Topology::new("checkpoint");
    topology
        .source("keys", Generator::new(RECORDS, |n| ((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * KEYS) >> 32))
        .key_by(|key| *key)
        .count("counts")
        .for_each("results", |count| {
            black_box(count);
        });
    topology
}

fn with_checkpoints() -> JobOptions {
    JobOptions::new().parallelism(2).checkpoint_interval(Duration::from_millis(200))
}

fn without() -> JobOptions {
    JobOptions::new().parallelism(2).without_checkpoints()
}

fn checkpoint(criterion: &mut Criterion) {
    let topology = topology();
    let mut group = criterion.benchmark_group("checkpoint");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("each 200 ms", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| run(&topology, with_checkpoints())).sum());
    });
    group.bench_function("without", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| run(&topology, without())).sum());
    });
    group.finish();
    let (with, without) = (|| run(&topology, with_checkpoints()), || run(&topology, without()));
    print_ratio("checkpoint, where the loop is the job without checkpoints", with, without);
}

criterion_group!(benches, checkpoint);
criterion_main!(benches);
