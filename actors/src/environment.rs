//! Everything that could differ between two runs, in one value that is handed down and never global.

use std::fmt;
use std::sync::Arc;

use crate::kill::{CrashPoint, Faults, NoFaults, Passing};
use crate::time::{Clock, RuntimeClock};

/// Runs work that blocks: durable writes, commits, listings of files.
pub trait BlockingPool: Send + Sync + 'static {
    /// Runs `job`, sooner or later, on a thread that may block.
    fn run(&self, job: Box<dyn FnOnce() + Send>);
}

/// Machine time, blocking work, randomness and faults of one job.
#[derive(Clone)]
pub struct Environment {
    /// Machine time.
    pub clock: Arc<dyn Clock>,
    /// Blocking work.
    pub pool: Arc<dyn BlockingPool>,
    /// Where actors die.
    pub faults: Arc<dyn Faults>,
    /// The seed of what is random: the jitter of restart delays.
    pub seed: u64,
}

impl Environment {
    /// Real time, a real pool, no faults.
    #[must_use]
    pub fn real(pool: Arc<dyn BlockingPool>, seed: u64) -> Self {
        Self { clock: Arc::new(RuntimeClock::start()), pool, faults: Arc::new(NoFaults), seed }
    }

    /// Whether the actor that passes `passing` dies there.
    pub(crate) fn strikes(&self, passing: Passing) -> bool {
        let dies = self.faults.strikes(passing);
        if dies {
            tracing::info!(?passing, "a fault strikes");
        }
        dies
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("seed", &self.seed).field("points", &CrashPoint::ALL.len()).finish()
    }
}
