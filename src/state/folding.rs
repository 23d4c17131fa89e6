//! Decides which rows of a table are folded next, and does for the store what needs the table's types.

use std::ops::RangeInclusive;
use std::sync::Arc;

use millstream_actors::ids::CheckpointId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::base::{PREFIX_BYTES, Snapshot, begin_key};
use super::changelog::{Block, TableId};
use super::commit::FoldedRows;
use super::generations::{CLEAN, Generation};
use super::merging::{FoldRow, FoldRows};
use super::order::{Movement, RowOrder};
use super::places::{Flags, NOWHERE, Row, RowId};
use super::row_key::RowKey;
use super::rows::LOOK_AHEAD;
use super::table::Table;
use super::work::{Capture, TableWork, Usage};
use crate::model;

/// Rows captured in one call: encoding them takes a fraction of a millisecond.
const CAPTURE_ROWS: usize = 1024;
/// Rows of one transaction. Neighbours share pages, so a few thousand cost half as much each as one thousand.
const FOLD_ROWS: usize = 8192;
/// Rows looked at in one call while those to fold are gathered: a fraction of a millisecond.
const GATHER_ROWS: usize = 4096;
/// The newest generations are not folded while there is better to do: their rows are likely to change again.
const NEWEST_GENERATIONS: Generation = 2;
/// The changelog of a table may hold this many versions per live row, and [`SPARE_VERSIONS`] more.
const VERSIONS_PER_ROW: usize = 4;
const SPARE_VERSIONS: usize = 65_536;
/// What the index takes per row, in bytes, at its usual load.
const INDEX_BYTES: usize = 14;

/// Where folding one table stands.
#[derive(Debug, Default)]
pub(super) struct Folding {
    /// The generations whose rows are being folded, first and last. All that can be are folded together: the more rows
    /// there are, the more of them share a page of the base.
    target: Option<(Generation, Generation)>,
    /// The generation that is being gathered, and how many of its rows were.
    gathered: (Generation, usize),
    /// They lie by key group, so that one step touches one stretch of the base.
    groups: Vec<Vec<RowId>>,
    /// Rows on their way into the next job, and after that, those in the job that is running.
    captured: Vec<Captured>,
    /// Their encodings, before the job.
    rows: FoldRows,
    relog: (Generation, usize),
}

