//! The mail of the actors. Each letter names its attempt, and mail of another attempt changes nothing (CP-5).

use std::collections::BTreeMap;
use std::time::Duration;

use actix::{Addr, Message};

use crate::checkpoints::Beginning;
use crate::enumerator::Enumerator;
use crate::error::{Failure, SeamError};
use crate::ids::{Attempt, BlockId, CheckpointId, SubtaskId};
use crate::kill::Victim;
use crate::packet::{Packet, Rows};
use crate::subtask::Subtask;
use crate::task::{Enumeration, SubtaskSnapshot, Task, TaskOutcome, Wake};
use crate::time::Moment;

/// A message of one attempt.
pub(crate) struct Letter<B> {
    pub(crate) attempt: Attempt,
    pub(crate) body: B,
}

impl<B: 'static> Message for Letter<B> {
    type Result = ();
}

/// What a subtask hears.
pub(crate) enum ToSubtask {
    /// An element of an input channel.
    Packet(Packet),
    /// An output that had no credit has one.
    CreditReturned,
    /// What the task waits for beside its inputs has happened.
    Woken,
    /// The time that a late acknowledgement waits for has come.
    Acknowledge { checkpoint: CheckpointId, snapshot: SubtaskSnapshot },
    /// A round has opened. With `suspend`, a source reads nothing after its barrier.
    Trigger { checkpoint: CheckpointId, suspend: bool },
    /// A round was given up.
    Abandon(CheckpointId),
    /// A checkpoint is complete; none before `oldest` will be restored.
    Completed { checkpoint: CheckpointId, oldest: CheckpointId },
    /// The answer to a reader's request.
    Split(Answer),
    /// The durable write has ended; without an outcome, it has not been done.
    Persisted { checkpoint: CheckpointId, snapshot: Result<SubtaskSnapshot, SeamError>, outcome: Option<TaskOutcome> },
    /// The commit has ended.
    Committed { checkpoint: CheckpointId, outcome: Result<(), SeamError> },
    /// A background job has ended.
    BackgroundDone(TaskOutcome),
    /// Die as if by accident.
    Kill,
    /// Go away: the attempt is over.
    Dismiss,
}

/// What an enumerator answers to a reader.
pub(crate) enum Answer {
    /// A split.
    Split(Rows),
    /// Nothing for now: ask again after this time.
    Later(Duration),
    /// Nothing is left.
    Finished,
}

/// What the enumerator of a source hears.
pub(crate) enum ToEnumerator {
    /// A subtask has finished its splits.
    Request(SubtaskId),
    /// A round has opened.
    Trigger { checkpoint: CheckpointId, suspend: bool },
    /// The attempt is over.
    Dismiss,
}

/// What the coordinator hears.
pub(crate) enum ToCoordinator {
    /// All subtasks run: rounds may begin.
    Deployed(Routes),
    /// A subtask's snapshot is durable.
    Acked { checkpoint: CheckpointId, subtask: SubtaskId, snapshot: SubtaskSnapshot },
    /// A subtask cannot take the snapshot.
    Declined { checkpoint: CheckpointId, subtask: SubtaskId, reason: SeamError },
    /// The enumerator of a source has taken its snapshot.
    Enumerated { checkpoint: CheckpointId, block: BlockId, state: Vec<u8> },
    /// A subtask has committed what a checkpoint completed.
    Settled { checkpoint: CheckpointId, subtask: SubtaskId },
    /// A subtask has seen the end of its inputs.
    Drained(SubtaskId),
    /// A subtask needs a checkpoint to give memory back.
    Pressure,
    /// The manifest is durable, or not.
    Published { checkpoint: CheckpointId, outcome: Result<CheckpointId, SeamError> },
    /// The job is to stop behind a last checkpoint.
    Stop,
    /// Die as if by accident.
    Kill,
    /// The attempt is over.
    Dismiss,
}

/// What the supervisor hears.
pub(crate) enum ToSupervisor {
    /// The blocking part of a deployment has come one step further.
    Prepared(Preparation),
    /// An actor cannot go on.
    Failed(Failure),
    /// An actor is gone.
    Gone(Option<SubtaskId>),
    /// A source has read the first records of the attempt; it began then.
    FirstRead(Moment),
    /// The first record of the attempt was processed.
    FirstRecord(Moment),
    /// Everything has ended and is committed.
    Finished,
    /// The checkpoint that was asked for by a stop is complete and committed.
    Stopped(CheckpointId),
    /// The outcome of the durable record that the job has finished.
    FinishRecorded(Result<(), SeamError>),
}

/// The steps of a deployment that block.
pub(crate) enum Preparation {
    /// The attempt has begun and knows what it starts from.
    Begun(Result<Beginning, SeamError>),
    /// A subtask's task is open.
    Task(SubtaskId, Result<Box<dyn Task>, Failure>, Wake),
    /// A source's enumeration is open.
    Enumeration(BlockId, Result<Box<dyn Enumeration>, Failure>),
    /// A step panicked.
    Panicked(String),
}

/// Whom the coordinator tells of rounds.
pub(crate) struct Routes {
    /// Every subtask.
    pub(crate) subtasks: BTreeMap<SubtaskId, Addr<Subtask>>,
    /// Per source, its enumerator, which passes triggers on to its readers.
    pub(crate) enumerators: BTreeMap<BlockId, Addr<Enumerator>>,
}

/// What a job hears from outside. It belongs to no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Let actors die.
    Kill(Victim),
    /// Stop behind a last checkpoint.
    Stop,
    /// End at once.
    Cancel,
}

impl Message for Command {
    type Result = ();
}
