//! Everything that could differ between two runs, in one value that is handed down and never global.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::faults::{Faults, NoFaults, Passing, Strike, Work};
use crate::kill::KillSwitch;
use crate::observe::{JobEventKind, Observed};
use crate::sabotage::Sabotage;
use crate::time::{Clock, Moment, RuntimeClock};

/// Runs work that blocks: durable writes, commits, listings of files.
pub trait BlockingPool: Send + Sync + 'static {
    /// Runs `job` when `after` has passed, or later, where it may block.
    fn run(&self, work: Work, after: Duration, job: Box<dyn FnOnce() + Send>);
}

/// Makes choices that nobody has a reason to make one way or the other. Without one, the first possibility is taken.
pub trait Chance: Send + Sync + 'static {
    /// A number below `bound`, which is not 0.
    fn below(&self, bound: usize) -> usize;
}

/// Machine time, blocking work, randomness and faults of one job.
#[derive(Clone)]
pub struct Environment {
    /// Machine time.
    pub clock: Arc<dyn Clock>,
    /// Blocking work.
    pub pool: Arc<dyn BlockingPool>,
    /// Where actors die, and what comes late.
    pub faults: Arc<dyn Faults>,
    /// Chooses which channel is drained next, and where slices and batches end; `None` leaves that to rules that are
    /// fast.
    pub chance: Option<Arc<dyn Chance>>,
    /// The machine that the job runs on. When it is killed, the process is taken to be dead.
    pub machine: KillSwitch,
    /// The seed of what is random: the jitter of restart delays.
    pub seed: u64,
    /// Where events are recorded.
    pub observed: Observed,
    /// What is broken on purpose.
    #[doc(hidden)]
    pub sabotage: Option<Sabotage>,
}

impl Environment {
    /// Real time, a real pool, no faults.
    #[must_use]
    pub fn real(pool: Arc<dyn BlockingPool>, seed: u64) -> Self {
        Self {
            clock: Arc::new(RuntimeClock::start()),
            pool,
            faults: Arc::new(NoFaults),
            chance: None,
            machine: KillSwitch::default(),
            seed,
            observed: Observed::default(),
            sabotage: None,
        }
    }

    /// What strikes the actor that passes `passing`, if anything does.
    pub(crate) fn strikes(&self, passing: Passing) -> Option<Strike> {
        let strike = self.faults.strikes(passing);
        if let Some(strike) = strike {
            self.record(JobEventKind::FaultStruck { passing, strike });
        }
        strike
    }

    /// Records that something happens now.
    pub(crate) fn record(&self, kind: JobEventKind) {
        self.record_at(self.clock.now(), kind);
    }

    /// Records that something happened at `at`.
    pub(crate) fn record_at(&self, at: Moment, kind: JobEventKind) {
        self.observed.record(at, kind);
    }

    /// Runs `job` on the blocking pool, as late as faults want it.
    pub fn run(&self, work: Work, job: impl FnOnce() + Send + 'static) {
        self.pool.run(work, self.faults.delay(work), Box::new(job));
    }

    /// Whether `what` is broken on purpose. Never, unless this crate is built for tests that must notice it.
    #[doc(hidden)]
    #[must_use]
    pub fn sabotaged(&self, what: Sabotage) -> bool {
        cfg!(feature = "sabotage") && self.sabotage == Some(what)
    }

    /// A number below `bound`; 0 if nothing is left to chance.
    pub(crate) fn choose(&self, bound: usize) -> usize {
        self.chance.as_ref().map_or(0, |chance| chance.below(bound))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("seed", &self.seed)
            .field("left to chance", &self.chance.is_some())
            .finish_non_exhaustive()
    }
}
