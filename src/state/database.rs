//! Decides who may write to one database file, and brings it to a checkpoint; names `redb`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::ids::{Attempt, CheckpointId};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, WriteTransaction};

use super::base::{BASE, BASE_PARTS, BASE_ROWS, CHANGELOG, CHECKPOINTS, META, Snapshot, TABLES};
use super::changelog::{FORMAT, TableId};
use super::courtesy::offer_core;
use super::opening::{close, guarded, open, refused};
use super::{Latch, StateError, StateOptions};
use crate::model::{KeyGroupRange, MaxParallelism};

/// One database file of a state directory, kept open across attempts.
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    stem: String,
    options: StateOptions,
    slot: Mutex<Slot>,
}

/// What is shared by the openings of a file. Whoever holds it is the only writer.
#[derive(Default)]
pub(super) struct Slot {
    database: Option<Database>,
    /// Counts openings; a job of an earlier one changes nothing.
    opening: u64,
    attempt: Option<Attempt>,
    /// The latest checkpoint persisted by this opening.
    pub(super) persisted: Option<CheckpointId>,
}

/// Proof of the right to write, until the next opening.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fence {
    opening: u64,
    attempt: Attempt,
}

/// A table as the file knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownTable {
    pub(super) id: TableId,
    pub(super) base_rows: u64,
}

/// What an opening finds.
pub(super) struct Opened {
    pub(super) fence: Fence,
    pub(super) tables: BTreeMap<String, KnownTable>,
    pub(super) snapshot: Snapshot,
}

impl DatabaseFile {
    pub(super) fn new(path: PathBuf, stem: &str, options: StateOptions) -> Self {
        Self { path, stem: stem.to_owned(), options, slot: Mutex::default() }
    }

    /// Takes the file over for `attempt`, at checkpoint `restore`, or empty. Waits for a job that is running.
    pub(super) fn take_over(
        &self,
        attempt: Attempt,
        restore: Option<CheckpointId>,
        groups: KeyGroupRange,
        max: MaxParallelism,
        latch: &Latch,
    ) -> Result<Opened, StateError> {
        let mut slot = self.lock();
        if let Some(by) = slot.attempt.filter(|by| *by > attempt) {
            return Err(StateError::Fenced { attempt, by });
        }
        slot.attempt = Some(attempt);
        slot.opening += 1;
        slot.persisted = None;
        let fence = Fence { opening: slot.opening, attempt };
        let found = self.with_database(&mut slot, |database| {
            let described = describe_groups(groups, max);
            match restore {
                None => self.clear(database, &described)?,
                Some(checkpoint) => self.rewind(database, checkpoint, &described)?,
            }
            let transaction = database.begin_read().map_err(refused(&self.path))?;
            Ok((self.tables(database)?, Snapshot::new(&self.path, latch.clone(), &transaction)?))
        });
        let (tables, snapshot) = found?;
        Ok(Opened { fence, tables, snapshot })
    }

