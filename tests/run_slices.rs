//! What a job says of its run slices.

mod rig;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

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
