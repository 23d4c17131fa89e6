//! The kill switch, out of band of all mail, and the points at which a test may let an actor die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ids::{Attempt, CheckpointId, SubtaskId};

/// One node of the tree of kill switches: job, attempt, subtask. A killed node kills everything below it.
#[derive(Debug, Clone, Default)]
pub struct KillSwitch {
    node: Arc<Node>,
}

#[derive(Debug, Default)]
struct Node {
    killed: AtomicBool,
    above: Option<KillSwitch>,
}

impl KillSwitch {
    /// A switch below this one.
    #[must_use]
    pub fn below(&self) -> Self {
        Self { node: Arc::new(Node { killed: AtomicBool::new(false), above: Some(self.clone()) }) }
    }

    /// Kills this node. There is no way back.
    pub fn kill(&self) {
        self.node.killed.store(true, Ordering::Release);
    }

    /// Whether this node, or one above it, was killed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.node.killed.load(Ordering::Acquire) || self.node.above.as_ref().is_some_and(Self::is_killed)
    }
}

/// A place in the life of an actor at which a test may let it die. What must hold after each: `docs/testing.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CrashPoint {
    /// The subtask has opened, restored its state, and done nothing yet.
    Opened,
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
    /// The acknowledgement is sent.
    AfterAck,
    /// The coordinator has all acknowledgements; the manifest is not durable yet.
    BeforePublish,
    /// The manifest is durable; nobody knows it yet.
    AfterPublish,
    /// The subtask knows that the checkpoint is complete; its sinks have not committed yet.
    BeforeCommit,
    /// The sinks have committed; the coordinator does not know it yet.
    AfterCommit,
    /// The input has ended; the final checkpoint is still to come.
    Drained,
}

impl CrashPoint {
    /// Every point, in the order in which a checkpoint passes them.
    pub const ALL: [Self; 12] = [
        Self::Opened,
        Self::Aligning,
        Self::BeforeSnapshot,
        Self::AfterSnapshot,
        Self::BeforePersist,
        Self::AfterPersist,
        Self::AfterAck,
        Self::BeforePublish,
        Self::AfterPublish,
        Self::BeforeCommit,
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

/// Decides where actors die. Asked at crash points only, never per record or batch.
pub trait Faults: Send + Sync + 'static {
    /// Whether the actor that passes dies here.
    fn strikes(&self, passing: Passing) -> bool;
}

/// No faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn strikes(&self, _passing: Passing) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_node_kills_what_is_below_it_and_nothing_else() {
        let job = KillSwitch::default();
        let (left, right) = (job.below(), job.below());
        left.kill();
        assert_eq!(
            [job.is_killed(), left.is_killed(), left.below().is_killed(), right.is_killed()],
            [false, true, true, false]
        );
        job.kill();
        assert!(right.is_killed());
    }
}
