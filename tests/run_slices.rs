//! What a job says of its run slices, and who decides how long they are.

mod rig;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use millstream::actors::observe::JobStatus;
use millstream::prelude::*;

/// How long the function of this test blocks, once.
const BLOCKED: Duration = Duration::from_millis(100);

#[test]
fn a_function_that_blocks_makes_a_slice_long_and_is_no_work() {
    let topology = Topology::new("a blocking function");
    topology
        .source("numbers", Generator::new(10_000, |number| number))
        .map(|number| {
            let (_nobody_sends, answers) = mpsc::channel::<()>();
            let waits = if number == 5_000 { BLOCKED } else { Duration::ZERO };
            assert_eq!(answers.recv_timeout(waits), Err(RecvTimeoutError::Timeout));
            number
        })
        .for_each("nothing", |_| {});
    let mut job = topology.start(rig::options(1)).expect("it must not fail");
    job.wait().expect("it must not fail");
    let view = job.view().expect("it had something to do");
    let slices = view.subtasks.values().map(|subtask| (subtask.longest_slice, subtask.longest_work));
    let (longest, work) = slices.max().expect("there is a subtask");
    assert!(longest >= BLOCKED, "{longest:?}");
    assert!(work < BLOCKED / 2, "{work:?} of {longest:?}");
    assert_eq!(work > Duration::ZERO, cfg!(target_os = "linux"), "{work:?}");
}

/// The run slices of a job of one subtask that end behind `time`.
fn slices_of(time: Duration, records: u64) -> u64 {
    let topology = Topology::new("numbers");
    topology.source("numbers", Generator::new(records, |number| number)).for_each("nothing", |_| {});
    let mut job = topology.start(rig::options(1).without_checkpoints().run_slice(time)).expect("it must not fail");
    job.wait().expect("it must not fail");
    let view = job.view().expect("it had something to do");
    assert_eq!(view.subtasks.len(), 1);
    view.subtasks.values().map(|subtask| subtask.slices).sum()
}

#[test]
fn a_slice_is_as_long_as_the_options_say() {
    let (records, most_records_of_a_chunk) = (100_000, 512);
    let shortest = slices_of(Duration::ZERO, records);
    assert!(shortest >= records / most_records_of_a_chunk, "{shortest} slices");
    let longest = slices_of(Duration::MAX, records);
    assert!(longest < 10, "{longest} slices");
}

#[test]
fn a_subtask_whose_slice_no_clock_ends_is_killed_all_the_same() {
    let topology = Topology::new("numbers without end");
    topology.source("numbers", Generator::new(u64::MAX, |number| number)).for_each("nothing", |_| {});
    let job = topology.start(rig::options(1).run_slice(Duration::MAX)).expect("it must not fail");
    job.wait_until(|view| view.attempt.as_ref()?.first_read);
    job.cancel();
    assert!(job.wait_for(Duration::from_secs(60)), "it reads on");
    assert_eq!(job.status(), JobStatus::Cancelled);
}
