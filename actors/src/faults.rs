//! The points at which a test may let an actor die, and what else it may let go wrong.

use std::time::Duration;

use crate::ids::{Attempt, CheckpointId, SubtaskId};

/// A place in the life of an actor at which a test may let it die. What must hold after each: `docs/testing.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CrashPoint {
    /// The subtask has opened, restored its state, and done nothing yet.
    Opened,
    /// The subtask is between two records; passed only where [`Faults::records_left`] asks for it.
    Record,
    /// The first barrier of a checkpoint has arrived, others are missing.
    Aligning,
    /// All barriers have arrived; the snapshot is not taken yet.
    BeforeSnapshot,
    /// The snapshot is taken and the barrier sent on; nothing is durable yet.
    AfterSnapshot,
    /// On the blocking pool, before the durable write.
    BeforePersist,
    /// On the blocking pool, after the durable write; it is not acknowledged yet.
    AfterPersist,
    /// The subtask knows that its snapshot is durable; it is not acknowledged yet.
    BeforeAck,
    /// The acknowledgement is sent.
    AfterAck,
    /// The coordinator has all acknowledgements; the manifest is not durable yet.
    BeforePublish,
    /// The manifest is durable; nobody knows it yet.
    AfterPublish,
    /// The subtask knows that the checkpoint is complete; its sinks have not committed yet.
    BeforeCommit,
    /// On the blocking pool, before the commit.
    Committing,
    /// The sinks have committed; the coordinator does not know it yet.
    AfterCommit,
    /// The input has ended; the final checkpoint is still to come.
    Drained,
}

impl CrashPoint {
    /// Every point, in the order in which a checkpoint passes them.
    pub const ALL: [Self; 15] = [
        Self::Opened,
        Self::Record,
        Self::Aligning,
        Self::BeforeSnapshot,
        Self::AfterSnapshot,
        Self::BeforePersist,
        Self::AfterPersist,
        Self::BeforeAck,
        Self::AfterAck,
        Self::BeforePublish,
        Self::AfterPublish,
        Self::BeforeCommit,
        Self::Committing,
        Self::AfterCommit,
        Self::Drained,
    ];

    /// Whether it is the coordinator that passes this point, and no subtask.
    #[must_use]
    pub fn is_coordinators(self) -> bool {
        matches!(self, Self::BeforePublish | Self::AfterPublish)
    }
}

/// A crash point as an actor passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    /// The point.
    pub point: CrashPoint,
    /// The subtask; `None` if it is the coordinator.
    pub subtask: Option<SubtaskId>,
    /// The deployment.
    pub attempt: Attempt,
    /// The checkpoint that is being taken, if it is a point of one.
    pub checkpoint: Option<CheckpointId>,
}

/// What a fault does to the actor that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strike {
    /// The actor dies.
    Kill,
    /// What the actor was about to do panics.
    Panic,
    /// What the actor was about to do fails: on the blocking pool the write or the commit, elsewhere the subtask.
    Fail,
}

/// What a job on the blocking pool does, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What it does.
    pub kind: WorkKind,
    /// The subtask that it works for; `None` if it works for the job.
    pub subtask: Option<SubtaskId>,
    /// The checkpoint that it belongs to, if it belongs to one.
    pub checkpoint: Option<CheckpointId>,
}

/// The kinds of blocking work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkKind {
    /// A step of a deployment.
    Prepare,
    /// The durable write of a subtask's snapshot.
    Persist,
    /// No work: the answer of a subtask whose snapshot is durable, on its way to the coordinator.
    Acknowledge,
    /// The durable write of a manifest.
    Publish,
    /// The commit of what a checkpoint completed.
    Commit,
    /// Work beside everything else.
    Background,
    /// What a source or a sink has handed out: calls of the outside world.
    Connector,
    /// The durable record that the job has finished.
    Finish,
}

/// Decides where actors die, what fails, and what comes late. Asked at crash points, before blocking work, and once per
/// run of records; never per record.
pub trait Faults: Send + Sync + 'static {
    /// What strikes the actor that passes, if anything does.
    fn strikes(&self, passing: Passing) -> Option<Strike>;

    /// How many records `subtask`, which has taken `taken` in this attempt, may take before it passes
    /// [`CrashPoint::Record`]; `None` if it need not.
    fn records_left(&self, subtask: SubtaskId, taken: u64) -> Option<u64> {
        let _ = (subtask, taken);
        None
    }

    /// How much later than at once `work` is to begin.
    fn delay(&self, work: Work) -> Duration {
        let _ = work;
        Duration::ZERO
    }
}

/// No faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn strikes(&self, _passing: Passing) -> Option<Strike> {
        None
    }
}
