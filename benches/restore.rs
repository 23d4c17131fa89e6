//! From a failure to the first result behind it: state of one and of ten million keys, of which 100,000 change between
//! two checkpoints, two seconds apart.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use millstream::actors::ids::SubtaskId;
use millstream::prelude::*;

const CHANGES_PER_CHECKPOINT: u64 = 100_000;
const INTERVAL: Duration = Duration::from_secs(2);

/// A job whose state is filled, and which changes as fast as the bench wants.
struct Filled {
    job: JobHandle,
    counts: SubtaskId,
}

fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

impl Filled {
    /// Starts a job that writes each of `keys` once and then goes on changing some of them.
    fn with(keys: u64) -> Self {
        let topology = Topology::new("restore");
        let rate = CHANGES_PER_CHECKPOINT * 1000 / INTERVAL.as_millis() as u64;
        let all = topology.source("each key once", Generator::new(keys, |n| n));
        let some =
            topology.source("changes", Generator::endless(move |n| ((mixed(n) >> 32) * keys) >> 32).at_rate(rate));
        all.union(some).key_by(|key| *key).count("counts").for_each("results", |count| {
            black_box(count);
        });
        let restart = RestartPolicy::FixedDelay { attempts: None, delay: Duration::ZERO };
        let options = JobOptions::new().parallelism(2).checkpoint_interval(INTERVAL).restart(restart);
        let job = topology.start(options.state_memory(4 << 30)).expect("the plan is right");
        let counts = *job.subtasks().last().expect("the plan has subtasks");
        let filled = Self { job, counts };
        // The first source's subtasks say that they have drained when every key is written; from then on only what
        // changes is in checkpoints, until what was written first is folded away.
        filled.job.wait_until(|job| {
            let drained = job.subtasks.values().filter(|subtask| subtask.drained).count();
            (drained >= 2 || job.status.is_final()).then_some(())
        });
        filled.wait_until_settled(keys);
        filled
    }

    /// Waits for as many checkpoints as folding `keys` rows takes by far: from then on the changelog holds what changes.
    fn wait_until_settled(&self, keys: u64) {
        let enough = self.job.ledger().checkpoints + 4 + 2 * (keys / 1_000_000);
        self.job.wait_until(|job| (job.completed >= enough || job.status.is_final()).then_some(()));
    }

    /// Kills a subtask with state; gives the time from its death to the first result behind the restore.
    fn restart(&self) -> Duration {
        let restarts = self.job.ledger().restarts;
        self.job.kill(self.counts);
        let restarted = self.job.wait_until(|job| {
            let next = job.attempt.as_ref().filter(|_| job.restarts() > restarts)?;
            Some(next.first_record?.since(next.began))
        });
        let restarted = restarted.expect("the job goes on for ever");
        // The next death finds the changelog as this one did.
        self.wait_until_settled(0);
        restarted
    }
}

fn restore(criterion: &mut Criterion) {
    let mut medians = Vec::new();
    let mut group = criterion.benchmark_group("restore");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_nanos(1));
    for keys in [1_000_000, 10_000_000] {
        let filled = Filled::with(keys);
        let mut restarts = Vec::new();
        group.bench_function(format!("{keys} keys"), |bench| {
            bench.iter_custom(|rounds| {
                let first = restarts.len();
                restarts.extend((0..rounds).map(|_| filled.restart()));
                restarts[first..].iter().sum()
            });
        });
        restarts.sort_unstable();
        let (least, median, greatest) = (restarts[0], restarts[restarts.len() / 2], restarts[restarts.len() - 1]);
        println!("restore, {keys} keys: {median:.1?} ({least:.1?} to {greatest:.1?})");
        medians.push(median);
    }
    group.finish();
    let ratio = medians[1].as_secs_f64() / medians[0].as_secs_f64();
    println!("restore: ten times the state takes {ratio:.2} times as long");
}

criterion_group!(benches, restore);
criterion_main!(benches);
