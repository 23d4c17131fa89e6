//! The ends of a job: of its input, by a stop, by a cancellation; and what a later start makes of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::actors::faults::CrashPoint;
use millstream::actors::ids::{CheckpointId, SubtaskId};
use millstream::actors::observe::{JobEventKind, JobStatus};
use millstream::prelude::*;

use crate::rig::{self, StrikeOnce, Tap, Tapped};

/// Too long for any periodic checkpoint to be taken.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// Running counts of `records` numbers by their last digit.
fn counting(records: u64, tap: &Tap) -> (Topology, Collected<(u64, u64)>) {
    let topology = Topology::new("counting");
    let numbers = topology.source("numbers", Tapped::new(records, tap, |number| number));
    let counts = numbers.key_by(|number| number % 10).count("counts").collect("results");
    (topology, counts)
}

fn expected(records: u64) -> Vec<(u64, u64)> {
    rig::running_counts((0..records).map(|number| number % 10))
}

#[test]
fn a_final_checkpoint_commits_everything_when_no_other_was_taken() {
    let (tap, options) = (Tap::default(), rig::options(2).checkpoint_interval(AN_HOUR));
    let (topology, counts) = counting(100, &tap);
    tap.open();
    let mut job = topology.start(options).unwrap();
    let ledger = job.wait().unwrap();

    assert_eq!((job.status(), job.checkpoints().len()), (JobStatus::Finished, 1));
    assert_eq!((ledger.records_in, ledger.records_out, ledger.checkpoints), (100, 100, 1));
    rig::assert_output(counts.take(), &expected(100), "one final checkpoint");
}

#[test]
fn nothing_is_visible_before_the_checkpoint_behind_it() {
    let (tap, options) = (Tap::default(), rig::options(1).checkpoint_interval(AN_HOUR));
    let (topology, counts) = counting(100, &tap);
    tap.release(100);
    let mut job = topology.start(options).unwrap();
    rig::wait_until(&job, "the first record", |view| {
        view.attempt.as_ref().is_some_and(|first| first.first_record.is_some())
    });
    assert_eq!(counts.len(), 0);
    tap.open();
    job.wait().unwrap();
    assert_eq!(counts.len(), 100);
}

#[test]
fn an_empty_input_ends_at_once() {
    let tap = Tap::default();
    tap.open();
    let (topology, counts) = counting(0, &tap);
    let mut job = topology.start(rig::options(2).checkpoint_interval(AN_HOUR)).unwrap();
    let ledger = job.wait().unwrap();
    assert_eq!((job.status(), ledger.records_in, counts.take()), (JobStatus::Finished, 0, vec![]));
}

#[test]
fn a_finished_source_is_not_read_again_after_a_restart() {
    let (tap, topology) = (Tap::default(), Topology::new("bounded and unbounded"));
    let reads = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reads);
    let bounded = topology.source("bounded", Collection::of(0..10u64)).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let unbounded = topology.source("unbounded", Tapped::new(500, &tap, |number| number));
    let sums =
        bounded.union(unbounded).key_by(|_| ()).sum("sum", |number| *number).map(|((), sum)| sum).collect("sums");
    let mut job = topology.start(rig::options(1)).unwrap();

    // Once the subtask of the bounded source has reported its end, the next two checkpoints hold it as finished.
    let bounded = SubtaskId::new(0, 0);
    let drained = rig::wait_until(&job, "the end of the bounded source", |view| {
        view.subtasks.get(&bounded).is_some_and(|subtask| subtask.drained)
    });
    let used = rig::wait_for_checkpoints(&job, "after the end", drained.completed + 2);
    tap.release(250);
    let victim = job.subtasks().pop();
    job.kill(victim.expect("there are subtasks"));
    rig::wait_until(&job, "a second attempt", |view| view.attempts == 2);
    tap.open();
    job.wait().unwrap();

    rig::assert_killed(&rig::attempt(&job, 0), victim, "the sum");
    rig::assert_restored(&rig::attempt(&job, 1), used, "the sum");
    assert_eq!(reads.load(Ordering::SeqCst), 10, "reads of the bounded source");
    let (mut sums, total) = (sums.take(), 10 * 9 / 2 + 500 * 499 / 2);
    assert_eq!((sums.len(), sums.iter().max()), (510, Some(&total)));
    sums.dedup();
    assert!(sums.is_sorted() && sums.len() >= 508, "each record but the two zeros adds something, once");
}

