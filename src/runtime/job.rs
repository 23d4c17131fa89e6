//! The user's hold on a job: waiting for it, watching it, steering it, and what it counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_actors::explanation::WatermarkExplanation;
use millstream_actors::ids::{BlockId, CheckpointId, SubtaskId};
use millstream_actors::job::{Controls, Job};
use millstream_actors::kill::Victim;
use millstream_actors::observe::{AttemptView, CheckpointView, Events, JobStatus, JobView, Observed};
use tempfile::TempDir;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Counts, FAILED, FILTERED, LATE, PROGRESS, RECORDS_IN, RECORDS_OUT, Registry, Sample, UNFIRED};
use crate::plan::Plan;

/// A job that was started. Dropping it cancels the job and waits for its threads.
///
/// # Example
/// ```
/// use millstream::prelude::*;
///
/// let topology = Topology::new("numbers");
/// topology.source("numbers", Collection::of(0..1000)).discard("nowhere");
/// let ledger = topology.start(JobOptions::new())?.wait()?;
/// assert_eq!((ledger.records_in, ledger.records_out), (1000, 1000));
/// # Ok::<(), millstream::Error>(())
/// ```
pub struct JobHandle {
    watch: JobWatch,
    /// `None` if the job had finished before it was started.
    job: Option<Job>,
    // Behind the job: it goes when the job's threads are gone.
    _temporary: Option<TempDir>,
}

impl JobHandle {
    pub(super) fn new(watch: JobWatch, job: Option<Job>, temporary: Option<TempDir>) -> Self {
        Self { watch, job, _temporary: temporary }
    }
}

/// A view of a job, with the means to stop it and to let its actors die. Clones watch the same job, from any thread.
#[derive(Clone)]
pub struct JobWatch {
    pub(super) plan: Arc<Plan>,
    /// `None` if the job had finished before it was started.
    pub(super) controls: Option<Controls>,
    pub(super) finished: Option<Counts>,
    pub(super) resumed_from: Option<CheckpointId>,
    pub(super) metrics: Registry,
    pub(super) totals: Totals,
    pub(super) started: Instant,
}

/// The sizes of the inputs, by uid, in the units of each source's progress.
pub(super) type Totals = Arc<Mutex<BTreeMap<String, Option<u64>>>>;

impl std::ops::Deref for JobHandle {
    type Target = JobWatch;

    fn deref(&self) -> &JobWatch {
        &self.watch
    }
}

impl JobHandle {
    /// A view of the job that may outlive this handle.
    #[must_use]
    pub fn watch(&self) -> JobWatch {
        self.watch.clone()
    }

    /// Blocks until the job has ended.
    ///
    /// # Errors
    /// The last failure, if the job failed for good.
    pub fn wait(&mut self) -> Result<Ledger> {
        if let Some(job) = &mut self.job {
            let view = job.wait();
            if let JobStatus::Failed(failure) = view.status {
                return Err(ErrorKind::Failed(failure).into());
            }
        }
        Ok(self.ledger())
    }
}

impl JobWatch {
    /// The plan that runs.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All subtasks of the plan.
    #[must_use]
    pub fn subtasks(&self) -> Vec<SubtaskId> {
        let blocks = self.plan.blocks.iter().enumerate();
        blocks
            .flat_map(|(block, of)| (0..of.parallelism).map(move |index| SubtaskId::new(block as u32, index)))
            .collect()
    }

    /// The completed checkpoint that the state directory held when the job was started.
    #[must_use]
    pub fn resumed_from(&self) -> Option<CheckpointId> {
        self.resumed_from
    }

    /// Whether the job had finished before it was started, so that there was nothing left to do.
    #[must_use]
    pub fn had_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// What can be seen of the job, if it had not finished before.
    fn observed(&self) -> Option<&Observed> {
        self.controls.as_ref().map(Controls::observed)
    }

