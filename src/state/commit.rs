//! Decides what one transaction writes: the blocks of a checkpoint, or a step of the fold; names `redb`.
//!
//! Every commit is durable. That of a checkpoint is the snapshot. A step of the fold need not be, but pages that are not
//! written yet are written by whoever reads when the cache is full, and that is a subtask in the middle of its work.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_actors::ids::CheckpointId;
use redb::{Database, ReadableDatabase, ReadableTable};

use super::base::{BASE, BASE_PARTS, BASE_ROWS, CHANGELOG, CHECKPOINTS, Snapshot, TABLES};
use super::changelog::{Block, TableId};
use super::courtesy::offer_core;
use super::database::{DatabaseFile, Fence, begin_durable};
use super::merging::{FoldRows, MergeError, merge};
use super::opening::refused;
use super::{Latch, StateError};

/// A job that makes a snapshot durable. It blocks.
pub type PersistJob = Box<dyn FnOnce() -> Result<Persisted, StateError> + Send>;

/// A job that does a step of the work beside checkpoints. It blocks.
pub type FoldJob = Box<dyn FnOnce() -> Result<Folded, StateError> + Send>;

/// A durable snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persisted {
    /// The checkpoint it belongs to.
    pub checkpoint: CheckpointId,
    /// Changed rows it holds.
    pub rows: u64,
    /// Bytes written for them.
    pub bytes: u64,
}

/// What a [`FoldJob`] has done.
pub struct Folded {
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) folded: Option<FoldedRows>,
    pub(super) dropped: Vec<(TableId, CheckpointId)>,
    rows: u64,
}

/// How many rows the base has now of the table that was folded.
pub struct FoldedRows {
    pub(super) table: TableId,
    pub(super) base_rows: u64,
    /// Of those beginnings of keys whose counts have changed, the new counts.
    pub(super) parts: Vec<(Vec<u8>, u64)>,
}

impl Folded {
    /// Rows merged into the base.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The outcome of a job that had nothing to write.
    pub(super) fn nothing() -> Self {
        Self { snapshot: None, folded: None, dropped: Vec::new(), rows: 0 }
    }
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folded").field("rows", &self.rows).field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// What a persist job writes.
pub(super) struct Persist {
    pub(super) checkpoint: CheckpointId,
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) names: BTreeMap<String, TableId>,
    pub(super) oldest: CheckpointId,
}

impl Persist {
    pub(super) fn run(&self, file: &DatabaseFile, fence: Fence) -> Result<Persisted, StateError> {
        file.write(fence, |database, persisted| {
            // Its blocks went into the later commit, and may have been dropped since.
            if let Some(by) = persisted.filter(|by| *by >= self.checkpoint) {
                return Err(StateError::Superseded { checkpoint: self.checkpoint, by });
            }
            let written = self.commit(database, &file.path)?;
            *persisted = Some(self.checkpoint);
            Ok(written)
        })
    }

    fn commit(&self, database: &Database, path: &Path) -> Result<Persisted, StateError> {
        let refused_table = refused::<redb::TableError>(path);
        let refused_storage = refused::<redb::StorageError>(path);
        let transaction = begin_durable(database, path)?;
        let (mut rows, mut bytes) = (0, 0);
        {
            let mut tables = transaction.open_table(TABLES).map_err(&refused_table)?;
            for (name, id) in &self.names {
                tables.insert(name.as_str(), id.0).map_err(&refused_storage)?;
            }
            let mut changelog = transaction.open_table(CHANGELOG).map_err(&refused_table)?;
            for block in &self.blocks {
                let place = (block.table.0, block.checkpoint.0, block.seq);
                let mut stored = changelog.insert_reserve(place, block.stored_bytes()).map_err(&refused_storage)?;
                block.store(stored.as_mut());
                offer_core();
                rows += u64::from(block.rows);
                bytes += block.stored_bytes() as u64;
            }
            let mut checkpoints = transaction.open_table(CHECKPOINTS).map_err(&refused_table)?;
            checkpoints.insert(self.checkpoint.0, rows).map_err(&refused_storage)?;
            checkpoints.retain_in(..self.oldest.0, |_, _| false).map_err(&refused_storage)?;
        }
        transaction.commit().map_err(refused(path))?;
        Ok(Persisted { checkpoint: self.checkpoint, rows, bytes })
    }
}