fn is_failure(kind: &JobEventKind) -> bool {
    matches!(kind, JobEventKind::AttemptFailed { .. })
}

#[test]
fn a_kill_in_the_middle_of_an_alignment_doubles_nothing() {
    // The victim has two input channels: it dies with the barrier of one in hand, and that of the other to come.
    let victim = Some(SubtaskId::new(1, 0));
    let (tap, strike) = (Tap::default(), StrikeOnce::at(victim, CrashPoint::Aligning));
    let (topology, counts) = counting(600, &tap);
    let mut job = topology.start(rig::options(2).faults(strike.clone())).unwrap();
    tap.release(300);
    let used = rig::wait_for_checkpoints(&job, "before the kill", 2);
    strike.arm();
    rig::wait_until(&job, "a second attempt", |view| view.attempts == 2);
    tap.open();
    job.wait().unwrap();

    assert_eq!(strike.count(), 1);
    rig::assert_killed(&rig::attempt(&job, 0), victim, "aligning");
    rig::assert_restored(&rig::attempt(&job, 1), used, "aligning");
    // The half-aligned checkpoint was never completed: the restart is from the last one that was.
    let events = job.events_since(0);
    assert_eq!(events.missed, 0);
    let before = events.events.iter().take_while(|event| !is_failure(&event.kind));
    let completed = before.filter_map(|event| match &event.kind {
        JobEventKind::CheckpointCompleted(taken) => Some(taken.checkpoint),
        _ => None,
    });
    assert_eq!(rig::attempt(&job, 1).restored_from, completed.last());
    rig::assert_output(counts.take(), &expected(600), "aligning");
}

