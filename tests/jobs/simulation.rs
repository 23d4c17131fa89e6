//! What a simulated run proves: exact output under any faults, and the same run for the same seed.

use std::time::Duration;

use millstream::actors::faults::CrashPoint;
use millstream::prelude::*;
use millstream::testing::{Fault, Simulation, Target};

use crate::rig::effort::seeds;

const RECORDS: u64 = 1_000;
const KEYS: u64 = 20;

/// A source, a keyed count, an exactly-once sink.
fn counts() -> Topology {
    let topology = Topology::new("counts");
    topology
        .source("numbers", Generator::new(RECORDS, |number| number * 7 % KEYS))
        .key_by(|key| *key)
        .count("counts")
        .collect("results");
    topology
}

fn expected() -> Vec<(u64, u64)> {
    (0..KEYS).flat_map(|key| (1..=RECORDS / KEYS).map(move |count| (key, count))).collect()
}

#[test]
fn healthy_run_gives_what_the_oracle_gives() {
    let mut checkpoints = Vec::new();
    for seed in seeds(0..20) {
        let run = Simulation::new(counts(), seed).run();
        run.assert_output("results", &expected());
        assert_eq!((run.kills(), run.processes()), (0, 1), "seed {seed}");
        checkpoints.push(run.checkpoints().len());
    }
    assert!(checkpoints.iter().sum::<usize>() > 4 * checkpoints.len(), "{checkpoints:?}");
}

#[test]
fn output_is_exact_under_random_kills() {
    let expected = expected();
    let explored = Simulation::new(counts(), 0)
        .kill_randomly(3)
        .explore(seeds(0..200), |run| run.check_output_by("results", &expected, |(key, _)| *key));
    explored.assert_holds();
    println!("{explored:?}");
    assert!(explored.kills() > 200 && explored.restores() > 100, "{explored:?}");
}

#[test]
fn same_seed_is_the_same_run() {
    let run = |seed| Simulation::new(counts(), seed).kill_randomly(2).run();
    for seed in seeds(0..5) {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.trace().events(), second.trace().events(), "seed {seed}");
        assert_eq!(first.trace_hash(), second.trace_hash(), "seed {seed}");
        assert_eq!(first.state_digest(), second.state_digest(), "seed {seed}");
    }
    assert_ne!(run(1).trace_hash(), run(2).trace_hash());
}

/// Names the file in which a child process leaves its hashes.
const HASHES: &str = "MILLSTREAM_TEST_HASHES";

#[test]
fn same_seed_is_the_same_run_in_another_process() {
    let hashes = || {
        let run = |seed| Simulation::new(counts(), seed).kill_randomly(2).run();
        let hashes = |seed| (run(seed).trace_hash(), run(seed).state_digest());
        format!("{:x?}", (0..5).map(hashes).collect::<Vec<_>>())
    };
    if let Some(file) = std::env::var_os(HASHES) {
        return std::fs::write(file, hashes()).expect("the parent's directory is there");
    }
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let file = directory.path().join("hashes");
    let own = std::env::current_exe().expect("a test knows where it lies");
    let child = std::process::Command::new(own)
        .args(["--exact", concat!("jobs::simulation::", "same_seed_is_the_same_run_in_another_process")])
        .env(HASHES, &file)
        .output()
        .expect("a test can start itself");
    assert!(child.status.success(), "{child:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("the child has left its hashes"), hashes());
}

#[test]
fn every_kind_of_fault_strikes_and_is_survived() {
    let (subtask, block) = (Target::subtask("counts", 1), Target::block("results"));
    let late = Duration::from_secs(2);
    let faults = [
        Fault::kill(subtask.clone()).at(CrashPoint::AfterSnapshot),
        Fault::kill(subtask.clone()).at_record(100),
        Fault::kill(Target::block("counts")).at_record(100),
        Fault::kill(Target::Coordinator).at_checkpoint(2, CrashPoint::BeforePublish),
        Fault::kill(Target::Job).at_time(Duration::from_millis(40)),
        Fault::kill(Target::Job).at(CrashPoint::AfterPublish).nth(2),
        Fault::power_loss().at_checkpoint(2, CrashPoint::AfterPersist),
        Fault::panic(subtask.clone()).at_record(17),
        Fault::fail_write(Target::block("counts")).nth(3),
        Fault::fail_commit(block.clone()).nth(2),
        Fault::fail_publish().nth(2),
        Fault::slow_commit(block.clone(), late),
        Fault::slow_write(subtask.clone(), late),
        Fault::slow_publish(late),
        Fault::late_ack(subtask, late),
    ];
    for fault in faults {
        println!("{fault}");
        let run = Simulation::new(counts(), 3).fault(fault.clone()).run();
        run.assert_output("results", &expected());
        assert_eq!(run.struck().map(|(_, strikes)| strikes).collect::<Vec<_>>(), [1], "{fault}");
    }
}
