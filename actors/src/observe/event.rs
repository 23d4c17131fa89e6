//! What happens to a job, as numbered events, and how each of them is logged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::view::{CheckpointView, JobStatus};
use crate::error::Failure;
use crate::explanation::WatermarkExplanation;
use crate::faults::{Passing, Strike};
use crate::ids::{Attempt, CheckpointId, SubtaskId};
use crate::time::Moment;

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobEvent {
    /// Its number: events of a job are numbered in their order, from 0 and without gaps.
    pub number: u64,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub kind: JobEventKind,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum JobEventKind {
    /// An attempt knows what it starts from.
    AttemptBegan {
        /// Its number.
        attempt: Attempt,
        /// The complete checkpoint that it starts from.
        restored_from: Option<CheckpointId>,
    },
    /// All subtasks of an attempt run.
    AttemptRunning {
        /// Its number.
        attempt: Attempt,
    },
    /// A source has begun to read its first records.
    FirstRead {
        /// The attempt.
        attempt: Attempt,
    },
    /// The first record was processed at the end of the topology.
    FirstRecord {
        /// The attempt.
        attempt: Attempt,
    },
    /// An attempt has failed.
    AttemptFailed {
        /// Its number.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// The next attempt begins after a delay.
    RestartScheduled {
        /// The attempt that failed.
        after: Attempt,
        /// The delay.
        delay: Duration,
    },
    /// A checkpoint is complete.
    CheckpointCompleted(CheckpointView),
    /// A checkpoint was abandoned.
    CheckpointAbandoned {
        /// Its number.
        checkpoint: CheckpointId,
        /// The attempt that began it.
        attempt: Attempt,
        /// Why.
        reason: String,
    },
    /// The inputs of a subtask have ended, and it has emitted all that it held back.
    SubtaskDrained {
        /// The subtask.
        subtask: SubtaskId,
    },
    /// A fault of a test has struck.
    FaultStruck {
        /// Where.
        passing: Passing,
        /// What it does.
        strike: Strike,
    },
    /// Event time has stood still for longer than the job's options allow.
    EventTimeStandsStill(WatermarkExplanation),
    /// The job has ended, with a final status.
    Ended(JobStatus),
}

/// Events of a job, in their order.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Events {
    /// Those that are remembered.
    pub events: Vec<Arc<JobEvent>>,
    /// How many were asked for that are no longer remembered.
    pub missed: u64,
    /// The number of the next event to come: what to ask for next.
    pub next: u64,
}

impl JobEvent {
    /// Writes the event to the log.
    pub(super) fn log(&self) {
        let Self { number, .. } = self;
        match &self.kind {
            JobEventKind::AttemptBegan { attempt, restored_from } => {
                tracing::info!(number, %attempt, ?restored_from, "attempt begins");
            }
            JobEventKind::AttemptRunning { attempt } => tracing::info!(number, %attempt, "all subtasks run"),
            JobEventKind::FirstRead { attempt } => tracing::debug!(number, %attempt, "first records are read"),
            JobEventKind::FirstRecord { attempt } => tracing::debug!(number, %attempt, "first record is processed"),
            JobEventKind::AttemptFailed { attempt, failure } => {
                tracing::warn!(number, %attempt, %failure, "attempt failed");
            }
            JobEventKind::RestartScheduled { after, delay } => {
                tracing::info!(number, attempt = %after, ?delay, "restart is scheduled");
            }
            JobEventKind::CheckpointCompleted(CheckpointView { checkpoint, attempt, duration, bytes }) => {
                tracing::debug!(number, %attempt, %checkpoint, ?duration, bytes, "checkpoint is complete");
            }
            JobEventKind::CheckpointAbandoned { checkpoint, attempt, reason } => {
                tracing::warn!(number, %attempt, %checkpoint, reason, "checkpoint is abandoned");
            }
            JobEventKind::SubtaskDrained { subtask } => tracing::debug!(number, %subtask, "subtask has drained"),
            JobEventKind::FaultStruck { passing, strike } => {
                tracing::info!(number, ?passing, ?strike, "a fault strikes");
            }
            JobEventKind::EventTimeStandsStill(explanation) => {
                tracing::warn!(number, "event time stands still\n{explanation}");
            }
            JobEventKind::Ended(status) => tracing::info!(number, ?status, "job ends"),
        }
    }
}

/// One sentence, for people.
impl fmt::Display for JobEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptBegan { attempt, restored_from: None } => write!(f, "attempt {attempt} begins from nothing"),
            Self::AttemptBegan { attempt, restored_from: Some(checkpoint) } => {
                write!(f, "attempt {attempt} begins from checkpoint {checkpoint}")
            }
            Self::AttemptRunning { attempt } => write!(f, "all subtasks of attempt {attempt} run"),
            Self::FirstRead { attempt } => write!(f, "attempt {attempt} reads its first records"),
            Self::FirstRecord { attempt } => write!(f, "attempt {attempt} has processed its first record"),
            Self::AttemptFailed { attempt, failure } => write!(f, "attempt {attempt} failed: {failure}"),
            Self::RestartScheduled { after, delay } => write!(f, "the attempt after {after} begins in {delay:?}"),
            Self::CheckpointCompleted(view) => {
                let CheckpointView { checkpoint, duration, bytes, .. } = view;
                write!(f, "checkpoint {checkpoint} is complete after {duration:?}, with {bytes} bytes")
            }
            Self::CheckpointAbandoned { checkpoint, reason, .. } => {
                write!(f, "checkpoint {checkpoint} is abandoned: {reason}")
            }
            Self::SubtaskDrained { subtask } => write!(f, "the inputs of subtask {subtask} have ended"),
            Self::FaultStruck { passing, strike } => write!(f, "a fault strikes at {:?}: {strike:?}", passing.point),
            Self::EventTimeStandsStill(explanation) => write!(f, "event time stands still: {explanation}"),
            Self::Ended(JobStatus::Finished) => f.write_str("the job has finished"),
            Self::Ended(JobStatus::Stopped(checkpoint)) => {
                write!(f, "the job has stopped after checkpoint {checkpoint}")
            }
            Self::Ended(JobStatus::Cancelled) => f.write_str("the job was cancelled"),
            Self::Ended(JobStatus::Failed(failure)) => write!(f, "the job has failed: {failure}"),
            Self::Ended(status) => write!(f, "the job has ended: {status:?}"),
        }
    }
}
