//! Looks for a seed under which a run fails, and makes what fails small.

use std::fmt;

use super::{Fault, Mismatch, Run, Simulation};

/// What an exploration saw.
#[derive(Debug, Default)]
pub struct Exploration {
    runs: u64,
    kills: u64,
    restores: u64,
    checkpoints: u64,
    counterexample: Option<Box<Counterexample>>,
}

/// A run that failed, made small.
#[derive(Debug)]
pub struct Counterexample {
    /// The run as it was found, with the faults that were drawn from its seed.
    pub found: Simulation,
    /// The same without the faults and lines of scripts that it does not need to fail.
    pub shrunk: Simulation,
    /// How the small one fails.
    pub mismatch: Mismatch,
}

/// What decides whether a run did as it should.
type Check<'a> = &'a dyn Fn(&Run) -> Result<(), Mismatch>;

pub(super) fn explore(simulation: &Simulation, seeds: impl IntoIterator<Item = u64>, check: Check<'_>) -> Exploration {
    let mut seen = Exploration::default();
    for seed in seeds {
        let simulation = simulation.clone().seed(seed);
        let run = simulation.run();
        seen.runs += 1;
        seen.kills += run.kills() as u64;
        seen.restores += run.restores() as u64;
        seen.checkpoints += run.checkpoints().len() as u64;
        if let Err(mismatch) = run.check_end().and_then(|()| check(&run)) {
            let knows_input = run.input_was_asked_for();
            seen.counterexample = Some(Box::new(shrink(&simulation, mismatch, check, knows_input)));
            break;
        }
    }
    seen
}

/// Removes faults, then lines of scripts in ever smaller pieces, as long as the run still fails. Without a line of its
/// script, any run fails a check that does not know its input: then all lines stay.
fn shrink(simulation: &Simulation, mismatch: Mismatch, check: Check<'_>, knows_input: bool) -> Counterexample {
    let found = simulation.with_faults(simulation.all_faults());
    let fails = |candidate: &Simulation| {
        let run = candidate.run();
        run.check_end().and_then(|()| check(&run)).err()
    };
    let mut best = Counterexample { shrunk: found.clone(), found, mismatch };
    let mut index = 0;
    while index < best.shrunk.faults.len() {
        let mut candidate = best.shrunk.clone();
        candidate.faults.remove(index);
        match fails(&candidate) {
            Some(mismatch) => (best.shrunk, best.mismatch) = (candidate, mismatch),
            None => index += 1,
        }
    }
    for uid in best.found.scripts.keys().filter(|_| knows_input) {
        let mut piece = best.shrunk.scripts[uid].len() / 2;
        while piece > 0 {
            let mut from = 0;
            while from < best.shrunk.scripts[uid].len() {
                let mut candidate = best.shrunk.clone();
                let smaller = candidate.scripts[uid].without(from, from + piece);
                candidate.scripts.insert(uid.clone(), smaller);
                match fails(&candidate) {
                    Some(mismatch) => (best.shrunk, best.mismatch) = (candidate, mismatch),
                    None => from += piece,
                }
            }
            piece /= 2;
        }
    }
    best
}

impl Exploration {
    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many attempts or processes were killed, over all runs.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.kills
    }

    /// How many attempts began with a complete checkpoint, over all runs.
    #[must_use]
    pub fn restores(&self) -> u64 {
        self.restores
    }

    /// How many checkpoints were completed, over all runs.
    #[must_use]
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    /// The first run that failed.
    #[must_use]
    pub fn counterexample(&self) -> Option<&Counterexample> {
        self.counterexample.as_deref()
    }

    /// Panics if a run failed.
    ///
    /// # Panics
    /// With the seed, the faults that are needed, and how the run failed.
    #[track_caller]
    pub fn assert_holds(&self) {
        if let Some(counterexample) = &self.counterexample {
            panic!("after {} runs:\n{counterexample}", self.runs);
        }
    }
}

impl Counterexample {
    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.found.seed
    }

    /// The faults that are needed for the failure.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.shrunk.faults
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = |simulation: &Simulation| simulation.faults.len();
        writeln!(
            f,
            "seed {} fails with {} of {} faults, and scripts of {} of {} lines; it still needs:",
            self.seed(),
            faults(&self.shrunk),
            faults(&self.found),
            self.shrunk.scripts.values().map(|script| script.len()).sum::<usize>(),
            self.found.scripts.values().map(|script| script.len()).sum::<usize>(),
        )?;
        for fault in &self.shrunk.faults {
            writeln!(f, "  {fault}")?;
        }
        self.mismatch.fmt(f)
    }
}