    /// The state of the job.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.observed().map_or(JobStatus::Finished, Observed::status)
    }

    /// The attempts since the start of the process, oldest first, each with the checkpoint it was restored from and the
    /// failure that ended it. The latest 1,000 are remembered.
    #[must_use]
    pub fn attempts(&self) -> Vec<AttemptView> {
        self.observed().map_or(Vec::new(), Observed::attempts)
    }

    /// The checkpoints completed since the start of the process, oldest first. The latest 1,000, those that were abandoned
    /// among them, are remembered.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<CheckpointView> {
        self.observed().map_or(Vec::new(), Observed::checkpoints)
    }

    /// The job as it is now, if it had not finished before: its state, its present attempt, its latest checkpoint, totals,
    /// and what each subtask measures of itself.
    #[must_use]
    pub fn view(&self) -> Option<JobView> {
        self.observed().map(Observed::view)
    }

    /// What has happened to the job since the event `number`, that event included, in order. Whoever follows the job begins
    /// with 0 and asks for [`Events::next`] afterwards. The latest 1,000 events of attempts, of checkpoints, and of all else
    /// are remembered; [`Events::missed`] counts those that were asked for too late.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let topology = Topology::new("numbers");
    /// topology.source("numbers", Collection::of(0..1000)).discard("nowhere");
    /// let mut job = topology.start(JobOptions::new())?;
    /// job.wait()?;
    /// let seen = job.events_since(0);
    /// let told = seen.events.iter().map(|event| event.kind.to_string()).collect::<Vec<_>>();
    /// assert_eq!(told.first().unwrap(), "attempt 1 begins from nothing");
    /// assert_eq!(told.last().unwrap(), "the job has finished");
    /// assert_eq!((seen.missed, job.events_since(seen.next).events.len()), (0, 0));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn events_since(&self, number: u64) -> Events {
        self.observed().map_or(Events::default(), |observed| observed.events_since(number))
    }

    /// Why the watermark of the operator, source or sink `uid` stands where it stands: which channel holds it back, and at
    /// the root which split, for how long, and whether it is idle. For an operator with windows, which one fires next.
    ///
    /// The answer is about the slowest subtask of the block that has `uid`, and tells what its watermark was at the end
    /// of its last run slice. Its text form is made of sentences.
    ///
    /// # Errors
    /// If the topology has no such uid.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let topology = Topology::new("readings");
    /// topology
    ///     .source("readings", Collection::of([1_000i64, 2_000]))
    ///     .event_time(Watermarks::monotonic(), |millis| *millis)
    ///     .discard("nowhere");
    /// let mut job = topology.start(JobOptions::new())?;
    /// job.wait()?;
    /// let why = job.explain_watermark("nowhere")?.to_string();
    /// assert!(why.ends_with("nothing holds it back: all inputs have ended"), "{why}");
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn explain_watermark(&self, uid: &str) -> Result<WatermarkExplanation> {
        let has_uid = |block: &crate::plan::Block| block.nodes.iter().any(|node| node.uid.as_deref() == Some(uid));
        let Some(block) = self.plan.blocks.iter().position(has_uid) else {
            return Err(Error::other(format!("topology '{}' has no uid '{uid}'", self.plan.name)));
        };
        let reading = self.observed().and_then(|observed| observed.time().read()).unwrap_or_default();
        let names = (0..self.plan.blocks.len()).map(|block| self.plan.block_name(block)).collect::<Vec<_>>();
        Ok(WatermarkExplanation::of(BlockId(block as u32), &reading, &names))
    }

    /// Blocks until `done` gives a value for the job as it is, which is asked at each event. The last event is a final
    /// status; `done` must give a value for it. It may ask the job for anything else meanwhile, its ledger for instance,
    /// which may be ahead of what it is shown.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let topology = Topology::new("numbers");
    /// topology.source("numbers", Collection::of(0..1000)).discard("nowhere");
    /// let job = topology.start(JobOptions::new())?;
    /// let ledger = job.wait_until(|view| view.status.is_final().then(|| job.ledger()));
    /// assert_eq!(ledger.map(|ledger| ledger.records_out), Some(1000));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn wait_until<T>(&self, done: impl FnMut(&JobView) -> Option<T>) -> Option<T> {
        self.observed().map(|observed| observed.wait_until(done))
    }

    /// Lets a subtask die as if by accident. The job restarts from its latest completed checkpoint.
    pub fn kill(&self, subtask: SubtaskId) {
        if let Some(job) = &self.controls {
            job.kill(Victim::Subtask(subtask));
        }
    }

    /// Lets the checkpoint coordinator die as if by accident. The job restarts from its latest completed checkpoint.
    pub fn kill_coordinator(&self) {
        if let Some(job) = &self.controls {
            job.kill(Victim::Coordinator);
        }
    }

    /// Asks the job to stop behind a last checkpoint, from which a later start resumes.
    pub fn stop(&self) {
        if let Some(job) = &self.controls {
            job.stop();
        }
    }

    /// Asks the job to end at once. A later start resumes from the latest completed checkpoint.
    pub fn cancel(&self) {
        if let Some(job) = &self.controls {
            job.cancel();
        }
    }

    /// How far the sources have come, as a fraction; `None` if an input has no known end.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let total = totals.values().copied().sum::<Option<u64>>().filter(|total| *total > 0)?;
        Some((self.metrics.total(PROGRESS) as f64 / total as f64).min(1.0))
    }

    /// Blocks until `limit` has passed or the job has ended. True if it has ended.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> bool {
        self.controls.as_ref().is_none_or(|job| job.wait_for(limit))
    }

    /// All numbers that operators, sources and sinks keep, sorted by uid, subtask and name. Of a job that had finished
    /// before, the sums over all subtasks.
    ///
    /// # Example
    /// ```
    /// use millstream::metrics::FILTERED;
    /// use millstream::prelude::*;
    ///
    /// let topology = Topology::new("even numbers");
    /// topology.source("numbers", Collection::of(0..10)).filter(|n| n % 2 == 0).discard("nowhere");
    /// let mut job = topology.start(JobOptions::new().parallelism(1))?;
    /// job.wait()?;
    /// let filtered = job.metrics().into_iter().find(|sample| *sample.name == *FILTERED.name()).unwrap();
    /// // A filter has no uid: it counts under the uid before it.
    /// assert_eq!((&*filtered.uid, filtered.subtask, filtered.value), ("numbers", Some(0), 5));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Vec<Sample> {
        self.finished.as_ref().map_or_else(|| self.metrics.samples(), Sample::of_counts)
    }

    /// The job's counts so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let counted = self.finished.clone().unwrap_or_else(|| self.metrics.durable());
        let elapsed = self.started.elapsed();
        let (checkpoints, restarts) = self.view().map_or((0, 0), |view| (view.completed, view.restarts()));
        Ledger {
            records_in: counted.total(RECORDS_IN),
            records_out: counted.total(RECORDS_OUT),
            filtered: counted.total(FILTERED),
            late: counted.total(LATE),
            failed: counted.total(FAILED),
            unfired: counted.total(UNFIRED),
            checkpoints,
            restarts,
            elapsed,
        }
    }
}

