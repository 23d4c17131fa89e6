//! Runs topologies for the micro-benchmarks, and measures them from their first record to their end.

use std::time::Duration;

use millstream::prelude::*;

/// Runs `topology` to its end.
pub fn run(topology: &Topology, options: JobOptions) -> Duration {
    let mut job = topology.start(options).expect("the plan is right and the temporary directory can be used");
    job.wait().expect("nothing fails in this topology");
    let view = job.view().expect("a job in a temporary directory cannot have finished before");
    let first = job.attempts().iter().find_map(|attempt| attempt.first_read);
    let ended = view.ended.expect("the job has ended");
    ended.since(first.expect("the source has records"))
}
