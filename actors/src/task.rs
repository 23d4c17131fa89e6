//! The seam between actors and operators: the one trait that a subtask hosts, and what enumerators do.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::channel::Outputs;
use crate::environment::Environment;
use crate::error::{Failure, SeamError};
use crate::ids::{Attempt, ChannelId, CheckpointId, SubtaskId};
use crate::packet::Rows;
use crate::time::{Moment, TimeSignal, Timestamp};
use crate::time_view::TaskTime;

/// The work of one subtask, as its actor drives it. No call blocks, but for the jobs it hands out.
pub trait Task: Send {
    /// Takes the rows of one batch, from `channel`, in hand. The batch before it has been processed to its end.
    fn load(&mut self, channel: ChannelId, rows: Rows);

    /// Works on the batch in hand, or reads, if the task is a source: at most `budget` records, and no more than
    /// `outputs` has room for.
    ///
    /// # Errors
    /// If a user's function, the state, an input or an output fails.
    fn run(&mut self, budget: usize, outputs: &mut Outputs) -> Result<Progress, Failure>;

    /// Hears an event that may emit records. What is said about event time is sent on by the task itself, behind the
    /// records that it lets go.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn on_event(&mut self, event: TaskEvent, outputs: &mut Outputs) -> Result<Emission, Failure>;

    /// The processing time at which the task wants to hear [`TaskEvent::ProcessingTime`], if it waits for one.
    fn due(&mut self) -> Option<Timestamp>;

    /// What it says of event time. Asked at the end of each run slice.
    fn event_time(&mut self) -> TaskTime;

    /// Answers a question that only tasks of its kind understand, and that changes nothing.
    ///
    /// # Errors
    /// If the answer cannot be read from the state.
    fn query(&mut self, question: &mut dyn Any) -> Result<(), Failure>;

    /// Does a part of what must be done before a snapshot can be taken, in a fraction of a run slice. Whether all is done;
    /// nothing else may come between that and [`Self::snapshot`].
    ///
    /// # Errors
    /// If the state cannot be written.
    fn get_ready(&mut self) -> Result<bool, Failure> {
        Ok(true)
    }

    /// Takes the snapshot of `checkpoint`, as of now. What is large is only frozen here, and encoded by
    /// [`Self::persist`].
    ///
    /// # Errors
    /// If the state of an operator cannot be taken.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<(), Failure>;

    /// Prepares a part of the durable write of the snapshot taken last, in a fraction of a run slice. Gives the job that
    /// does the write when all is prepared; `None` asks for another call.
    ///
    /// # Errors
    /// If state cannot be encoded.
    fn persist(&mut self) -> Result<Option<PersistJob>, Failure>;

    /// The durable write has ended, with the outcome that its job gave; without one, it has not been done.
    ///
    /// # Errors
    /// If the state cannot be trusted any more.
    fn persisted(&mut self, checkpoint: CheckpointId, outcome: Option<TaskOutcome>) -> Result<(), Failure>;

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
    fn background_done(&mut self, outcome: TaskOutcome, now: Moment) -> Result<(), Failure>;

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
    /// An event before it has not emitted everything yet.
    Emitting(Emission),
    /// The budget is used up; there may be more to do.
    More,
    /// An output has no room.
    Blocked,
    /// A source has nothing to read before this much time has passed.
    Wait(Duration),
    /// A source has nothing to read before something wakes it; see [`Wake`].
    UntilWoken,
    /// A source has finished its splits.
    SplitsFinished,
}

/// Events that may emit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// What the inputs together say about event time.
    Time(TimeSignal),
    /// Processing time has come this far. Said when it was asked for, see [`Task::due`].
    ProcessingTime(Timestamp),
    /// For so long, since this was said last, no input could be taken, because outputs or memory had no room. Said before
    /// [`Self::ProcessingTime`].
    Stalled(Duration),
    /// A source that has finished its splits was given no other one for now.
    Unassigned,
    /// Something that the task waits for beside its inputs has happened; see [`Wake`].
    Woken,
    /// The inputs have ended: whatever is held back must be emitted.
    End,
    /// There is nothing to do for now, or a signal is about to pass: buffers are to be sent as they are.
    Flush,
}

/// Whether everything has been emitted that had to be for the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub enum Emission {
    /// It has.
    Complete,
    /// It has not, and only something that wakes the task lets it go on.
    Waiting,
    /// It has not: the task is to be run before it receives anything else. It may be snapshotted between two runs, for
    /// what it has still to emit is in its snapshot: barriers and triggers get in between.
    Interruptible,
    /// The same, in the middle of what one record emits: a snapshot waits for its end.
    Unfinished,
}

impl Emission {
    /// Whether the task is to be run before it receives anything else.
    #[must_use]
    pub fn comes_first(self) -> bool {
        matches!(self, Self::Interruptible | Self::Unfinished)
    }
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
pub type PersistJob = Box<dyn FnOnce() -> Written + Send>;

/// The commit of what became complete.
pub type CommitJob = Box<dyn FnOnce() -> Result<(), SeamError> + Send>;

/// Work beside everything else.
pub type BackgroundJob = Box<dyn FnOnce() -> TaskOutcome + Send>;

/// What came of a job, for the task that made it: only it knows what this is.
pub type TaskOutcome = Box<dyn Any + Send>;

/// How the durable write of a snapshot ended.
#[derive(Debug)]
pub struct Written {
    /// What the subtask adds to the checkpoint.
    pub snapshot: Result<SubtaskSnapshot, SeamError>,
    /// What its task has to know.
    pub outcome: TaskOutcome,
}

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

/// Wakes a subtask from any thread: its task then hears [`TaskEvent::Woken`]. Clones wake the same one. As long as the
/// subtask does not run, nothing happens.
#[derive(Clone, Default)]
pub struct Wake(Arc<Call>);

/// What waking calls.
#[derive(Default)]
struct Call(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl Wake {
    /// Sets, once, what waking does.
    pub fn calls(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.0.set(Box::new(wake));
    }

    /// Wakes the subtask.
    pub fn wake(&self) {
        std::task::Wake::wake_by_ref(&self.0);
    }

    /// The same for futures.
    #[must_use]
    pub fn waker(&self) -> std::task::Waker {
        Arc::clone(&self.0).into()
    }
}

impl std::task::Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(wake) = self.0.get() {
            wake();
        }
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wake").field(&self.0.0.get().is_some()).finish()
    }
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
    /// Machine time, and all else that could differ between two runs.
    pub environment: Environment,
    /// What wakes the subtask.
    pub wake: Wake,
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

    /// After which time a reader asks again that was given nothing; `None` if nothing will ever be left for it.
    fn ask_again(&self, reader: u32) -> Option<Duration> {
        let _ = reader;
        None
    }

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
