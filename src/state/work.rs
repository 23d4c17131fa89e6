//! What a store asks of a table without knowing its types. Users cannot call it.

use std::sync::Arc;

use millstream_actors::ids::CheckpointId;

use super::StateError;
use super::base::Snapshot;
use super::changelog::{Block, TableId};
use super::commit::FoldedRows;
use super::merging::FoldRows;

/// What a store asks of a table.
pub trait TableWork {
    /// The name of the table within its store.
    fn name(&self) -> &str;

    /// The number of the table in its file.
    fn id(&self) -> TableId;

    /// Freezes what has changed: it belongs to `checkpoint`.
    fn barrier(&mut self, checkpoint: CheckpointId) -> Result<(), StateError>;

    /// Encodes at most `budget` frozen rows and lowers it by their number. Whether all are encoded.
    fn encode(&mut self, budget: &mut usize) -> Result<bool, StateError>;

    /// Hands over the blocks encoded so far.
    fn take_blocks(&mut self, into: &mut Vec<Arc<Block>>);

    /// Hears that no checkpoint before `oldest` will be restored.
    fn retained(&mut self, oldest: CheckpointId);

    /// What the rows take.
    fn usage(&self) -> Usage;

    /// Frees clean rows of about `bytes`, looking at no more than `scan` rows; gives the bytes freed.
    fn evict(&mut self, bytes: usize, scan: usize) -> usize;

    /// The checkpoint up to which blocks may be dropped, if there are any.
    fn droppable(&self) -> Option<CheckpointId>;

    /// Hears that they are gone.
    fn dropped(&mut self, through: CheckpointId);

    /// Prepares the next rows to fold. `newest`: rows of the newest generations, too.
    fn capture(&mut self, newest: bool) -> Result<Capture, StateError>;

    /// Hears that the captured rows are in the base.
    fn folded(&mut self, folded: &FoldedRows) -> Result<(), StateError>;

    /// Hears that the captured rows are not in the base.
    fn not_folded(&mut self);

    /// Takes a newer view of the file.
    fn renew(&mut self, snapshot: Arc<Snapshot>);

    /// If the changelog holds far more versions than rows, marks at most `rows` of the oldest ones changed, so that
    /// they move to the next checkpoint.
    fn relog(&mut self, rows: usize) -> Result<(), StateError>;
}

/// What a table has to fold.
#[derive(Debug)]
pub enum Capture {
    /// Nothing.
    Nothing,
    /// It is not known yet; ask again.
    Preparing,
    /// These rows.
    Rows(FoldRows),
}

/// What rows take, in bytes as estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All rows.
    pub total_bytes: usize,
    /// Rows that cannot be evicted, since the base does not have them as they are.
    pub held_bytes: usize,
    /// Held rows that could be folded now.
    pub foldable_bytes: usize,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.total_bytes += other.total_bytes;
        self.held_bytes += other.held_bytes;
        self.foldable_bytes += other.foldable_bytes;
    }
}
