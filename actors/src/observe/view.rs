//! A job at one moment: small, whatever its age, and made of nothing but its events.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{JobEvent, JobEventKind};
use super::meter::SubtaskView;
use crate::error::Failure;
use crate::ids::{Attempt, CheckpointId, SubtaskId};
use crate::time::Moment;

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// An attempt is being deployed.
    Starting,
    /// All subtasks run.
    Running,
    /// An attempt has failed; the next one comes after a delay.
    Restarting,
    /// The input has ended, and everything is committed.
    Finished,
    /// The job was stopped after a final checkpoint.
    Stopped(CheckpointId),
    /// The job was cancelled.
    Cancelled,
    /// The job has failed for good.
    Failed(Failure),
}

impl JobStatus {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Starting | Self::Running | Self::Restarting)
    }
}

/// One deployment of the job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttemptView {
    /// Its number.
    pub attempt: Attempt,
    /// The complete checkpoint it started from.
    pub restored_from: Option<CheckpointId>,
    /// When the failure before it was noticed; for the first attempt, when the job was started.
    pub began: Moment,
    /// When a source began to read its first records.
    pub first_read: Option<Moment>,
    /// When its first record was processed at the end of the topology.
    pub first_record: Option<Moment>,
    /// How many checkpoints it has completed.
    pub completed: u64,
    /// The failure that ended it.
    pub failure: Option<Failure>,
    /// When that failure was noticed.
    pub failed_at: Option<Moment>,
}

/// One complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointView {
    /// Its number.
    pub checkpoint: CheckpointId,
    /// The attempt that took it.
    pub attempt: Attempt,
    /// From the trigger to the announcement.
    pub duration: Duration,
    /// Bytes written durably.
    pub bytes: u64,
}

/// A job at one moment. [`Observed::events_since`](super::Observed::events_since) has what led to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobView {
    /// Its state.
    pub status: JobStatus,
    /// How many attempts there were, the present one included.
    pub attempts: u64,
    /// The present attempt, or the last one.
    pub attempt: Option<AttemptView>,
    /// How many checkpoints are complete.
    pub completed: u64,
    /// How many bytes complete checkpoints have written durably.
    pub checkpoint_bytes: u64,
    /// The latest complete checkpoint of this start of the job.
    pub latest: Option<CheckpointView>,
    /// How many checkpoints were abandoned.
    pub abandoned: u64,
    /// When it reached a final status.
    pub ended: Option<Moment>,
    /// The subtasks of the present attempt, as they are now.
    pub subtasks: BTreeMap<SubtaskId, SubtaskView>,
}

impl JobView {
    /// A job that was started just now.
    pub(super) fn new() -> Self {
        Self {
            status: JobStatus::Starting,
            attempts: 0,
            attempt: None,
            completed: 0,
            checkpoint_bytes: 0,
            latest: None,
            abandoned: 0,
            ended: None,
            subtasks: BTreeMap::new(),
        }
    }

    /// How often the job was restarted.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.attempts.saturating_sub(1)
    }

    /// Whether an event that is said to have happened at `at` is news. Each source reports its first read, and each end
    /// of the topology its first record; the earliest counts.
    pub(super) fn is_news(&self, kind: &JobEventKind, at: Moment) -> bool {
        let is_first = |known: fn(&AttemptView) -> Option<Moment>| {
            self.attempt.as_ref().is_some_and(|attempt| known(attempt).is_none_or(|first| at < first))
        };
        match kind {
            JobEventKind::FirstRead { .. } => is_first(|attempt| attempt.first_read),
            JobEventKind::FirstRecord { .. } => is_first(|attempt| attempt.first_record),
            _ => true,
        }
    }

    /// Takes in what has happened. Gives the attempt that is over because another one has begun.
    pub(super) fn apply(&mut self, event: &JobEvent) -> Option<AttemptView> {
        let at = event.at;
        match &event.kind {
            JobEventKind::AttemptBegan { attempt, restored_from } => {
                self.attempts += 1;
                let began = self.attempt.as_ref().and_then(|before| before.failed_at).unwrap_or(at);
                let begun = AttemptView {
                    attempt: *attempt,
                    restored_from: *restored_from,
                    began,
                    first_read: None,
                    first_record: None,
                    completed: 0,
                    failure: None,
                    failed_at: None,
                };
                return self.attempt.replace(begun);
            }
            JobEventKind::AttemptRunning { .. } => self.status = JobStatus::Running,
            JobEventKind::FirstRead { .. } => self.with_attempt(|attempt| attempt.first_read = Some(at)),
            JobEventKind::FirstRecord { .. } => self.with_attempt(|attempt| attempt.first_record = Some(at)),
            JobEventKind::AttemptFailed { failure, .. } => {
                self.status = JobStatus::Restarting;
                self.with_attempt(|attempt| {
                    attempt.failure.get_or_insert_with(|| failure.clone());
                    attempt.failed_at.get_or_insert(at);
                });
            }
            JobEventKind::CheckpointCompleted(checkpoint) => {
                self.completed += 1;
                self.checkpoint_bytes += checkpoint.bytes;
                self.with_attempt(|attempt| attempt.completed += u64::from(attempt.attempt == checkpoint.attempt));
                self.latest = Some(checkpoint.clone());
            }
            JobEventKind::CheckpointAbandoned { .. } => self.abandoned += 1,
            JobEventKind::Ended(status) => {
                self.status = status.clone();
                self.ended = Some(at);
            }
            JobEventKind::RestartScheduled { .. }
            | JobEventKind::SubtaskDrained { .. }
            | JobEventKind::FaultStruck { .. }
            | JobEventKind::EventTimeStandsStill(_) => {}
        }
        None
    }

    fn with_attempt(&mut self, change: impl FnOnce(&mut AttemptView)) {
        if let Some(attempt) = &mut self.attempt {
            change(attempt);
        }
    }
}
