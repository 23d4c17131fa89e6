//! Compares what a query gives with what its reference gives.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use millstream::actors::faults::{CrashPoint, Faults, Passing, Strike};
use millstream::actors::ids::{Attempt, SubtaskId};
use millstream::prelude::*;
use millstream::testing::Simulation;

use super::{Nexmark, Query, events_of, results};

/// The uid of the sink.
const SINK: &str = "results";

/// Lets one subtask die in each of the first attempts.
///
/// All but the last die when the first checkpoint of their attempt is not durable yet, so that the job begins anew and will
/// take another one; the last dies when it is complete, so that the job goes on from it. Since a job ends with a checkpoint if
/// it takes none before, all of them strike, however fast it is.
struct Kills {
    count: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The subtasks, all of which open before a checkpoint is taken.
    subtasks: BTreeSet<SubtaskId>,
    /// The attempts in which one was killed.
    struck: Vec<Attempt>,
}

impl Kills {
    fn new(count: usize) -> Self {
        Self { count, seen: Mutex::default() }
    }
}

impl Faults for Kills {
    fn strikes(&self, passing: Passing) -> Option<Strike> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kill = seen.struck.len();
        if passing.point == CrashPoint::Opened {
            seen.subtasks.extend(passing.subtask);
        }
        let point = if kill + 1 == self.count { CrashPoint::BeforeCommit } else { CrashPoint::AfterSnapshot };
        let victim = seen.subtasks.iter().cycle().nth(7 * kill + 1).copied();
        let is_due = kill < self.count && passing.point == point && !seen.struck.contains(&passing.attempt);
        if !is_due || passing.subtask != victim {
            return None;
        }
        seen.struck.push(passing.attempt);
        Some(Strike::Kill)
    }
}

/// Runs `Q` as a job, lets one of its subtasks die for each of `kills`, and compares.
///
/// # Errors
/// A sentence, if the results are not those of the reference, the job fails, or nothing was killed or restored.
pub fn job<Q: Query>(source: Nexmark, options: JobOptions, kills: usize) -> Result<String, String> {
    let (topology, stream) = results::<Q>(source);
    let given = stream.collect(SINK);
    let options = options.faults(Kills::new(kills));
    let mut job = topology.start(options).map_err(|error| error.to_string())?;
    let ledger = job.wait().map_err(|error| error.to_string())?;
    let last = job.attempts().pop().and_then(|attempt| attempt.restored_from);
    if ledger.restarts != kills as u64 || last.is_some() != (kills > 0) {
        return Err(format!("{}: {kills} kills, {} restarts, the last from {last:?}", Q::NAME, ledger.restarts));
    }
    let rows = compare::<Q>(source, given.take())?;
    Ok(format!("{}: {rows} results are right, after {} restarts", Q::NAME, ledger.restarts))
}

/// Runs `Q` in simulation, in which `kills` kills are drawn from `seed`, and compares. Gives how often it was restored from a
/// checkpoint.
///
/// # Errors
/// A sentence, if the results are not those of the reference, or the job fails.
pub fn simulation<Q: Query>(source: Nexmark, seed: u64, kills: usize) -> Result<usize, String> {
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
