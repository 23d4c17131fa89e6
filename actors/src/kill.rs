//! The kill switch, out of band of all mail, and who can be killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ids::{BlockId, SubtaskId};

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

/// Who can be killed from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Victim {
    /// One subtask.
    Subtask(SubtaskId),
    /// All subtasks of a block, at once.
    Block(BlockId),
    /// The checkpoint coordinator.
    Coordinator,
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
