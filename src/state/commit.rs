//! Decides what one transaction writes: the blocks of a checkpoint, or a step of the fold; names `redb`.
//!
//! Every commit is durable. That of a checkpoint is the snapshot. A step of the fold need not be, but pages that are not
//! written yet are written by whoever reads when the cache is full, and that is a subtask in the middle of its work.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_actors::ids::CheckpointId;
use redb::{Database, ReadableDatabase, ReadableTable};

use super::base::{
    BASE, BASE_PARTS, BASE_ROWS, CHANGELOG, CHECKPOINTS, CRC_BYTES, PREFIX_BYTES, Snapshot, TABLE_BYTES, TABLES,
    row_checksum,
};
use super::changelog::{Block, TableId};
use super::courtesy::offer_core;
use super::database::{DatabaseFile, Fence, begin_durable};
use super::opening::refused;
use super::{Latch, StateError};

/// Rows merged into the base before others may have the core: some tens of microseconds of work.
const ROWS_PER_TURN: usize = 64;

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

/// Rows on their way into the base, each a whole base key followed, unless the row is removed, by its value.
#[derive(Debug, Default)]
pub struct FoldRows {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Vec<FoldRow>,
}

/// One row of [`FoldRows`]: where its parts lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoldRow {
    pub(super) start: usize,
    /// The end of the part of the key whose rows are counted; the end of the table and key group if none are.
    pub(super) part_end: usize,
    pub(super) key_end: usize,
    /// The end of the value; `None` if the row is removed.
    pub(super) end: Option<usize>,
}

impl FoldRows {
    fn key(&self, row: FoldRow) -> &[u8] {
        &self.bytes[row.start..row.key_end]
    }

    /// The first bytes of the key behind the table's number, as a number that sorts as they do.
    fn begins(&self, row: FoldRow) -> u64 {
        let key = &self.key(row)[TABLE_BYTES..];
        let mut first = [0; 8];
        let some = key.len().min(first.len());
        first[..some].copy_from_slice(&key[..some]);
        u64::from_be_bytes(first)
    }

    /// The part of the key whose rows are counted.
    fn part(&self, row: FoldRow) -> &[u8] {
        &self.bytes[row.start + PREFIX_BYTES..row.part_end]
    }
}

/// What a fold job does, in one transaction.
pub(super) struct Fold {
    pub(super) rows: Option<(TableId, FoldRows)>,
    pub(super) drop: Vec<(TableId, CheckpointId)>,
    pub(super) latch: Latch,
}

impl Fold {
    pub(super) fn run(self, file: &DatabaseFile, fence: Fence) -> Result<Folded, StateError> {
        file.write(fence, |database, _| {
            let rows = self.rows.as_ref().map_or(0, |(_, rows)| rows.rows.len() as u64);
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
        if let Some((table, rows)) = &self.rows {
            let mut counts = transaction.open_table(BASE_ROWS).map_err(&refused_table)?;
            let mut base = transaction.open_table(BASE).map_err(&refused_table)?;
            let (all, by_part) = merge(rows, &mut base).map_err(&refused_storage)?;
            let before = counts.get(table.0).map_err(&refused_storage)?.map_or(0, |rows| rows.value());
            let base_rows = before.saturating_add_signed(all);
            counts.insert(table.0, base_rows).map_err(&refused_storage)?;
            let mut parts = transaction.open_table(BASE_PARTS).map_err(&refused_table)?;
            let parts = add_to_parts(*table, &by_part, &mut parts).map_err(&refused_storage)?;
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

/// Merges `rows` in key order; gives how many more rows the table then has, in all and by the parts that are counted.
fn merge<'a>(
    rows: &'a FoldRows,
    base: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
) -> Result<(i64, BTreeMap<&'a [u8], i64>), redb::StorageError> {
    let mut order: Vec<_> = rows.rows.iter().map(|row| (rows.begins(*row), *row)).collect();
    order.sort_unstable_by(|(a, left), (b, right)| a.cmp(b).then_with(|| rows.key(*left).cmp(rows.key(*right))));
    let (mut all, mut by_part) = (0, BTreeMap::new());
    let mut stored = Vec::new();
    for (at, (_, row)) in order.into_iter().enumerate() {
        if at % ROWS_PER_TURN == ROWS_PER_TURN - 1 {
            offer_core();
        }
        let key = rows.key(row);
        let more = match row.end {
            Some(end) => {
                let value = &rows.bytes[row.key_end..end];
                stored.clear();
                stored.reserve(CRC_BYTES + value.len());
                stored.extend_from_slice(&row_checksum(key, value).to_le_bytes());
                stored.extend_from_slice(value);
                i64::from(base.insert(key, stored.as_slice())?.is_none())
            }
            None => -i64::from(base.remove(key)?.is_some()),
        };
        all += more;
        let part = rows.part(row);
        if more != 0 && !part.is_empty() {
            *by_part.entry(part).or_insert(0) += more;
        }
    }
    Ok((all, by_part))
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