#[derive(Debug, Clone, Copy)]
struct Captured {
    id: RowId,
    generation: Generation,
    removed: bool,
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> TableWork for Table<K, V> {
    fn name(&self) -> &str {
        &self.place.name
    }

    fn id(&self) -> TableId {
        self.place.id
    }

    fn barrier(&mut self, checkpoint: CheckpointId) -> Result<(), StateError> {
        // Rows left over from a barrier whose checkpoint was abandoned belong to this one. They have not changed since.
        let left = self.frozen.split_off(self.encoded);
        self.generation_encoded();
        self.frozen = std::mem::take(&mut self.dirty);
        self.frozen.extend_from_slice(&left);
        self.generations.push(self.current, checkpoint);
        self.log.begin(checkpoint);
        self.current = self.current.checked_add(1).ok_or_else(|| self.place.exhausted("generations"))?;
        Ok(())
    }

    fn encode(&mut self, budget: &mut usize) -> Result<bool, StateError> {
        while *budget > 0 && self.encoded < self.frozen.len() {
            let until = self.frozen.len().min(self.encoded + LOOK_AHEAD.min(*budget));
            self.rows.places.fetch(self.frozen[self.encoded..until].iter().copied());
            while self.encoded < until {
                let id = self.frozen[self.encoded];
                if self.is_frozen(id) {
                    self.encode_row(id)?;
                }
                self.encoded += 1;
                *budget -= 1;
            }
        }
        let done = self.encoded == self.frozen.len();
        if done {
            self.generation_encoded();
        }
        Ok(done)
    }

    fn take_blocks(&mut self, into: &mut Vec<Arc<Block>>) {
        into.extend(self.log.take().into_iter().map(Arc::new));
    }

    fn retained(&mut self, oldest: CheckpointId) {
        self.generations.retained(oldest);
        // Generations without blocks need no job to go.
        self.generations.dropped(CheckpointId(0));
    }

    fn usage(&self) -> Usage {
        let row = self.bytes_per_row();
        Usage {
            total_bytes: self.rows.len() * row,
            held_bytes: (self.rows.len() - self.clean) * row,
            foldable_bytes: self.generations.foldable_rows() * row,
        }
    }

    fn evict(&mut self, bytes: usize, scan: usize) -> usize {
        let row = self.bytes_per_row();
        let evicted = self.rows.evict(bytes.div_ceil(row).min(self.clean), scan);
        self.clean -= evicted;
        evicted * row
    }

    fn droppable(&self) -> Option<CheckpointId> {
        self.generations.droppable()
    }

    fn dropped(&mut self, through: CheckpointId) {
        self.generations.dropped(through);
    }

    fn capture(&mut self, newest: bool) -> Result<Capture, StateError> {
        let last = if newest { Generation::MAX } else { self.current.saturating_sub(1 + NEWEST_GENERATIONS) };
        if self.folding.target.is_none() {
            self.folding.target = self.generations.foldable(last);
            self.folding.gathered = (self.folding.target.map_or(CLEAN, |(first, _)| first), 0);
            self.folding.groups.clear();
        }
        let Some(target) = self.folding.target else { return Ok(Capture::Nothing) };
        if !self.gather(target) {
            return Ok(Capture::Preparing);
        }
        let all = self.capture_rows(target)?;
        if !all && self.folding.rows.rows.len() < FOLD_ROWS {
            return Ok(Capture::Preparing);
        }
        if self.folding.rows.rows.is_empty() {
            self.folding.target = None;
            let more = self.generations.foldable(last).is_some();
            return Ok(if more { Capture::Preparing } else { Capture::Nothing });
        }
        Ok(Capture::Rows(std::mem::take(&mut self.folding.rows)))
    }

    fn folded(&mut self, folded: &FoldedRows) -> Result<(), StateError> {
        for captured in std::mem::take(&mut self.folding.captured).chunks(LOOK_AHEAD) {
            self.rows.places.fetch(captured.iter().map(|captured| captured.id));
            for captured in captured {
                self.row_folded(*captured);
            }
        }
        self.base.rows = folded.base_rows;
        for (part, rows) in &folded.parts {
            self.rows.order.counted(part, *rows).map_err(|source| self.place.codec(source))?;
        }
        Ok(())
    }

    fn not_folded(&mut self) {
        self.folding = Folding::default();
    }

    fn renew(&mut self, snapshot: Arc<Snapshot>) {
        self.base.snapshot = snapshot;
    }

    fn relog(&mut self, rows: usize) -> Result<(), StateError> {
        let (versions, live) = self.generations.versions_and_live();
        if versions <= VERSIONS_PER_ROW * live + SPARE_VERSIONS {
            return Ok(());
        }
        // The generation closed last may still be in the making.
        let Some(oldest) = self.generations.oldest_live().filter(|oldest| *oldest + 1 < self.current) else {
            return Ok(());
        };
        if self.folding.relog.0 != oldest {
            self.folding.relog = (oldest, 0);
        }
        for _ in 0..rows {
            let next = self.folding.relog.1;
            let listed = self.generations.get_mut(oldest).and_then(|logged| logged.rows.get(next).copied());
            let Some(id) = listed else { break };
            self.folding.relog.1 += 1;
            if is_pinned(self.rows.at(id), oldest) {
                self.make_dirty(id)?;
            }
        }
        Ok(())
    }
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// Hands the list of encoded rows to the generation closed last.
    fn generation_encoded(&mut self) {
        let encoded = std::mem::take(&mut self.frozen);
        self.encoded = 0;
        if let Some(logged) = self.generations.get_mut(self.current - 1) {
            if logged.rows.is_empty() {
                logged.rows = encoded;
            } else {
                logged.rows.extend_from_slice(&encoded);
            }
        }
    }

    fn bytes_per_row(&self) -> usize {
        let on_heap = std::mem::needs_drop::<K>() || std::mem::needs_drop::<V>();
        size_of::<Row<K, V>>() + INDEX_BYTES + K::Order::ROW_BYTES + if on_heap { self.average.get() } else { 0 }
    }

    /// Sorts the live rows of the generations in `target` by key group, some per call; whether all are.
    fn gather(&mut self, (_, last): (Generation, Generation)) -> bool {
        let groups = &mut self.folding.groups;
        let first_group = self.place.groups.first.0;
        groups.resize_with(usize::from(self.place.groups.last.0.saturating_sub(first_group)) + 1, Vec::new);
        let mut budget = GATHER_ROWS;
        while self.folding.gathered.0 <= last {
            let (generation, from) = self.folding.gathered;
            let listed = self.generations.get_mut(generation).map_or(&[][..], |logged| &logged.rows[..]);
            let until = listed.len().min(from + budget);
            for ids in listed[from.min(until)..until].chunks(LOOK_AHEAD) {
                self.rows.places.fetch(ids.iter().copied());
                for &id in ids {
                    let row = self.rows.at(id);
                    if is_pinned(row, generation) {
                        let group = row.group.0.saturating_sub(first_group);
                        if let Some(rows) = groups.get_mut(usize::from(group)) {
                            rows.push(id);
                        }
                    }
                }
            }
            if until < listed.len() {
                self.folding.gathered.1 = until;
                return false;
            }
            budget -= until - from.min(until);
            self.folding.gathered = (generation + 1, 0);
        }
        true
    }

    /// Encodes gathered rows that are still as a generation in `target` logged them; whether there are no more.
    fn capture_rows(&mut self, (first, last): (Generation, Generation)) -> Result<bool, StateError> {
        let mut left = CAPTURE_ROWS;
        while left > 0 {
            while self.folding.groups.last().is_some_and(Vec::is_empty) {
                self.folding.groups.pop();
            }
            let Some(group) = self.folding.groups.last_mut() else { return Ok(true) };
            let mut ids = [NOWHERE; LOOK_AHEAD];
            let ids = &mut ids[..group.len().min(LOOK_AHEAD).min(left)];
            ids.copy_from_slice(&group[group.len() - ids.len()..]);
            group.truncate(group.len() - ids.len());
            left -= ids.len();
            self.rows.places.fetch(ids.iter().copied());
            for &id in ids.iter().rev() {
                self.capture_row(id, first..=last)?;
            }
        }
        Ok(false)
    }

    /// Encodes a row, if it is still as one of `generations` logged it.
    fn capture_row(&mut self, id: RowId, generations: RangeInclusive<Generation>) -> Result<(), StateError> {
        let row = self.rows.at(id);
        let generation = row.generation;
        if !generations.contains(&generation) || !is_pinned(row, generation) {
            return Ok(());
        }
        let captured = Captured { id, generation, removed: row.value.is_none() };
        if captured.removed && row.flags.has(Flags::SETTLED) && !row.flags.has(Flags::IN_BASE) {
            // The base has never heard of it, so there is nothing to remove from it.
            self.row_folded(captured);
            return Ok(());
        }
        let fold = &mut self.folding.rows;
        let start = fold.bytes.len();
        begin_key(self.place.id, row.group, &mut fold.bytes);
        let part = row.key.encode(&mut fold.bytes).map_err(|source| self.place.codec(source))?;
        let part_end = start + PREFIX_BYTES + part;
        let key_end = fold.bytes.len();
        let mut end = None;
        if let Some(value) = &row.value {
            model::encode_into(value, &mut fold.bytes).map_err(|source| self.place.codec(source))?;
            end = Some(fold.bytes.len());
        }
        fold.rows.push(FoldRow { start, part_end, key_end, end });
        self.folding.captured.push(captured);
        Ok(())
    }

    fn row_folded(&mut self, captured: Captured) {
        // A captured row keeps its place until now, whatever happens to it: it is not clean, and not fresh.
        let row = self.rows.at_mut(captured.id);
        if row.flags.has(Flags::FREE) {
            return;
        }
        row.flags = row.flags.with(Flags::SETTLED);
        let was_in_base = row.flags.has(Flags::IN_BASE);
        if captured.removed && was_in_base {
            self.rows.moved(captured.id, Movement::Removed);
        } else if !captured.removed && !was_in_base {
            self.rows.moved(captured.id, Movement::Found);
        }
        let row = self.rows.at_mut(captured.id);
        if !is_pinned(row, captured.generation) {
            return;
        }
        self.generations.folded(captured.generation);
        row.generation = CLEAN;
        row.flags = row.flags.without(Flags::LOGGED);
        if captured.removed {
            self.rows.free(captured.id);
        } else {
            self.clean += 1;
        }
    }
}

/// Whether the newest version of `row` is the one that `generation` logged.
#[inline]
fn is_pinned<K: RowKey, V>(row: &Row<K, V>, generation: Generation) -> bool {
    row.generation == generation && row.flags.has(Flags::LOGGED)
}
