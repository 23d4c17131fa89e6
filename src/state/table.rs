//! Decides how an operator reads and changes its keyed rows: in memory, without encoding, marking what changes.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::base::{Snapshot, begin_key};
use super::changelog::{LogWriter, TableId};
use super::folding::Folding;
use super::generations::{CLEAN, Generation, Generations};
use super::order::{Movement, RowOrder};
use super::places::{Flags, NOWHERE, RowId};
use super::room;
use super::row_key::{Probe, RowKey};
use super::rows::Rows;
use super::upcoming::Upcoming;
use crate::model::{self, CodecError, KeyGroup, KeyGroupRange, KeyHash, MaxParallelism};

/// Typed rows, one per key, owned by the operator that uses them.
///
/// Keys are handed in with their hash, which came with the record. They are borrowed: a plain key `K` as `&K`.
///
/// # State
/// Rows live in memory as values. Changed ones go to disk with the next checkpoint; those that memory has no room for
/// stay on disk and come back when they are asked for.
///
/// # Errors
/// Each access can fail with [`StateError::Corrupt`] if it has to read a damaged row, and a mutable one with
/// [`StateError::Codec`] if the row's state as of the last barrier has to be encoded first, and cannot be.
pub struct Table<K: RowKey, V> {
    pub(super) place: TablePlace,
    pub(super) rows: Rows<K, V>,
    pub(super) upcoming: Upcoming,
    /// The generation that changes belong to now.
    pub(super) current: Generation,
    /// The rows of the current generation.
    pub(super) dirty: Vec<RowId>,
    /// The rows of the generation before it, while they are encoded.
    pub(super) frozen: Vec<RowId>,
    /// How many of them were looked at.
    pub(super) encoded: usize,
    pub(super) generations: Generations,
    pub(super) log: LogWriter,
    pub(super) base: Base,
    pub(super) folding: Folding,
    /// Rows that are as the base has them.
    pub(super) clean: usize,
    pub(super) average: Average,
    pub(super) scratch: Vec<u8>,
}

/// Where a table belongs.
#[derive(Debug, Clone)]
pub struct TablePlace {
    pub(super) name: Arc<str>,
    pub(super) id: TableId,
    pub(super) groups: KeyGroupRange,
    pub(super) max: MaxParallelism,
}

/// The part of a table that is on disk only, or as well.
pub(super) struct Base {
    pub(super) snapshot: Arc<Snapshot>,
    /// Rows of the table in the base.
    pub(super) rows: u64,
}

/// The average size of an encoded row: the estimate of what a row holds on the heap.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Average {
    rows: u64,
    bytes: u64,
}

