//! Four fused operators between a source and a sink, beside the same four steps in a loop.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::prelude::*;
use millstream_benches::micro::{print_ratio, run, timed};

const RECORDS: u64 = 20_000_000;

fn topology() -> Topology {
    let topology = Topology::new("chain");
    topology
        .source("numbers", Generator::new(RECORDS, |n| n))
        .map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .filter(|n| n & 7 != 0)
        .map(|n| n ^ (n >> 29))
        .filter(|n| n & 3 != 1)
        .for_each("results", |n| {
            black_box(n);
        });
    topology
}

fn by_hand() {
    for n in 0..RECORDS {
        let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        if n & 7 != 0 {
            let n = n ^ (n >> 29);
            if n & 3 != 1 {
                black_box(n);
            }
        }
    }
}

fn options() -> JobOptions {
    JobOptions::new().parallelism(1).without_checkpoints()
}

fn chain(criterion: &mut Criterion) {
    let topology = topology();
    let mut group = criterion.benchmark_group("chain");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("topology", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| run(&topology, options())).sum());
    });
    group.bench_function("by hand", |bench| bench.iter(by_hand));
    group.finish();
    print_ratio("chain", || run(&topology, options()), || timed(by_hand));
}

criterion_group!(benches, chain);
criterion_main!(benches);
