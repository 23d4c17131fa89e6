//! Decides what the store of one subtask does next: encode, persist, fold, drop, evict, or ask for a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::ids::CheckpointId;
use millstream_actors::time::Moment;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::base::Snapshot;
use super::changelog::{Block, TableId};
use super::commit::{Fold, FoldJob, FoldOfTable, Folded, Persist, PersistJob, Persisted};
use super::database::{DatabaseFile, Fence, KnownTable};
use super::row_key::RowKey;
use super::table::{Table, TablePlace};
use super::work::{Capture, Usage};
use super::{Latch, StateError, VisitTables};
use crate::model::{KeyGroupRange, MaxParallelism};

/// A busy subtask rests this many times as long as a fold job took: folding then takes at most 5 % of the time.
const REST: u32 = 19;
/// Rows marked changed in one call, if the changelog needs it.
const RELOG_ROWS: usize = 1024;
/// Rows that one call looks at to evict some.
const EVICT_SCAN: usize = 1024;
/// An open view of the file keeps the pages of its time. It is renewed after this many commits at the latest.
const COMMITS_PER_VIEW: u32 = 16;

/// What the memory of a store asks of its subtask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// Nothing.
    None,
    /// Rows that no checkpoint has yet take much of the memory: a checkpoint should be taken early.
    AskCheckpoint,
    /// Rows wait to be folded only: the inputs should be held until they are.
    Fold,
}

/// The keyed state of one subtask: it carries the changes of its tables to disk.
///
/// The tables are owned by the operators, and shown to the store in each call. A call never blocks; what blocks is
/// given as a job, whose outcome comes back.
pub struct Store {
    file: Arc<DatabaseFile>,
    fence: Fence,
    latch: Latch,
    memory_bytes: usize,
    groups: KeyGroupRange,
    max: MaxParallelism,
    restored: Option<CheckpointId>,
    snapshot: Arc<Snapshot>,
    known: BTreeMap<String, KnownTable>,
    opened: BTreeSet<String>,
    /// The checkpoint whose rows are being encoded.
    encoding: Option<CheckpointId>,
    /// Blocks that are not known to be durable.
    pending: Vec<Arc<Block>>,
    oldest_retained: CheckpointId,
    /// When the running background job was given out, and the table whose rows it folds.
    running: Option<(Moment, Option<TableId>)>,
    rested_at: Moment,
    commits: u32,
}

pub(super) struct StorePlace {
    pub(super) file: Arc<DatabaseFile>,
    pub(super) latch: Latch,
    pub(super) memory_bytes: usize,
    pub(super) groups: KeyGroupRange,
    pub(super) max: MaxParallelism,
    pub(super) restored: Option<CheckpointId>,
}

impl Store {
    pub(super) fn new(
        place: StorePlace,
        fence: Fence,
        known: BTreeMap<String, KnownTable>,
        snapshot: Snapshot,
    ) -> Self {
        Self {
            file: place.file,
            fence,
            latch: place.latch,
            memory_bytes: place.memory_bytes,
            groups: place.groups,
            max: place.max,
            restored: place.restored,
            snapshot: Arc::new(snapshot),
            known,
            opened: BTreeSet::new(),
            encoding: None,
            pending: Vec::new(),
            oldest_retained: CheckpointId(0),
            running: None,
            rested_at: Moment::ZERO,
            commits: 0,
        }
    }