impl Average {
    #[inline]
    pub(super) fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn get(self) -> usize {
        self.bytes.checked_div(self.rows).unwrap_or(0) as usize
    }
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// The name of the table within its store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Brings the rows of keys that will be asked for next, at most 64, into the processor's caches.
    #[inline]
    pub(crate) fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash>) {
        self.upcoming.fill(|found| self.rows.look_ahead(hashes, found));
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// See [`Table`].
    #[inline]
    pub fn get(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<&V>, StateError> {
        let Some(id) = self.locate(hash, key)? else { return Ok(None) };
        let row = self.rows.at_mut(id);
        if row.generation == CLEAN {
            row.flags = row.flags.with(Flags::READ);
        }
        Ok(row.value.as_ref())
    }

    /// The value of `key`, to be changed.
    ///
    /// # Errors
    /// See [`Table`].
    #[inline]
    pub fn get_mut(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<&mut V>, StateError> {
        let Some(id) = self.locate(hash, key)? else { return Ok(None) };
        if self.rows.at(id).value.is_none() {
            return Ok(None);
        }
        self.mark_dirty(id)?;
        Ok(self.rows.at_mut(id).value.as_mut())
    }

    /// The value of `key`, to be changed; if there is none, `init` makes one.
    ///
    /// # Errors
    /// See [`Table`].
    #[inline]
    pub fn get_or_insert_with(
        &mut self,
        hash: KeyHash,
        key: impl Probe<K>,
        init: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        let upcoming = self.upcoming.next();
        if self.rows.get(upcoming).is_some_and(|row| row.is_of(self.current) && key.names(&row.key)) {
            return Ok(self.rows.at_mut(upcoming).value.get_or_insert_with(init));
        }
        let found = self.find_from(upcoming, hash, key);
        let found = if found.is_none() { self.load(hash, key)? } else { found };
        let id = match found {
            Some(id) => {
                self.mark_dirty(id)?;
                id
            }
            None => self.add_dirty(hash, key.to_key(), Flags::FRESH.with(Flags::SETTLED))?,
        };
        Ok(self.rows.value_or(id, init))
    }

    /// Sets the value of `key`. Does not read what is replaced, so it costs no access to the disk.
    ///
    /// # Errors
    /// See [`Table`].
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, key: impl Probe<K>, value: V) -> Result<(), StateError> {
        let id = match self.rows.find(hash, key) {
            Some(id) => {
                self.mark_dirty(id)?;
                id
            }
            None if self.is_nowhere_else(hash, key) => {
                self.add_dirty(hash, key.to_key(), Flags::FRESH.with(Flags::SETTLED))?
            }
            None => self.add_dirty(hash, key.to_key(), Flags::default())?,
        };
        self.rows.set(id, value);
        Ok(())
    }

    /// Removes the row of `key` and gives its value.
    ///
    /// # Errors
    /// See [`Table`].
    pub fn remove(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<V>, StateError> {
        let Some(id) = self.locate(hash, key)? else { return Ok(None) };
        let value = self.take_value(id)?;
        self.forget_if_fresh(id);
        Ok(value)
    }

    /// Removes the row of `key`, without reading it.
    pub(super) fn erase(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<(), StateError> {
        match self.rows.find(hash, key) {
            Some(id) => {
                self.take_value(id)?;
                self.forget_if_fresh(id);
            }
            None if self.is_nowhere_else(hash, key) => {}
            None => {
                self.add_dirty(hash, key.to_key(), Flags::default())?;
            }
        }
        Ok(())
    }

    /// Shows each row to `each`, in no particular order. Blocks while it reads the rows that are not in memory, and takes
    /// time for all that there is: it is for the time of opening, and for questions from outside.
    ///
    /// # Errors
    /// See [`Table`], and those of `each`.
    pub fn scan(&mut self, mut each: impl FnMut(&K, &V) -> Result<(), StateError>) -> Result<(), StateError> {
        for row in self.rows.places.iter() {
            if let Some(value) = &row.value {
                each(&row.key, value)?;
            }
        }
        if self.holds_all() {
            return Ok(());
        }
        let rows = &self.rows;
        let mut failed = Ok(());
        let all = self.place.id.0.to_be_bytes();
        self.base.snapshot.range(&self.place.name, &all, &all, |stored| {
            let (key, hash) = K::decode(stored.key())?;
            if rows.find(hash, &key).is_some() {
                return Ok(ControlFlow::Continue(()));
            }
            let value: V = model::decode(stored.value).map_err(|error| error.to_string())?;
            failed = each(&key, &value);
            Ok(if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        failed
    }

    /// Whether a key that is not in memory is not in the base either.
    #[inline]
    pub(super) fn holds_all(&self) -> bool {
        self.rows.resident() == self.base.rows
    }

    /// Whether `key`, which is not in memory, is not in the base either.
    #[inline]
    fn is_nowhere_else(&self, hash: KeyHash, key: impl Probe<K>) -> bool {
        self.holds_all() || self.rows.order.has_all(hash, &key.to_key())
    }

    /// The place of `key`. A look ahead has found `upcoming`, which may be another one's by now.
    #[inline]
    fn find_from(&mut self, upcoming: RowId, hash: KeyHash, key: impl Probe<K>) -> Option<RowId> {
        if self.rows.lies_at(upcoming, key) {
            return Some(upcoming);
        }
        if upcoming != NOWHERE {
            self.upcoming.forget();
        }
        self.rows.find(hash, key)
    }

    #[inline]
    pub(super) fn locate(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<RowId>, StateError> {
        match self.rows.find(hash, key) {
            Some(id) => Ok(Some(id)),
            None => self.load(hash, key),
        }
    }

    /// Reads a row that is not in memory from the base, if that has it.
    #[inline]
    fn load(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<RowId>, StateError> {
        if self.holds_all() { Ok(None) } else { self.load_stored(hash, key) }
    }

    #[inline(never)]
    fn load_stored(&mut self, hash: KeyHash, key: impl Probe<K>) -> Result<Option<RowId>, StateError> {
        let owned = key.to_key();
        if self.rows.order.has_all(hash, &owned) {
            return Ok(None);
        }
        let group = self.place.max.group_of(hash);
        self.scratch.clear();
        begin_key(self.place.id, group, &mut self.scratch);
        model::encode_into(&key, &mut self.scratch).map_err(|source| self.place.codec(source))?;
        let decode = |value: &[u8]| model::decode::<V>(value).map(|row| (row, value.len())).map_err(|e| e.to_string());
        let found = self.base.snapshot.get(&self.place.name, &self.scratch, decode)?;
        let Some((value, bytes)) = found else { return Ok(None) };
        self.average.add(bytes + self.scratch.len());
        self.add_clean(hash, owned, value).map(Some)
    }

    /// Adds a row that the base has.
    pub(super) fn add_clean(&mut self, hash: KeyHash, key: K, value: V) -> Result<RowId, StateError> {
        let added = self.rows.add(self.place.hash_and_group(hash), key, CLEAN, Flags::SETTLED.with(Flags::READ));
        let (id, _) = added.ok_or_else(|| self.place.exhausted("rows"))?;
        self.rows.set(id, value);
        self.rows.moved(id, Movement::Loaded);
        self.clean += 1;
        Ok(id)
    }

    /// Adds a row without a value to the current generation.
    #[inline]
    pub(super) fn add_dirty(&mut self, hash: KeyHash, key: K, flags: Flags) -> Result<RowId, StateError> {
        let added = self.rows.add(self.place.hash_and_group(hash), key, self.current, flags);
        let (id, freed_in) = added.ok_or_else(|| self.place.exhausted("rows"))?;
        if freed_in != self.current {
            room::push(&mut self.dirty, id);
        }
        Ok(id)
    }

    /// Takes the value of a row away, which is a change of it.
    #[inline]
    pub(super) fn take_value(&mut self, id: RowId) -> Result<Option<V>, StateError> {
        if self.rows.at(id).value.is_none() {
            return Ok(None);
        }
        self.mark_dirty(id)?;
        Ok(self.rows.take(id))
    }

    /// Frees a row without a value, if nothing on disk knows its key: then nothing has to hear that it is gone.
    #[inline]
    pub(super) fn forget_if_fresh(&mut self, id: RowId) {
        if self.rows.at(id).flags.has(Flags::FRESH) {
            self.rows.free(id);
        }
    }

    #[inline]
    fn mark_dirty(&mut self, id: RowId) -> Result<(), StateError> {
        if self.rows.at(id).generation == self.current { Ok(()) } else { self.make_dirty(id) }
    }

    /// Moves a row into the current generation. What it was at the last barrier is encoded first, if it is not yet.
    #[inline(never)]
    pub(super) fn make_dirty(&mut self, id: RowId) -> Result<(), StateError> {
        if self.is_frozen(id) {
            self.encode_row(id)?;
        }
        let row = self.rows.at_mut(id);
        let before = row.generation;
        row.generation = self.current;
        row.flags = row.flags.without(Flags::LOGGED).without(Flags::FRESH).without(Flags::READ);
        if before == CLEAN {
            self.clean -= 1;
        } else {
            self.generations.superseded(before, self.current);
        }
        room::push(&mut self.dirty, id);
        Ok(())
    }

    /// Whether the row changed before the last barrier and is not encoded since.
    #[inline]
    pub(super) fn is_frozen(&self, id: RowId) -> bool {
        let row = self.rows.at(id);
        let settled = row.flags.has(Flags::LOGGED) || row.flags.has(Flags::FREE);
        row.generation != CLEAN && row.generation != self.current && !settled
    }

    /// Writes a frozen row into the changelog; it then belongs to the generation closed last.
    #[inline]
    pub(super) fn encode_row(&mut self, id: RowId) -> Result<(), StateError> {
        let row = self.rows.at_mut(id);
        let group = row.group;
        let key = |out: &mut Vec<u8>| row.key.encode(out).map(drop);
        let value = row.value.as_ref().map(|value| |out: &mut Vec<u8>| model::encode_into(value, out));
        let bytes = self.log.push(group, key, value).map_err(|source| self.place.codec(source))?;
        self.average.add(bytes);
        row.generation = self.current - 1;
        row.flags = row.flags.with(Flags::LOGGED).without(Flags::FRESH);
        self.generations.version_logged(self.current - 1);
        Ok(())
    }
}

impl TablePlace {
    /// `hash`, and the key group of it.
    #[inline]
    pub(super) fn hash_and_group(&self, hash: KeyHash) -> (KeyHash, KeyGroup) {
        (hash, self.max.group_of(hash))
    }

    #[cold]
    pub(super) fn codec(&self, source: CodecError) -> StateError {
        StateError::Codec { table: self.name.to_string(), source: Arc::new(source) }
    }

    #[cold]
    pub(super) fn exhausted(&self, what: &'static str) -> StateError {
        StateError::Exhausted { table: self.name.to_string(), what }
    }

    /// The group of `hash`, if it belongs here and is the one that `stored` says.
    pub(super) fn check_group(&self, hash: KeyHash, stored: KeyGroup) -> Result<(), String> {
        let group = self.max.group_of(hash);
        if group != stored {
            return Err(format!("expected key group {}, found {}", group.0, stored.0));
        }
        if !self.groups.contains(group) {
            return Err(format!("key group {} is not in {}", group.0, self.groups));
        }
        Ok(())
    }
}