    /// Runs `work` on the database unless `fence` has fallen. A failure closes the database, and what was not committed is
    /// lost with it; so nothing is written any more until the next opening, which finds the last commit.
    pub(super) fn write<T>(
        &self,
        fence: Fence,
        work: impl FnOnce(&Database, &mut Option<CheckpointId>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        // Whoever asked for this may be in a run slice, and this thread may have been woken on its core.
        offer_core();
        let mut slot = self.lock();
        if slot.opening != fence.opening {
            let by = slot.attempt.unwrap_or(fence.attempt);
            return Err(StateError::Fenced { attempt: fence.attempt, by });
        }
        let mut persisted = slot.persisted;
        let done = match &slot.database {
            Some(database) => guarded(&self.path, || work(database, &mut persisted)),
            None => Err(StateError::Closed { file: self.path.clone() }),
        };
        slot.persisted = persisted;
        if matches!(&done, Err(error) if !matches!(error, StateError::Superseded { .. })) {
            close(slot.database.take());
        }
        done
    }

    /// Whether a failure has closed the database.
    pub(super) fn is_closed(&self) -> bool {
        self.slot.try_lock().is_ok_and(|slot| slot.database.is_none())
    }

    /// Fences off all openings and removes all rows.
    pub(super) fn empty(&self) -> Result<(), StateError> {
        let mut slot = self.lock();
        slot.opening += 1;
        self.with_database(&mut slot, |database| self.clear(database, &[]))
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            // A job panicked half way; only what is on disk counts.
            let mut slot = poisoned.into_inner();
            slot.database = None;
            self.slot.clear_poison();
            slot
        })
    }

    fn with_database<T>(
        &self,
        slot: &mut Slot,
        work: impl FnOnce(&Database) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let done = guarded(&self.path, || {
            let database = match &mut slot.database {
                Some(database) => database,
                closed => closed.insert(open(&self.path, &self.stem, &self.options, self.options.cache_bytes)?),
            };
            work(database)
        });
        if done.is_err() {
            close(slot.database.take());
        }
        done
    }

    /// Empties the file, unless it is empty.
    fn clear(&self, database: &Database, groups: &[u8]) -> Result<(), StateError> {
        let transaction = begin_durable(database, &self.path)?;
        let refused_table = refused::<redb::TableError>(&self.path);
        let refused_storage = refused::<redb::StorageError>(&self.path);
        transaction.delete_table(BASE).map_err(&refused_table)?;
        transaction.delete_table(CHANGELOG).map_err(&refused_table)?;
        transaction.delete_table(CHECKPOINTS).map_err(&refused_table)?;
        transaction.delete_table(TABLES).map_err(&refused_table)?;
        transaction.delete_table(BASE_ROWS).map_err(&refused_table)?;
        transaction.delete_table(BASE_PARTS).map_err(&refused_table)?;
        transaction.open_table(BASE).map_err(&refused_table)?;
        transaction.open_table(CHANGELOG).map_err(&refused_table)?;
        transaction.open_table(CHECKPOINTS).map_err(&refused_table)?;
        transaction.open_table(TABLES).map_err(&refused_table)?;
        transaction.open_table(BASE_ROWS).map_err(&refused_table)?;
        transaction.open_table(BASE_PARTS).map_err(&refused_table)?;
        {
            let mut meta = transaction.open_table(META).map_err(&refused_table)?;
            meta.insert("format", &FORMAT.to_le_bytes()[..]).map_err(&refused_storage)?;
            meta.insert("groups", groups).map_err(&refused_storage)?;
        }
        transaction.commit().map_err(refused(&self.path))
    }

    /// Drops what is newer than `checkpoint`.
    fn rewind(&self, database: &Database, checkpoint: CheckpointId, groups: &[u8]) -> Result<(), StateError> {
        self.check(database, checkpoint, groups)?;
        let beyond = self.tables_beyond(database, checkpoint)?;
        if beyond.is_empty() && self.newest(database)? == Some(checkpoint) {
            return Ok(());
        }
        let transaction = begin_durable(database, &self.path)?;
        let refused_table = refused::<redb::TableError>(&self.path);
        let refused_storage = refused::<redb::StorageError>(&self.path);
        {
            let mut changelog = transaction.open_table(CHANGELOG).map_err(&refused_table)?;
            for table in beyond {
                let newer = (table.0, checkpoint.0.saturating_add(1), 0)..=(table.0, u64::MAX, u32::MAX);
                changelog.retain_in(newer, |_, _| false).map_err(&refused_storage)?;
            }
            let mut checkpoints = transaction.open_table(CHECKPOINTS).map_err(&refused_table)?;
            checkpoints.retain_in(checkpoint.0.saturating_add(1).., |_, _| false).map_err(&refused_storage)?;
        }
        transaction.commit().map_err(refused(&self.path))
    }

    /// Checks that the file holds `checkpoint`, in this format, for these key groups.
    fn check(&self, database: &Database, checkpoint: CheckpointId, groups: &[u8]) -> Result<(), StateError> {
        let transaction = database.begin_read().map_err(refused(&self.path))?;
        let refused_storage = refused::<redb::StorageError>(&self.path);
        let missing = |newest| StateError::Missing { file: self.path.clone(), checkpoint, newest };
        let meta = match transaction.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Err(missing(None)),
            opened => opened.map_err(refused(&self.path))?,
        };
        let format = meta.get("format").map_err(&refused_storage)?;
        let format = format.and_then(|format| format.value().try_into().ok()).map_or(0, u32::from_le_bytes);
        if format != FORMAT {
            return Err(StateError::Format { file: self.path.clone(), found: format, expected: FORMAT });
        }
        let checkpoints = transaction.open_table(CHECKPOINTS).map_err(refused(&self.path))?;
        if checkpoints.get(checkpoint.0).map_err(&refused_storage)?.is_none() {
            return Err(missing(self.newest(database)?));
        }
        let found = meta.get("groups").map_err(&refused_storage)?.map_or_else(Vec::new, |found| found.value().to_vec());
        if found != groups {
            let describe = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Err(StateError::Groups {
                file: self.path.clone(),
                expected: describe(groups),
                found: describe(&found),
            });
        }
        Ok(())
    }

    fn newest(&self, database: &Database) -> Result<Option<CheckpointId>, StateError> {
        let transaction = database.begin_read().map_err(refused(&self.path))?;
        let checkpoints = transaction.open_table(CHECKPOINTS).map_err(refused(&self.path))?;
        let last = checkpoints.last().map_err(refused(&self.path))?;
        Ok(last.map(|(checkpoint, _)| CheckpointId(checkpoint.value())))
    }

    fn tables(&self, database: &Database) -> Result<BTreeMap<String, KnownTable>, StateError> {
        let transaction = database.begin_read().map_err(refused(&self.path))?;
        let refused_storage = refused::<redb::StorageError>(&self.path);
        let names = transaction.open_table(TABLES).map_err(refused(&self.path))?;
        let base_rows = transaction.open_table(BASE_ROWS).map_err(refused(&self.path))?;
        let mut tables = BTreeMap::new();
        for entry in names.iter().map_err(&refused_storage)? {
            let (name, id) = entry.map_err(&refused_storage)?;
            let rows = base_rows.get(id.value()).map_err(&refused_storage)?.map_or(0, |rows| rows.value());
            tables.insert(name.value().to_owned(), KnownTable { id: TableId(id.value()), base_rows: rows });
        }
        Ok(tables)
    }

    /// The tables that have blocks newer than `checkpoint`.
    fn tables_beyond(&self, database: &Database, checkpoint: CheckpointId) -> Result<Vec<TableId>, StateError> {
        let transaction = database.begin_read().map_err(refused(&self.path))?;
        let changelog = transaction.open_table(CHANGELOG).map_err(refused(&self.path))?;
        let refused_storage = refused::<redb::StorageError>(&self.path);
        let mut beyond = Vec::new();
        for table in self.tables(database)?.values() {
            let newer = (table.id.0, checkpoint.0.saturating_add(1), 0)..=(table.id.0, u64::MAX, u32::MAX);
            if changelog.range(newer).map_err(&refused_storage)?.next().is_some() {
                beyond.push(table.id);
            }
        }
        Ok(beyond)
    }
}

/// Begins a transaction whose commit survives a crash, and whose recovery reads no more than its last pages.
pub(super) fn begin_durable(database: &Database, file: &Path) -> Result<WriteTransaction, StateError> {
    let mut transaction = database.begin_write().map_err(refused(file))?;
    transaction.set_durability(Durability::Immediate).map_err(refused(file))?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn describe_groups(groups: KeyGroupRange, max: MaxParallelism) -> Vec<u8> {
    format!("{groups} of {}", max.groups()).into_bytes()
}

/// The files of a state directory by stem.
pub(super) type Files = BTreeMap<String, Arc<DatabaseFile>>;
