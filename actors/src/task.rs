//! The seam between actors and operators: the one trait that a subtask hosts, and what enumerators do.

use std::time::Duration;

use crate::channel::Outputs;
use crate::error::Failure;
use crate::ids::{Attempt, CheckpointId, SubtaskId};
use crate::packet::Rows;
use crate::time::{Moment, Timestamp};

/// The work of one subtask, as its actor drives it. No call blocks, but for the jobs it hands out.
pub trait Task: Send {
    /// Takes the rows of one batch in hand. The batch before it has been processed to its end.
    fn load(&mut self, rows: Rows);

    /// Works on the batch in hand, or reads, if the task is a source: at most `budget` records, and no more than
    /// `outputs` has room for.
    ///
    /// # Errors
    /// If a user's function, the state, an input or an output fails.
    fn run(&mut self, budget: usize, outputs: &mut Outputs) -> Result<Progress, Failure>;

    /// Hears an event that may emit records.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn on_event(&mut self, event: TaskEvent, outputs: &mut Outputs) -> Result<(), Failure>;

    /// Takes the snapshot of `checkpoint`, as of now. What is large is only frozen here, and encoded by
    /// [`Self::persist`].
    ///
    /// # Errors
    /// If the state of an operator cannot be taken.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<(), Failure>;

    /// Prepares the durable write of the snapshot taken last, for a bounded time. Gives the job that does the write
    /// when all is prepared; `None` asks for another call.
    ///
    /// # Errors
    /// If state cannot be encoded.
    fn persist(&mut self) -> Result<Option<PersistJob>, Failure>;

    /// Hears how the durable write ended.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn persisted(&mut self, checkpoint: CheckpointId, written: bool) -> Result<(), Failure>;

    /// Hears that `checkpoint` is complete, and that none before `oldest` will ever be restored. Gives the work of
    /// committing.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn completed(&mut self, checkpoint: CheckpointId, oldest: CheckpointId) -> Result<Vec<CommitJob>, Failure>;

    /// Work that may be done beside everything else, and is asked for again after each slice. `idle`: there is nothing
    /// else to do.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn background(&mut self, idle: bool, now: Moment) -> Result<Option<BackgroundJob>, Failure>;

    /// Hears how a background job ended.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn background_done(&mut self, outcome: BackgroundOutcome, now: Moment) -> Result<(), Failure>;

    /// What the memory of the task asks of its subtask.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn pressure(&mut self) -> Result<Pressure, Failure>;

    /// Takes one more split, if the task is a source.
    ///
    /// # Errors
    /// If the split cannot be opened.
    fn add_split(&mut self, split: Rows) -> Result<(), Failure>;
}

/// How far a call of [`Task::run`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records taken from the batch in hand, or read.
    pub records: usize,
    /// What comes next.
    pub then: Then,
}

/// What comes after a call of [`Task::run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The batch in hand is processed.
    BatchDone,
    /// The budget is used up; there may be more to do.
    More,
    /// An output has no room.
    Blocked,
    /// A source has nothing to read before this much time has passed.
    Wait(Duration),
    /// A source has finished its splits.
    SplitsFinished,
}

/// Events that may emit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// The combined watermark of the inputs.
    Watermark(Timestamp),
    /// The inputs have ended: whatever is held back must be emitted.
    End,
    /// There is nothing to do for now, or a signal is about to pass: buffers are to be sent as they are.
    Flush,
}

/// What the memory of a task asks of its subtask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// Nothing.
    None,
    /// A checkpoint as soon as possible: only then can memory be given back.
    Checkpoint,
    /// No more input until a background job has given memory back.
    Background,
}

/// The durable write of one subtask's snapshot.
pub type PersistJob = Box<dyn FnOnce() -> Result<SubtaskSnapshot, String> + Send>;

/// The commit of what became complete.
pub type CommitJob = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Work beside everything else, with an outcome that only its task understands.
pub type BackgroundJob = Box<dyn FnOnce() -> BackgroundOutcome + Send>;

/// The outcome of a background job.
pub type BackgroundOutcome = Box<dyn std::any::Any + Send>;

/// What one subtask adds to a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SubtaskSnapshot {
    /// The small state of the subtask, which only its task understands.
    pub state: Vec<u8>,
    /// Bytes written durably beside it.
    pub bytes: u64,
    /// Whether the subtask had already seen the end of its inputs.
    pub drained: bool,
}

/// What a task starts from.
#[derive(Debug, Clone)]
pub struct TaskOpening {
    /// The subtask.
    pub subtask: SubtaskId,
    /// The deployment.
    pub attempt: Attempt,
    /// The checkpoint to start from and the subtask's part of it.
    pub restored: Option<(CheckpointId, SubtaskSnapshot)>,
}

/// Makes the tasks of one block.
pub trait TaskFactory: Send + Sync + 'static {
    /// Opens the task of one subtask and restores its state. May block.
    ///
    /// # Errors
    /// If the task cannot be opened or its state cannot be restored.
    fn open(&self, opening: TaskOpening) -> Result<Box<dyn Task>, Failure>;
}

/// Hands the splits of one source to its subtasks.
pub trait Enumeration: Send {
    /// The next split for the subtask with this index, if any is left.
    ///
    /// # Errors
    /// If the next split cannot be determined.
    fn next_split(&mut self, reader: u32) -> Result<Option<Rows>, Failure>;

    /// What it has still to hand out, encoded.
    ///
    /// # Errors
    /// If it cannot be encoded.
    fn snapshot(&self) -> Result<Vec<u8>, Failure>;
}

/// Makes the enumeration of one source.
pub trait EnumerationFactory: Send + Sync + 'static {
    /// Looks at the input, or goes on from a snapshot. May block.
    ///
    /// # Errors
    /// If the input cannot be looked at, or the snapshot is not one.
    fn open(&self, restored: Option<&[u8]>) -> Result<Box<dyn Enumeration>, Failure>;
}
