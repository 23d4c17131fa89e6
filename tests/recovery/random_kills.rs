//! Actors die at random moments, drawn from printed seeds, and user functions fail: the output stays exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use millstream::actors::error::{Failure, FailureKind};
use millstream::actors::observe::JobStatus;
use millstream::prelude::*;

use crate::rig::effort::seeds;
use crate::rig::{self, Seeded, Tap, Tapped};

/// A counting job, and how often it is killed.
#[derive(Clone, Copy)]
struct Case {
    parallelism: u32,
    records: u64,
    keys: u64,
    kills: usize,
}

/// The key of a record: all keys occur, in an order that no split knows.
fn key_of(record: u64, keys: u64) -> u64 {
    record.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) % keys
}

fn counting(case: Case, tap: &Tap) -> (Topology, Collected<(u64, u64)>) {
    let topology = Topology::new("random kills");
    let counts = topology
        .source("numbers", Tapped::new(case.records, tap, |number| number))
        .rebalance()
        .filter(|number| number % 10 != 9)
        .key_by(move |number| key_of(*number, case.keys))
        .count("counts")
        .collect("results");
    (topology, counts)
}

/// Kills random actors, each after a random number of checkpoints, and proves what a recovery must prove.
fn survive(case: Case, seed: u64) {
    let mut random = Seeded::new(seed);
    let (tap, what) = (Tap::default(), format!("seed {seed}"));
    let (topology, counts) = counting(case, &tap);
    let mut job = topology.start(rig::options(case.parallelism)).expect("it must not fail");
    let subtasks = job.subtasks();
    let mut deaths = Vec::new();
    for kill in 0..case.kills {
        // The first kill waits for a checkpoint; a later one may come before its attempt has completed any.
        let checkpoints = random.below(3) + u64::from(kill == 0);
        let view = rig::wait_until(&job, &what, |view| {
            view.status == JobStatus::Running
                && view.attempts == kill as u64 + 1
                && view.attempt.as_ref().is_some_and(|attempt| attempt.completed >= checkpoints)
        });
        tap.release(case.records * (kill as u64 + 1) / (case.kills as u64 + 1));
        let victim = subtasks.get(random.below(subtasks.len() as u64 + 1) as usize).copied();
        match victim {
            Some(subtask) => job.kill(subtask),
            None => job.kill_coordinator(),
        }
        let completed = view.latest.expect("the first kill waited for one").checkpoint;
        deaths.push((victim, completed));
        rig::wait_until(&job, &what, |view| view.attempts > kill as u64 + 1);
    }
    tap.open();
    let ledger = job.wait().expect("it must not fail");

    assert_eq!(ledger.restarts as usize, case.kills, "{what}");
    for (number, (victim, completed)) in deaths.into_iter().enumerate() {
        let what = format!("{what}, kill {number} of {}", rig::name_of(victim));
        rig::assert_killed(&rig::attempt(&job, number), victim, &what);
        rig::assert_restored(&rig::attempt(&job, number + 1), completed, &what);
    }
    let passed = (0..case.records).filter(|number| number % 10 != 9);
    let expected = rig::running_counts(passed.map(|number| key_of(number, case.keys)));
    rig::assert_output(counts.take(), &expected, &what);
    // Records count once, however often they are read.
    let filtered = case.records - expected.len() as u64;
    assert_eq!((ledger.records_in, ledger.records_out), (case.records, expected.len() as u64), "{what}");
    assert_eq!(ledger.filtered, filtered, "{what}");
}

#[test]
fn counts_are_exact_at_parallelism_1() {
    for seed in seeds(1..4) {
        survive(Case { parallelism: 1, records: 3_000, keys: 100, kills: 5 }, seed);
    }
}

#[test]
fn counts_are_exact_at_parallelism_2() {
    for seed in seeds(11..16) {
        survive(Case { parallelism: 2, records: 3_000, keys: 100, kills: 5 }, seed);
    }
}

#[test]
fn counts_are_exact_at_parallelism_8() {
    for seed in seeds(21..23) {
        survive(Case { parallelism: 8, records: 3_000, keys: 100, kills: 4 }, seed);
    }
}

#[test]
fn counts_are_exact_when_one_key_has_all_records() {
    survive(Case { parallelism: 2, records: 3_000, keys: 1, kills: 5 }, 31);
}

#[test]
fn counts_are_exact_with_ten_thousand_keys() {
    survive(Case { parallelism: 2, records: 20_000, keys: 10_000, kills: 5 }, 41);
}

