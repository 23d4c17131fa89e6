//! How a job runs: what its user may set, with defaults that need no tuning.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::faults::{Faults, NoFaults};
use millstream_actors::protocol::{RestartPolicy, RoundsConfig};
use millstream_actors::sabotage::Sabotage;

use crate::io::Surroundings;
use crate::state::{BackendFactory, StateOptions};

/// How a job runs.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use millstream::prelude::*;
///
/// let options = JobOptions::new()
///     .parallelism(4)
///     .checkpoint_interval(Duration::from_secs(1))
///     .restart(RestartPolicy::FixedDelay { attempts: Some(3), delay: Duration::ZERO });
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct JobOptions {
    pub(crate) parallelism: u32,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) fresh: bool,
    pub(crate) rounds: RoundsConfig,
    pub(crate) restart: RestartPolicy,
    pub(super) retained: usize,
    pub(super) batch_records: usize,
    pub(super) credits: usize,
    pub(super) workers: usize,
    pub(super) memory_bytes: usize,
    pub(super) run_slice: Duration,
    pub(super) standstill: Duration,
    pub(crate) seed: u64,
    pub(super) faults: Arc<dyn Faults>,
    /// Storage in place of files.
    pub(crate) state_backend: Option<BackendFactory>,
    pub(crate) surroundings: Surroundings,
    /// What is broken on purpose.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl JobOptions {
    /// One subtask per block and core, a checkpoint every 10 s in a temporary directory, exponential restart delays.
    #[must_use]
    pub fn new() -> Self {
        Self {
            parallelism: default_parallelism(),
            state_dir: None,
            fresh: false,
            rounds: RoundsConfig::default(),
            restart: RestartPolicy::default(),
            retained: 1,
            batch_records: 1024,
            credits: 16,
            workers: default_parallelism() as usize,
            memory_bytes: StateOptions::default().memory_bytes,
            run_slice: Duration::from_micros(500),
            standstill: Duration::from_secs(60),
            seed: 0,
            faults: Arc::new(NoFaults),
            state_backend: None,
            surroundings: Surroundings::default(),
            sabotage: None,
        }
    }

    /// Subtasks of each block that sets no number of its own.
    #[must_use]
    pub fn parallelism(mut self, subtasks: u32) -> Self {
        self.parallelism = subtasks;
        self
    }

    /// Where checkpoints lie. A start with a directory that holds a completed checkpoint resumes from it. Without a
    /// directory, the job uses a temporary one that goes with it.
    #[must_use]
    pub fn state_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.state_dir = Some(directory.as_ref().to_owned());
        self
    }

    /// Throws away what the state directory holds, and starts from nothing.
    #[must_use]
    pub fn fresh(mut self, fresh: bool) -> Self {
        self.fresh = fresh;
        self
    }

    /// The time between the starts of two checkpoints; 10 s by default.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.rounds.interval = Some(interval);
        self
    }

    /// Takes no checkpoints but the last one, at the end of the input or at a stop.
    #[must_use]
    pub fn without_checkpoints(mut self) -> Self {
        self.rounds.interval = None;
        self
    }

    /// The least time between the end of a checkpoint and the start of the next; 0 by default.
    #[must_use]
    pub fn checkpoint_pause(mut self, pause: Duration) -> Self {
        self.rounds.min_pause = pause;
        self
    }

    /// The time after which a checkpoint is given up; 10 min by default.
    #[must_use]
    pub fn checkpoint_timeout(mut self, timeout: Duration) -> Self {
        self.rounds.timeout = timeout;
        self
    }

    /// How many checkpoints in a row may fail before the job does; 0 by default.
    #[must_use]
    pub fn tolerable_failures(mut self, failures: u32) -> Self {
        self.rounds.tolerable_failures = failures;
        self
    }

    /// How many completed checkpoints are kept; 1 by default, and at least 1.
    #[must_use]
    pub fn retained_checkpoints(mut self, checkpoints: usize) -> Self {
        self.retained = checkpoints.max(1);
        self
    }

    /// What follows a failure.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// Records per batch; 1,024 by default, and at least 1.
    #[must_use]
    pub fn batch_records(mut self, records: usize) -> Self {
        self.batch_records = records.max(1);
        self
    }

    /// Batches in flight towards a subtask, shared by its input channels, each of which has at least 2; 16 by default.
    /// With [`JobOptions::batch_records`] it bounds the memory of records on their way, and the time that a barrier waits
    /// behind them.
    #[must_use]
    pub fn credits(mut self, batches: usize) -> Self {
        self.credits = batches.max(1);
        self
    }

    /// Threads that subtasks run on; one per core by default.
    #[must_use]
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads.max(1);
        self
    }

    /// How long a subtask works before the others of its thread have their turn and it hears of barriers again; 500 us by
    /// default, an eighth of it while it has no input from where event time is held back. Subtasks look at the clock behind
    /// each chunk of records, at most 512 and fewer where they are slow, so that a slice ends a little later than this.
    /// Shorter slices bring results and checkpoints sooner where a thread has many subtasks, longer ones save a few
    /// instructions per record. With [`Duration::MAX`] no clock ends a slice: a subtask works until it has no input, or its
    /// outputs have no room. That is for measurements: a source that always has more to read, with no exchange behind it,
    /// then hears of no checkpoint or stop before its input ends, only that it is killed.
    #[must_use]
    pub fn run_slice(mut self, time: Duration) -> Self {
        self.run_slice = time;
        self
    }

    /// Memory for the rows of one subtask's keyed state, in bytes; 512 MiB by default. State may be far larger.
    #[must_use]
    pub fn state_memory(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// For how long the watermark at an end of the topology stands still before a warning in the log explains why, once
    /// per standstill; 1 minute by default. With [`Duration::MAX`] nobody looks.
    ///
    /// It is the explanation that [`JobWatch::explain_watermark`](crate::JobWatch::explain_watermark) gives.
    #[must_use]
    pub fn warn_when_time_stands_still(mut self, limit: Duration) -> Self {
        self.standstill = limit;
        self
    }

    /// The seed of what is random: the jitter of restart delays.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where actors die, for tests.
    #[must_use]
    pub fn faults(mut self, faults: impl Faults) -> Self {
        self.faults = Arc::new(faults);
        self
    }
}

impl fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobOptions")
            .field("parallelism", &self.parallelism)
            .field("state_dir", &self.state_dir)
            .field("rounds", &self.rounds)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}

/// One subtask per core.
pub(crate) fn default_parallelism() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}
