//! Compares what a query gives with what its reference gives.

use millstream::actors::observe::JobView;
use millstream::prelude::*;
use millstream::testing::Simulation;

use super::query::{Nexmark, Query, events_of, results};

/// The uid of the sink.
const SINK: &str = "results";

/// Runs `Q` as a job, lets one of its subtasks die in the middle for each of `kills`, and compares.
///
/// # Errors
/// A sentence, if the results are not those of the reference, or the job fails.
pub(crate) fn job<Q: Query>(source: Nexmark, options: JobOptions, kills: usize) -> Result<String, String> {
    let (topology, stream) = results::<Q>(source);
    let given = stream.collect(SINK);
    let mut job = topology.start(options).map_err(|error| error.to_string())?;
    for kill in 0..kills {
        // Each attempt completes a checkpoint before something of it dies, so that the next one begins with that.
        let is_due = |view: &JobView| {
            let attempt = view.attempts.get(kill).map(|attempt| attempt.attempt);
            let has_checkpoint = view.checkpoints.iter().any(|checkpoint| Some(checkpoint.attempt) == attempt);
            (view.status.is_final() || has_checkpoint).then_some(())
        };
        job.wait_until(is_due);
        let victims = job.subtasks();
        job.kill(victims[(7 * kill + 1) % victims.len()]);
    }
    let ledger = job.wait().map_err(|error| error.to_string())?;
    let rows = compare::<Q>(source, given.take())?;
    Ok(format!("{}: {rows} results are right, after {} restarts", Q::NAME, ledger.restarts))
}

/// Runs `Q` in simulation, in which `kills` kills are drawn from `seed`, and compares. Gives how often it was restored from a
/// checkpoint.
///
/// # Errors
/// A sentence, if the results are not those of the reference, or the job fails.
pub(crate) fn simulation<Q: Query>(source: Nexmark, seed: u64, kills: usize) -> Result<usize, String> {
    let (topology, stream) = results::<Q>(source);
    stream.collect(SINK);
    let run = Simulation::new(topology, seed).kill_randomly(kills).run();
    run.check_end().map_err(|mismatch| format!("{} with seed {seed}: {mismatch}", Q::NAME))?;
    compare::<Q>(source, run.output::<Q::Out>(SINK)).map_err(|message| format!("seed {seed}: {message}"))?;
    Ok(run.restores())
}

/// Compares results with the reference, whatever their order. Gives how many there are.
fn compare<Q: Query>(source: Nexmark, given: Vec<Q::Out>) -> Result<usize, String> {
    let checksum = |results: &[Q::Out]| results.iter().map(Q::hash).fold(0u64, u64::wrapping_add);
    let expected = Q::reference(&events_of(source));
    let checksums = (checksum(&expected), checksum(&given));
    let (mut given, mut expected) = (Q::settle(given), Q::settle(expected));
    given.sort_unstable();
    expected.sort_unstable();
    if given == expected {
        let is_right = checksums.0 == checksums.1;
        return is_right.then_some(given.len()).ok_or_else(|| format!("{}: equal results, unequal checksums", Q::NAME));
    }
    let place = given.iter().zip(&expected).take_while(|(given, expected)| given == expected).count();
    let (name, counts) = (Q::NAME, (expected.len(), given.len()));
    let (wanted, came) = (expected.get(place), given.get(place));
    Err(format!("{name}: expected {} results, found {}; expected {wanted:?}, found {came:?}", counts.0, counts.1))
}