#[test]
fn an_empty_input_survives_kills_and_ends() {
    survive(Case { parallelism: 2, records: 0, keys: 1, kills: 3 }, 51);
}

// ---- failures of user functions ----

const RECORDS: u64 = 1_000;

/// Runs a job over `RECORDS` numbers, of which the last flows only after two checkpoints, and in whose function
/// `spoil` fails once, at that last number. Gives the failure that ended the first attempt.
fn fail_once(spoil: impl Fn(u64) -> Result<u64, String> + Clone + Send + 'static) -> Failure {
    let (tap, topology) = (Tap::default(), Topology::new("fails once"));
    let pending = Arc::new(AtomicBool::new(true));
    let counts = topology
        .source("numbers", Tapped::new(RECORDS, &tap, |number| number))
        .try_map(move |number| {
            let fails = number == RECORDS - 1 && pending.swap(false, Ordering::SeqCst);
            if fails { spoil(number) } else { Ok(number) }
        })
        .key_by(|number| number % 10)
        .count("counts")
        .collect("results");
    let mut job = topology.start(rig::options(2)).expect("it must not fail");
    tap.release(RECORDS - 1);
    let used = rig::wait_for_checkpoints(&job, "before the failure", 2);
    tap.open();
    assert_eq!(job.wait().expect("it must not fail").restarts, 1);

    rig::assert_restored(&rig::attempt(&job, 1), used, "after the failure");
    rig::assert_output(
        counts.take(),
        &rig::running_counts((0..RECORDS).map(|number| number % 10)),
        "after the failure",
    );
    rig::attempt(&job, 0).failure.expect("the first attempt failed")
}

#[test]
fn a_panic_in_a_user_function_restarts_the_job_and_the_output_stays_exact() {
    let failure = fail_once(|number| panic!("cannot digest {number}"));
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Panic, "cannot digest 999"));
    assert_eq!(failure.subtask.map(|subtask| subtask.block.0), Some(0), "{failure}");
}

#[test]
fn an_error_of_a_user_function_restarts_the_job_and_the_output_stays_exact() {
    let failure = fail_once(|number| Err(format!("cannot digest {number}")));
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Error, "cannot digest 999"));
    assert_eq!((failure.operator.as_str(), failure.subtask.map(|subtask| subtask.block.0)), ("try_map", Some(0)));
}

// ---- restart policies ----

/// Runs a job that always fails under `policy`; gives its error in words, and the number of attempts.
fn fail_always(policy: RestartPolicy) -> (String, usize) {
    let (topology, calls) = (Topology::new("always fails"), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&calls);
    topology
        .source("numbers", Collection::of(0..10))
        .try_map(move |number| {
            count.fetch_add(1, Ordering::SeqCst);
            if number == 3 { Err("three is not allowed") } else { Ok(number) }
        })
        .discard("nowhere");
    let mut job = topology.start(JobOptions::new().parallelism(1).restart(policy)).expect("it must not fail");
    let error = job.wait().expect_err("it must fail").to_string();
    assert_eq!(calls.load(Ordering::SeqCst) as usize, 4 * job.attempts().len(), "each attempt comes as far as 3");
    (error, job.attempts().len())
}

#[test]
fn without_restarts_the_first_failure_is_final_and_names_its_cause() {
    let (error, attempts) = fail_always(RestartPolicy::None);
    assert_eq!(attempts, 1);
    assert_eq!(error, "subtask 0.0 of 'try_map': three is not allowed; recovery is suppressed by no restart");
}

#[test]
fn a_fixed_delay_gives_up_after_its_attempts_with_the_last_cause() {
    let (error, attempts) =
        fail_always(RestartPolicy::FixedDelay { attempts: Some(3), delay: Duration::from_millis(1) });
    assert_eq!(attempts, 4);
    assert_eq!(
        error,
        "subtask 0.0 of 'try_map': three is not allowed; recovery is suppressed by fixed delay of 1ms, restart limit 3"
    );
}

#[test]
fn a_failure_rate_gives_up_when_failures_come_too_fast() {
    let per = Duration::from_secs(3600);
    let (error, attempts) = fail_always(RestartPolicy::FailureRate { max_failures: 2, per, delay: Duration::ZERO });
    assert_eq!(attempts, 3);
    assert!(error.ends_with("recovery is suppressed by failure rate of at most 2 per 3600s, delay of 0ns"), "{error}");
}
