//! What a checkpoint consists of, and the trait of the place where manifests are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::SeamError;
use crate::ids::{Attempt, BlockId, CheckpointId, SubtaskId};
use crate::task::SubtaskSnapshot;

/// Everything needed to start from a checkpoint, but for the tables, which lie with their subtasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// The attempt that took it.
    pub attempt: Attempt,
    /// The part of each subtask.
    pub subtasks: BTreeMap<SubtaskId, SubtaskSnapshot>,
    /// The part of each source's enumerator.
    pub enumerators: BTreeMap<BlockId, Vec<u8>>,
}

/// What a new attempt starts from.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The new attempt.
    pub attempt: Attempt,
    /// The latest completed checkpoint, if there is any.
    pub restored: Option<Manifest>,
    /// The first number that a new checkpoint may have.
    pub next_checkpoint: CheckpointId,
}

/// Keeps manifests. All calls may block.
pub trait CheckpointStore: Send + Sync + 'static {
    /// Begins the next attempt. From now on, manifests of earlier attempts are refused.
    ///
    /// # Errors
    /// Untrusted if what is stored is damaged or of another format, transient if it can't be read or written for now.
    fn begin_attempt(&self) -> Result<Beginning, SeamError>;

    /// Keeps `manifest` durably, and gives the oldest checkpoint that is still kept.
    ///
    /// # Errors
    /// If it is of an earlier attempt, or cannot be written. Untrusted if the store cannot be trusted: the job then fails for
    /// good.
    fn publish(&self, manifest: &Manifest) -> Result<CheckpointId, SeamError>;

    /// Records durably that the job has finished.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(&self) -> Result<(), SeamError>;
}
