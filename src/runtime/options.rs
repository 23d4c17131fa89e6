//! How a job runs: the options that were set, in words for code, and what each layer below makes of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::faults::Faults;
use millstream_actors::job::JobConfig;
use millstream_actors::protocol::{RestartPolicy, RoundsConfig};

use super::seams::Seams;
use crate::config::list::{
    CHECKPOINT_FAILURES, CHECKPOINT_INTERVAL, CHECKPOINT_PAUSE, CHECKPOINT_RETAINED, CHECKPOINT_TIMEOUT, MEMORY_CACHE,
    MEMORY_STATE, OBSERVE_STANDSTILL, RUNTIME_BATCH, RUNTIME_CREDITS, RUNTIME_PARALLELISM, RUNTIME_SEED, RUNTIME_SLICE,
    RUNTIME_WORKERS, STATE_DIRECTORY, STATE_FRESH, STATE_VERIFY,
};
use crate::config::{Origin, Setting, Settings};
use crate::error::Result;
use crate::state::StateOptions;

/// How a job runs.
///
/// Each method sets an option of the one list, [`FIELDS`](crate::config::FIELDS); `docs/configuration.md` describes them
/// all. A value that the command line has set stays, whatever a method says before or after.
///
/// # Errors
/// A value out of the range of its option is an error when the job is started.
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
#[derive(Clone, Default)]
pub struct JobOptions {
    settings: Settings,
    pub(crate) seams: Seams,
}

impl JobOptions {
    /// One subtask per block and core, a checkpoint every 10 s in a temporary directory, exponential restart delays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Options that were set elsewhere.
    pub(crate) fn of(settings: Settings) -> Self {
        Self { settings, seams: Seams::default() }
    }

    /// Sets the option `name` to what `value` says.
    ///
    /// # Errors
    /// [`SettingError`](crate::config::SettingError): there is no such option, or the value cannot be read, or is out of
    /// range.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let options = JobOptions::new().set("checkpoint.interval", "500ms")?.set("memory.state", "1GiB")?;
    /// assert_eq!(format!("{options:?}"), r#"JobOptions {"checkpoint.interval": "500ms", "memory.state": "1GiB"}"#);
    ///
    /// let mistake = JobOptions::new().set("checkpoint.interval", "soon").unwrap_err();
    /// assert_eq!(
    ///     mistake.to_string(),
    ///     "checkpoint.interval = 'soon' cannot be read: expected a time like 500ms, or off"
    /// );
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn set(mut self, name: &str, value: &str) -> Result<Self> {
        self.settings.read(name, value, Origin::Code)?;
        Ok(self)
    }