#[test]
fn a_stop_ends_an_endless_source_behind_a_final_checkpoint() {
    let topology = Topology::new("bounded and endless");
    let bounded = topology.source("bounded", Collection::of(0..10u64));
    let endless = topology.source("endless", Generator::endless(|number| 10 + number));
    let numbers = bounded.union(endless).collect("numbers");
    let mut job = topology.start(rig::options(2)).unwrap();
    rig::wait_for_checkpoints(&job, "before the stop", 2);
    job.stop();
    let ledger = job.wait().unwrap();

    let last = job.checkpoints().last().map(|last| last.checkpoint);
    assert_eq!(job.status(), JobStatus::Stopped(last.expect("a stop takes a checkpoint")));
    // Whatever was read before the stop is committed by it: of each split, all numbers up to somewhere.
    let mut numbers = numbers.take();
    numbers.sort_unstable();
    assert_eq!((ledger.records_in, ledger.records_out), (numbers.len() as u64, numbers.len() as u64));
    assert!(numbers.len() > 10);
    for split in 0..2 {
        let of_split = numbers.iter().copied().filter(|number| number % 2 == split).collect::<Vec<_>>();
        assert_eq!(of_split, (split..).step_by(2).take(of_split.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_start_after_a_stop_resumes_and_one_after_the_end_says_so() {
    let state = tempfile::tempdir().unwrap();
    let (tap, options) = (Tap::default(), || rig::options(2).state_dir(state.path()));
    let (topology, first) = counting(900, &tap);
    let mut job = topology.start(options()).unwrap();
    assert_eq!((job.resumed_from(), job.had_finished()), (None, false));
    tap.release(400);
    rig::wait_for_checkpoints(&job, "before the stop", 3);
    job.stop();
    let stopped = job.wait().unwrap();
    let last = job.checkpoints().last().map(|last| last.checkpoint).expect("a stop takes a checkpoint");
    assert_eq!(job.status(), JobStatus::Stopped(last));
    assert_eq!(stopped.records_out, first.len() as u64);
    drop(job);

    tap.open();
    let (topology, second) = counting(900, &tap);
    let mut job = topology.start(options()).unwrap();
    assert_eq!((job.resumed_from(), job.had_finished()), (Some(last), false));
    let finished = job.wait().unwrap();
    assert_eq!(rig::attempt(&job, 0).restored_from, Some(last));
    assert_eq!((finished.records_in, finished.records_out), (900, 900));
    let output = first.take().into_iter().chain(second.take()).collect();
    rig::assert_output(output, &expected(900), "both starts together");
    drop(job);

    let (topology, third) = counting(900, &tap);
    let mut job = topology.start(options()).unwrap();
    assert!(job.had_finished());
    let ledger = job.wait().unwrap();
    assert_eq!((job.status(), ledger.records_in, third.len()), (JobStatus::Finished, 900, 0));
    drop(job);

    let (topology, fresh) = counting(900, &tap);
    let mut job = topology.start(options().fresh(true)).unwrap();
    assert_eq!((job.resumed_from(), job.had_finished()), (None, false));
    job.wait().unwrap();
    rig::assert_output(fresh.take(), &expected(900), "a fresh start");
}

#[test]
fn a_cancelled_job_resumes_from_its_last_completed_checkpoint() {
    let state = tempfile::tempdir().unwrap();
    let (tap, options) = (Tap::default(), || rig::options(2).state_dir(state.path()));
    let (topology, first) = counting(900, &tap);
    let mut job = topology.start(options()).unwrap();
    tap.release(400);
    let seen = rig::wait_for_checkpoints(&job, "before the cancellation", 2);
    job.cancel();
    job.wait().unwrap();
    assert_eq!(job.status(), JobStatus::Cancelled);
    // The last view: a checkpoint may be published and not announced, so the directory knows at least this one.
    let last = job.checkpoints().last().map_or(seen, |last| last.checkpoint);
    drop(job);

    tap.open();
    let (topology, second) = counting(900, &tap);
    let mut job = topology.start(options()).unwrap();
    assert!(job.resumed_from() >= Some(last), "{:?} is before {last}", job.resumed_from());
    job.wait().unwrap();
    let (committed, rest) = (first.take(), second.take());
    // What the first job had committed is not repeated. What it had sealed but not committed went with its memory:
    // only a sink outside of the job can hand it over.
    let mut output = committed.iter().chain(&rest).copied().collect::<Vec<_>>();
    output.sort_unstable();
    let (everything, visible) = (expected(900), output.len());
    output.dedup();
    assert_eq!(output.len(), visible, "a record is visible twice");
    assert!(output.iter().all(|record| everything.binary_search(record).is_ok()));
}

#[test]
fn a_dropped_job_is_cancelled_and_its_threads_are_gone() {
    let state = tempfile::tempdir().unwrap();
    let topology = Topology::new("endless");
    topology.source("endless", Generator::endless(|number| number)).discard("nowhere");
    for start in 0..3 {
        // A state directory belongs to one process and job at a time: that the next start gets it shows that the one
        // before has ended.
        let job = topology.start(rig::options(2).state_dir(state.path())).unwrap();
        rig::wait_for_checkpoints(&job, format!("start {start}"), 1);
        assert_eq!(job.resumed_from().is_some(), start > 0);
    }
}

#[test]
fn a_stop_in_the_middle_of_a_restart_still_ends_the_job_behind_a_checkpoint() {
    let tap = Tap::default();
    let (topology, counts) = counting(900, &tap);
    let mut job = topology.start(rig::options(2)).unwrap();
    tap.release(400);
    rig::wait_for_checkpoints(&job, "before the kill", 2);
    let victim = SubtaskId::new(1, 1);
    job.kill(victim);
    job.stop();
    let ledger = job.wait().unwrap();

    let last = job.checkpoints().last().map_or(CheckpointId(0), |last| last.checkpoint);
    assert_eq!(job.status(), JobStatus::Stopped(last));
    // Which came first is left open; in either order, what is visible is a prefix of each key's counts.
    assert!(job.attempts().len() <= 2, "{:#?}", job.attempts());
    let mut counts = counts.take();
    counts.sort_unstable();
    assert_eq!(counts.len() as u64, ledger.records_out);
    let keys = counts.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    assert_eq!(counts, rig::running_counts(keys));
}
