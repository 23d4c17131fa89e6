//! Two senders and two receivers with records going from each to each by key, beside two threads with channels.

use std::hint::black_box;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::prelude::*;
use millstream_benches::micro::{print_ratio, run, timed};

const RECORDS: u64 = 20_000_000;
const BATCH: usize = 1024;

fn key_of(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

fn topology() -> Topology {
    let topology = Topology::new("exchange");
    topology
        .source("numbers", Generator::new(RECORDS, |n| n))
        .partition_by(|n, subtasks| key_of(*n) as usize % subtasks)
        .for_each("results", |n| {
            black_box(n);
        });
    topology
}

/// Four threads: two that make numbers, two that take them; batches of the same size through bounded channels.
fn by_hand() {
    thread::scope(|threads| {
        let (left, from_left) = sync_channel::<Vec<u64>>(16);
        let (right, from_right) = sync_channel::<Vec<u64>>(16);
        for receiver in [from_left, from_right] {
            threads.spawn(move || {
                receiver.into_iter().flatten().for_each(|n| {
                    black_box(n);
                })
            });
        }
        for first in 0..2 {
            let to = [left.clone(), right.clone()];
            threads.spawn(move || send_all(first, &to));
        }
    });
}

fn send_all(first: u64, to: &[SyncSender<Vec<u64>>; 2]) {
    let mut batches = [Vec::with_capacity(BATCH), Vec::with_capacity(BATCH)];
    for n in (first..RECORDS).step_by(2) {
        let receiver = key_of(n) as usize % 2;
        batches[receiver].push(n);
        if batches[receiver].len() == BATCH {
            let batch = std::mem::replace(&mut batches[receiver], Vec::with_capacity(BATCH));
            to[receiver].send(batch).expect("the receiver lives as long as its senders");
        }
    }
    for (batch, to) in batches.into_iter().zip(to) {
        to.send(batch).expect("the receiver lives as long as its senders");
    }
}

fn options() -> JobOptions {
    JobOptions::new().parallelism(2).without_checkpoints()
}

fn exchange(criterion: &mut Criterion) {
    let topology = topology();
    let mut group = criterion.benchmark_group("exchange");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("topology", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| run(&topology, options())).sum());
    });
    group.bench_function("by hand", |bench| bench.iter(by_hand));
    group.finish();
    print_ratio("exchange", || run(&topology, options()), || timed(by_hand));
}

criterion_group!(benches, exchange);
criterion_main!(benches);