    /// All options, with the values that they have, and where these come from.
    pub fn settings(&self) -> impl Iterator<Item = Setting> + '_ {
        self.settings.all()
    }

    /// Subtasks of each block that sets no number of its own.
    #[must_use]
    pub fn parallelism(mut self, subtasks: u32) -> Self {
        self.settings.put(RUNTIME_PARALLELISM, subtasks, Origin::Code);
        self
    }

    /// Where checkpoints are kept. A start with a directory that holds a complete checkpoint resumes from it. Without a
    /// directory, the job uses a temporary one that goes with it.
    #[must_use]
    pub fn state_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.settings.put(STATE_DIRECTORY, Some(directory.as_ref().to_owned()), Origin::Code);
        self
    }

    /// Discards what the state directory holds, and starts from nothing.
    #[must_use]
    pub fn fresh(mut self, fresh: bool) -> Self {
        self.settings.put(STATE_FRESH, fresh, Origin::Code);
        self
    }

    /// The time between the starts of two checkpoints; 10 s by default.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.settings.put(CHECKPOINT_INTERVAL, Some(interval), Origin::Code);
        self
    }

    /// Takes no checkpoints but the last one, at the end of the input or at a stop.
    #[must_use]
    pub fn without_checkpoints(mut self) -> Self {
        self.settings.put(CHECKPOINT_INTERVAL, None, Origin::Code);
        self
    }

    /// The least time between the end of a checkpoint and the start of the next; 0 by default.
    #[must_use]
    pub fn checkpoint_pause(mut self, pause: Duration) -> Self {
        self.settings.put(CHECKPOINT_PAUSE, pause, Origin::Code);
        self
    }

    /// The time after which a checkpoint that is not complete is abandoned; 10 min by default.
    #[must_use]
    pub fn checkpoint_timeout(mut self, timeout: Duration) -> Self {
        self.settings.put(CHECKPOINT_TIMEOUT, timeout, Origin::Code);
        self
    }

    /// How many checkpoints in a row may fail before the attempt does; 0 by default.
    #[must_use]
    pub fn tolerable_failures(mut self, failures: u32) -> Self {
        self.settings.put(CHECKPOINT_FAILURES, failures, Origin::Code);
        self
    }

    /// How many complete checkpoints are kept; 1 by default, and at least 1.
    #[must_use]
    pub fn retained_checkpoints(mut self, checkpoints: usize) -> Self {
        self.settings.put(CHECKPOINT_RETAINED, checkpoints, Origin::Code);
        self
    }

    /// What follows a failure.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.settings.put_restart_policy(&policy, Origin::Code);
        self
    }

    /// Records per batch; 1,024 by default, and at least 1.
    #[must_use]
    pub fn batch_records(mut self, records: usize) -> Self {
        self.settings.put(RUNTIME_BATCH, records, Origin::Code);
        self
    }

    /// Batches in flight towards a subtask, shared by its input channels, each of which has at least 2; 16 by default.
    /// With [`JobOptions::batch_records`] it bounds the memory of records in flight, and the time that a barrier waits
    /// for the records before it.
    #[must_use]
    pub fn credits(mut self, batches: usize) -> Self {
        self.settings.put(RUNTIME_CREDITS, batches, Origin::Code);
        self
    }

    /// Threads that subtasks run on; one per core by default.
    #[must_use]
    pub fn workers(mut self, threads: usize) -> Self {
        self.settings.put(RUNTIME_WORKERS, threads, Origin::Code);
        self
    }

    /// How long a subtask works before the others of its thread have their turn and it receives barriers again; 500 us by
    /// default, an eighth of it while it has no input from where event time is held back. Subtasks look at the clock
    /// after each chunk of records, at most 512 and fewer where they are slow, so that a slice ends a little later than
    /// this. Shorter slices bring results and checkpoints sooner where a thread has many subtasks, longer ones save a few
    /// instructions per record. With [`Duration::MAX`] no clock ends a slice: a subtask works until it has no input, or
    /// its outputs have no room. That is for measurements: a source that always has more to read, with no exchange
    /// downstream, then receives no checkpoint or stop before its input ends; it can only be killed.
    #[must_use]
    pub fn run_slice(mut self, time: Duration) -> Self {
        self.settings.put(RUNTIME_SLICE, limited(time), Origin::Code);
        self
    }

    /// Memory for the rows of one subtask's keyed state, in bytes; 512 MiB by default. State may be far larger.
    #[must_use]
    pub fn state_memory(mut self, bytes: usize) -> Self {
        self.settings.put(MEMORY_STATE, bytes, Origin::Code);
        self
    }

    /// For how long the watermark at an end of the topology stands still before a warning in the log explains why, once
    /// per standstill; 1 minute by default. With [`Duration::MAX`] there is none.
    ///
    /// It is the explanation that [`JobWatch::explain_watermark`](crate::JobWatch::explain_watermark) gives.
    #[must_use]
    pub fn warn_when_time_stands_still(mut self, limit: Duration) -> Self {
        self.settings.put(OBSERVE_STANDSTILL, limited(limit), Origin::Code);
        self
    }

    /// The seed of what is random: the jitter of restart delays.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.put(RUNTIME_SEED, seed, Origin::Code);
        self
    }

    /// Where actors die, for tests.
    #[must_use]
    pub fn faults(mut self, faults: impl Faults) -> Self {
        self.seams.faults = Arc::new(faults);
        self
    }

    // ---- what the layers below are given ----

    /// Checks that all values lie in the ranges of their options.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(self.settings.check()?)
    }

    /// Subtasks of each block that sets no number of its own.
    pub(crate) fn subtasks_per_block(&self) -> u32 {
        self.settings.get(RUNTIME_PARALLELISM)
    }

    /// The state directory that was named, and whether what it holds is discarded.
    pub(super) fn directory(&self) -> (Option<PathBuf>, bool) {
        (self.settings.get(STATE_DIRECTORY), self.settings.get(STATE_FRESH))
    }

    pub(super) fn records_per_batch(&self) -> usize {
        self.settings.get(RUNTIME_BATCH)
    }

    pub(super) fn retained(&self) -> usize {
        self.settings.get(CHECKPOINT_RETAINED)
    }

    /// What the actors are told.
    pub(super) fn job(&self) -> JobConfig {
        let settings = &self.settings;
        let rounds = RoundsConfig {
            interval: settings.get(CHECKPOINT_INTERVAL),
            min_pause: settings.get(CHECKPOINT_PAUSE),
            timeout: settings.get(CHECKPOINT_TIMEOUT),
            tolerable_failures: settings.get(CHECKPOINT_FAILURES),
            ..RoundsConfig::default()
        };
        JobConfig {
            rounds,
            restart: settings.restart_policy(),
            credits: settings.get(RUNTIME_CREDITS),
            workers: settings.get(RUNTIME_WORKERS),
            run_slice: settings.get(RUNTIME_SLICE).unwrap_or(Duration::MAX),
            standstill: settings.get(OBSERVE_STANDSTILL).unwrap_or(Duration::MAX),
            seed: settings.get(RUNTIME_SEED),
        }
    }

    /// What the state directory is told.
    pub(super) fn state(&self) -> StateOptions {
        StateOptions {
            memory_bytes: self.settings.get(MEMORY_STATE),
            cache_bytes: self.settings.get(MEMORY_CACHE),
            verify_bytes: self.settings.get(STATE_VERIFY),
            backend: self.seams.state_backend.clone(),
        }
    }
}

/// A time that is a limit, unless it is the longest there is.
fn limited(time: Duration) -> Option<Duration> {
    (time < Duration::MAX).then_some(time)
}

impl fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobOptions {:?}", self.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_the_list_are_those_of_the_layers_below() {
        let options = JobOptions::new();
        let (rounds, state) = (options.job().rounds, options.state());
        assert_eq!(format!("{rounds:?}"), format!("{:?}", RoundsConfig::default()));
        assert_eq!(format!("{state:?}"), format!("{:?}", StateOptions::default()));
    }

    #[test]
    fn longest_time_means_no_limit() {
        let options = JobOptions::new().run_slice(Duration::MAX).warn_when_time_stands_still(Duration::MAX);
        assert_eq!(
            format!("{options:?}"),
            r#"JobOptions {"runtime.slice": "unlimited", "observe.standstill": "never"}"#
        );
        assert_eq!((options.job().run_slice, options.job().standstill), (Duration::MAX, Duration::MAX));
    }
}