impl fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWatch").field("topology", &self.plan.name).field("status", &self.status()).finish()
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobHandle").field(&self.watch).finish()
    }
}

/// What a job did. Records are counted once, also if failures made the job read them again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Records that sources handed to the topology.
    pub records_in: u64,
    /// Records written to sinks.
    pub records_out: u64,
    /// Records that filters held back.
    pub filtered: u64,
    /// Records dropped, or put aside, for being late.
    pub late: u64,
    /// Input that could not be decoded, and was skipped or put aside.
    pub failed: u64,
    /// Windows of processing time that were open when the input ended, each counted once per key that has records in it:
    /// nothing fires them any more.
    pub unfired: u64,
    /// Checkpoints completed since the start of the process.
    pub checkpoints: u64,
    /// Restarts since the start of the process.
    pub restarts: u64,
    /// The time since the start of the process.
    pub elapsed: Duration,
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.records_in as f64 / seconds } else { 0.0 };
        let lines = [
            ("records in", self.records_in),
            ("records out", self.records_out),
            ("filtered", self.filtered),
            ("late", self.late),
            ("failed", self.failed),
            ("unfired", self.unfired),
            ("checkpoints", self.checkpoints),
            ("restarts", self.restarts),
        ];
        for (name, count) in lines {
            writeln!(f, "{name:>20}  {count}")?;
        }
        writeln!(f, "{:>20}  {seconds:.3}", "seconds")?;
        write!(f, "{:>20}  {rate:.0}", "records per second")
    }
}
