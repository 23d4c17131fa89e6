//! What operators count, by uid: exact under kills, shown by subtask, and kept by a job that has finished.

use millstream::metrics::{Counter, CounterName};
use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, States};
use millstream::prelude::*;
use millstream::testing::Simulation;

const LARGE: CounterName = CounterName::new("test.large", "Numbers of 500 and more.");

struct Watch(Counter);

impl KeyedProcess<u64, u64> for Watch {
    type Out = u64;

    fn on_record<E: Emit<u64>>(
        &mut self,
        record: Record<u64>,
        _context: &mut KeyContext<'_, u64>,
        out: &mut E,
    ) -> Result<()> {
        self.0.add(u64::from(record.value >= 500));
        out.emit(record)
    }
}

/// Of the numbers below 1,000, half are filtered in the source's block, and a fifth of the rest in the next one.
fn counting() -> Topology {
    let topology = Topology::new("counting");
    topology
        .source("numbers", Collection::of(0..1000u64))
        .filter(|n| n % 2 == 0)
        .rebalance()
        .filter(|n| n % 5 != 0)
        .key_by(|n| n % 7)
        .process("watch", |states: &mut States<'_, u64>| Ok(Watch(states.subtask().counter(LARGE))))
        .discard("nowhere");
    topology
}

#[test]
fn counts_of_each_uid_are_exact_under_kills() {
    for seed in 0..20 {
        let run = Simulation::new(counting(), seed).kill_randomly(3).run();
        run.check_end().unwrap_or_else(|mismatch| panic!("{mismatch}"));
        let counts = run.counters();
        let found = counts.iter().collect::<Vec<_>>();
        let expected = [
            ("nowhere", "records.out", 400),
            ("numbers", "input.progress", 1000),
            ("numbers", "records.filtered", 600),
            ("numbers", "records.in", 1000),
            ("watch", "test.large", 200),
        ];
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn metrics_are_shown_by_subtask_and_of_a_finished_job_by_uid() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let options = || JobOptions::new().parallelism(2).state_dir(state.path());
    let mut job = counting().start(options()).expect("the plan is right");
    job.wait().expect("it must not fail");
    let samples = job.metrics();
    assert!(samples.is_sorted(), "{samples:#?}");
    let large = samples.iter().filter(|sample| *sample.name == *LARGE.name()).collect::<Vec<_>>();
    assert_eq!(large.iter().map(|sample| sample.subtask).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert_eq!(large.iter().map(|sample| sample.value).sum::<u64>(), 200);
    drop(job);

    let again = counting().start(options()).expect("the plan is right");
    assert!(again.had_finished());
    let samples = again.metrics();
    let large = samples.iter().find(|sample| *sample.name == *LARGE.name()).expect("it was counted");
    assert_eq!((&*large.uid, large.subtask, large.value), ("watch", None, 200));
    assert_eq!((again.ledger().filtered, again.ledger().records_in), (600, 1000));
}