    /// Opens the table `name`, with the rows of the checkpoint the store was opened at. Blocks while it reads those that
    /// the last checkpoints changed.
    ///
    /// # Errors
    /// [`StateError::TableTwice`] if it is open; [`StateError::Corrupt`] if its rows are damaged or of another type.
    pub fn table<K, V>(&mut self, name: &str) -> Result<Table<K, V>, StateError>
    where
        K: RowKey,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        self.latch.check()?;
        if !self.opened.insert(name.to_owned()) {
            return Err(StateError::TableTwice { file: self.file.path.clone(), table: name.to_owned() });
        }
        let known = match self.known.get(name) {
            Some(known) => *known,
            None => {
                let next = self.known.values().map(|known| u32::from(known.id.0) + 1).max().unwrap_or(0);
                let exhausted = |_| StateError::Exhausted { table: name.to_owned(), what: "table numbers" };
                let known = KnownTable { id: TableId(u16::try_from(next).map_err(exhausted)?), base_rows: 0 };
                self.known.insert(name.to_owned(), known);
                known
            }
        };
        let place = TablePlace { name: name.into(), id: known.id, groups: self.groups, max: self.max };
        Table::open(place, known.base_rows, self.snapshot.clone(), self.restored)
    }

    /// The tables that have been opened.
    pub fn opened(&self) -> impl Iterator<Item = &str> {
        self.opened.iter().map(String::as_str)
    }

    /// The tables that are in the file but have not been opened. Their rows are kept as they are.
    pub fn unopened(&self) -> impl Iterator<Item = &str> {
        self.known.keys().filter(|name| !self.opened.contains(*name)).map(String::as_str)
    }

    /// Freezes the rows as of now: they are the snapshot of checkpoint `n`. If the rows of an earlier barrier are not all
    /// encoded, its checkpoint is given up, and its changes become part of this one.
    ///
    /// # Errors
    /// Only what an earlier call has latched.
    pub fn barrier(&mut self, n: CheckpointId, tables: &mut dyn VisitTables) -> Result<(), StateError> {
        self.latch.check()?;
        tables.visit(&mut |table| {
            table.take_blocks(&mut self.pending);
            table.barrier(n)
        })?;
        self.encoding = Some(n);
        Ok(())
    }

    /// Encodes at most `rows` frozen rows. Gives the job that makes the snapshot durable when all are encoded; `None` asks
    /// for another call, or says that there is nothing to encode.
    ///
    /// # Errors
    /// [`StateError::Codec`] if a key or value cannot be encoded.
    pub fn encode(&mut self, rows: usize, tables: &mut dyn VisitTables) -> Result<Option<PersistJob>, StateError> {
        self.latch.check()?;
        let Some(checkpoint) = self.encoding else { return Ok(None) };
        let (mut budget, mut done) = (rows, true);
        tables.visit(&mut |table| {
            done &= table.encode(&mut budget)?;
            Ok(())
        })?;
        if !done {
            return Ok(None);
        }
        tables.visit(&mut |table| {
            table.take_blocks(&mut self.pending);
            Ok(())
        })?;
        self.encoding = None;
        let persist = Persist {
            checkpoint,
            blocks: self.pending.clone(),
            names: self.known.iter().map(|(name, known)| (name.clone(), known.id)).collect(),
            oldest: self.oldest_retained,
        };
        let (file, fence, latch) = (self.file.clone(), self.fence, self.latch.clone());
        Ok(Some(Box::new(move || latch.watch(persist.run(&file, fence)))))
    }

    /// Hears how a [`PersistJob`] ended. If it failed, its rows go to disk with the next checkpoint.
    ///
    /// # Errors
    /// The outcome's, if the store cannot go on: it was damaged, fenced off, or its database was closed by the failure.
    pub fn persisted(&mut self, outcome: Result<Persisted, StateError>) -> Result<(), StateError> {
        self.latch.check()?;
        match outcome {
            Ok(persisted) => {
                self.pending.retain(|block| block.checkpoint > persisted.checkpoint);
                self.commits += 1;
                Ok(())
            }
            Err(error @ (StateError::Corrupt { .. } | StateError::Fenced { .. })) => Err(error),
            Err(error) if self.file.is_closed() => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Hears that checkpoint `n` is complete, and that none before `oldest_retained` will be restored: what is up to it
    /// may be folded.
    ///
    /// # Errors
    /// Only what an earlier call has latched.
    pub fn completed(
        &mut self,
        n: CheckpointId,
        oldest_retained: CheckpointId,
        tables: &mut dyn VisitTables,
    ) -> Result<(), StateError> {
        self.latch.check()?;
        self.oldest_retained = self.oldest_retained.max(oldest_retained.min(n));
        tables.visit(&mut |table| {
            table.retained(self.oldest_retained);
            Ok(())
        })
    }

    /// Gives the next background job, if it is time for one: folding rows, dropping blocks. There is one at a time.
    /// `idle` says that the subtask has nothing else to do.
    ///
    /// # Errors
    /// [`StateError::Codec`] if a row cannot be encoded.
    pub fn background(
        &mut self,
        idle: bool,
        now: Moment,
        tables: &mut dyn VisitTables,
    ) -> Result<Option<FoldJob>, StateError> {
        self.latch.check()?;
        let usage = usage(tables)?;
        let urgent = usage.foldable_bytes > 0 && usage.held_bytes > self.memory_bytes / 2;
        if !idle && !urgent {
            tables.visit(&mut |table| table.relog(RELOG_ROWS))?;
        }
        if self.running.is_some() || (!idle && !urgent && now < self.rested_at) {
            return Ok(None);
        }
        let mut drop = Vec::new();
        let mut rows = None;
        let mut preparing = false;
        tables.visit(&mut |table| {
            drop.extend(table.droppable().map(|through| (table.id(), through)));
            if rows.is_none() && !preparing {
                match table.capture(idle || urgent)? {
                    Capture::Nothing => {}
                    Capture::Preparing => preparing = true,
                    Capture::Rows(captured) => {
                        rows = Some(FoldOfTable { table: table.id(), name: table.name().to_owned(), rows: captured });
                    }
                }
            }
            Ok(())
        })?;
        if rows.is_none() && drop.is_empty() {
            if preparing {
                self.running = Some((now, None));
                // An empty job brings the caller back, also if it has nothing else to do.
                return Ok(Some(Box::new(|| Ok(Folded::nothing()))));
            }
            if self.commits < COMMITS_PER_VIEW {
                return Ok(None);
            }
        }
        self.running = Some((now, rows.as_ref().map(|of| of.table)));
        self.commits = 0;
        let fold = Fold { rows, drop, latch: self.latch.clone() };
        let (file, fence, latch) = (self.file.clone(), self.fence, self.latch.clone());
        Ok(Some(Box::new(move || latch.watch(fold.run(&file, fence)))))
    }

    /// Hears how a [`FoldJob`] ended, and at what time.
    ///
    /// # Errors
    /// The outcome's: a store whose fold has failed cannot go on, and says so from now on.
    pub fn folded(
        &mut self,
        outcome: Result<Folded, StateError>,
        now: Moment,
        tables: &mut dyn VisitTables,
    ) -> Result<(), StateError> {
        self.latch.check()?;
        let (started, table) = self.running.take().unwrap_or((now, None));
        self.rested_at = now + now.since(started).saturating_mul(REST);
        let folded = match outcome {
            Ok(folded) => folded,
            Err(error) => {
                tables.visit(&mut |each| {
                    if Some(each.id()) == table {
                        each.not_folded();
                    }
                    Ok(())
                })?;
                return Err(self.latch.set(error));
            }
        };
        if let Some(snapshot) = &folded.snapshot {
            self.snapshot = snapshot.clone();
        }
        tables.visit(&mut |table| {
            if let Some(snapshot) = &folded.snapshot {
                table.renew(snapshot.clone());
            }
            let id = table.id();
            if let Some(folded) = folded.folded.as_ref().filter(|folded| folded.table == id) {
                table.folded(folded)?;
            }
            for (_, through) in folded.dropped.iter().filter(|(of, _)| *of == id) {
                table.dropped(*through);
            }
            Ok(())
        })
    }

    /// Evicts rows if they take too much memory, and says what the subtask has to do about those that cannot be.
    ///
    /// # Errors
    /// Only what an earlier call has latched.
    pub fn pressure(&mut self, tables: &mut dyn VisitTables) -> Result<Pressure, StateError> {
        self.latch.check()?;
        let usage = usage(tables)?;
        let clean = usage.total_bytes.saturating_sub(usage.held_bytes);
        let mut excess = usage.total_bytes.saturating_sub(self.memory_bytes);
        if excess > 0 && clean > 0 {
            // A little more than needed, so that the next call has nothing to do.
            excess += self.memory_bytes / 256;
            tables.visit(&mut |table| {
                excess = excess.saturating_sub(table.evict(excess, EVICT_SCAN));
                Ok(())
            })?;
        }
        Ok(if usage.held_bytes > self.memory_bytes && usage.foldable_bytes > 0 {
            Pressure::Fold
        } else if usage.held_bytes.saturating_sub(usage.foldable_bytes) > self.memory_bytes / 2 {
            Pressure::AskCheckpoint
        } else {
            Pressure::None
        })
    }

    /// The time that must pass before a busy subtask folds again, counted from `now`.
    #[must_use]
    pub fn rest(&self, now: Moment) -> Duration {
        self.rested_at.since(now)
    }
}

fn usage(tables: &mut dyn VisitTables) -> Result<Usage, StateError> {
    let mut usage = Usage::default();
    tables.visit(&mut |table| {
        usage += table.usage();
        Ok(())
    })?;
    Ok(usage)
}