/// Rows of one table that are folded.
pub(super) struct FoldOfTable {
    pub(super) table: TableId,
    pub(super) name: String,
    pub(super) rows: FoldRows,
}

/// What a fold job does, in one transaction.
pub(super) struct Fold {
    pub(super) rows: Option<FoldOfTable>,
    pub(super) drop: Vec<(TableId, CheckpointId)>,
    pub(super) latch: Latch,
}

impl Fold {
    pub(super) fn run(self, file: &DatabaseFile, fence: Fence) -> Result<Folded, StateError> {
        file.write(fence, |database, _| {
            let rows = self.rows.as_ref().map_or(0, |of| of.rows.rows.len() as u64);
            let folded = if rows == 0 && self.drop.is_empty() { None } else { self.commit(database, &file.path)? };
            let transaction = database.begin_read().map_err(refused(&file.path))?;
            let snapshot = Snapshot::new(&file.path, self.latch.clone(), &transaction)?;
            Ok(Folded { snapshot: Some(Arc::new(snapshot)), folded, dropped: self.drop, rows })
        })
    }

    fn commit(&self, database: &Database, path: &Path) -> Result<Option<FoldedRows>, StateError> {
        let refused_table = refused::<redb::TableError>(path);
        let refused_storage = refused::<redb::StorageError>(path);
        let transaction = begin_durable(database, path)?;
        let mut folded = None;
        if let Some(FoldOfTable { table, name, rows }) = &self.rows {
            let mut counts = transaction.open_table(BASE_ROWS).map_err(&refused_table)?;
            let mut base = transaction.open_table(BASE).map_err(&refused_table)?;
            let more_rows = merge(rows, &mut base).map_err(|error| match error {
                MergeError::Database(error) => refused_storage(error),
                MergeError::Damaged(group, detail) => StateError::corrupt(path, name, group, detail),
            })?;
            let before = counts.get(table.0).map_err(&refused_storage)?.map_or(0, |rows| rows.value());
            let base_rows = before.saturating_add_signed(more_rows.all);
            counts.insert(table.0, base_rows).map_err(&refused_storage)?;
            let mut parts = transaction.open_table(BASE_PARTS).map_err(&refused_table)?;
            let parts = add_to_parts(*table, &more_rows.by_part, &mut parts).map_err(&refused_storage)?;
            folded = Some(FoldedRows { table: *table, base_rows, parts });
        }
        if !self.drop.is_empty() {
            let mut changelog = transaction.open_table(CHANGELOG).map_err(&refused_table)?;
            for (table, through) in &self.drop {
                let old = (table.0, 0, 0)..=(table.0, through.0, u32::MAX);
                let leave = |_, _: &_| {
                    offer_core();
                    false
                };
                changelog.retain_in(old, leave).map_err(&refused_storage)?;
            }
        }
        transaction.commit().map_err(refused(path))?;
        Ok(folded)
    }
}

/// Corrects the counts of rows by the parts of their keys; gives the new ones.
fn add_to_parts(
    table: TableId,
    by_part: &BTreeMap<&[u8], i64>,
    counts: &mut redb::Table<'_, (u16, &'static [u8]), u64>,
) -> Result<Vec<(Vec<u8>, u64)>, redb::StorageError> {
    let mut changed = Vec::new();
    for (part, more) in by_part {
        let before = counts.get((table.0, *part))?.map_or(0, |rows| rows.value());
        let rows = before.saturating_add_signed(*more);
        if rows == 0 {
            counts.remove((table.0, *part))?;
        } else {
            counts.insert((table.0, *part), rows)?;
        }
        changed.push((part.to_vec(), rows));
    }
    Ok(changed)
}
