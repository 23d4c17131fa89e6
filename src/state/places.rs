//! Decides what a row in memory holds, and where it lies.

use super::generations::{CLEAN, Generation};
use super::room::{self, APART_BYTES, SHORT_BYTES};
use super::row_key::{Link, RowKey};
use crate::model::{KeyGroup, KeyHash};

/// The place of a row.
pub(super) type RowId = u32;

/// The place of no row.
pub(super) const NOWHERE: RowId = RowId::MAX;

/// One row, or a free place.
///
/// Rows begin at multiples of 32 bytes: a small one lies in one line of the processor's caches, a larger one in as few as
/// can be.
#[repr(align(32))]
pub(super) struct Row<K: RowKey, V> {
    pub(super) key: K,
    /// `None` is a removal that the base may not know of.
    pub(super) value: Option<V>,
    /// When it changed last; [`CLEAN`] if the base has it as it is.
    pub(super) generation: Generation,
    pub(super) group: KeyGroup,
    pub(super) flags: Flags,
    pub(super) link: K::Link,
}

impl<K: RowKey, V> Row<K, V> {
    /// The hash of its key.
    #[inline]
    pub(super) fn hash(&self) -> KeyHash {
        self.link.hash(&self.key)
    }

    /// Whether it has a value, which changed in `generation`.
    #[inline(always)]
    pub(super) fn is_of(&self, generation: Generation) -> bool {
        self.generation == generation && self.value.is_some()
    }
}

/// What else is known of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

impl Flags {
    /// The changelog has this version.
    pub(super) const LOGGED: Self = Self(1);
    /// Neither base nor changelog know the key.
    pub(super) const FRESH: Self = Self(2);
    /// The place is free.
    pub(super) const FREE: Self = Self(4);
    /// The base has a row of this key.
    pub(super) const IN_BASE: Self = Self(8);
    /// It was read since the clock hand passed.
    pub(super) const READ: Self = Self(16);
    /// The base has no row of this key unless [`Self::IN_BASE`] says so.
    pub(super) const SETTLED: Self = Self(32);
    /// It came from the base while its namespace was being visited, and the visit has not shown it.
    pub(super) const JOINED: Self = Self(64);

    #[inline]
    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(super) fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    #[inline]
    pub(super) fn without(self, flag: Self) -> Self {
        Self(self.0 & !flag.0)
    }
}

/// The rows of one table by their places. They lie in blocks, so that none is moved when there are more of them.
pub struct Places<K: RowKey, V> {
    /// Each but the last has [`Self::BLOCK_ROWS`] rows.
    blocks: Vec<Vec<Row<K, V>>>,
    free: Vec<RowId>,
}

impl<K: RowKey, V> Places<K, V> {
    /// A power of two.
    const BLOCK_ROWS: usize = APART_BYTES.div_ceil(size_of::<Row<K, V>>()).next_power_of_two();

    pub(super) fn new() -> Self {
        Self { blocks: vec![Vec::new()], free: Vec::new() }
    }

    /// The block of a place, and where it lies there.
    #[inline(always)]
    fn block_and_offset(id: RowId) -> (usize, usize) {
        (id as usize / Self::BLOCK_ROWS, id as usize % Self::BLOCK_ROWS)
    }

    /// The row at `id`.
    #[inline]
    pub(super) fn at(&self, id: RowId) -> &Row<K, V> {
        let (block, offset) = Self::block_and_offset(id);
        &self.blocks[block][offset]
    }

    /// The row at `id`.
    #[inline]
    pub(super) fn at_mut(&mut self, id: RowId) -> &mut Row<K, V> {
        let (block, offset) = Self::block_and_offset(id);
        &mut self.blocks[block][offset]
    }

    /// Reads from the place `id`, if there is such a place.
    #[inline(always)]
    pub(super) fn touch(&self, id: RowId) -> u64 {
        // A row may lie in two lines: its value is at one end of it, its generation at the other.
        self.get(id).map_or(0, |row| u64::from(row.generation) ^ u64::from(row.value.is_some()))
    }

    /// Brings the rows at `ids` into the processor's caches: it waits for all of them at once, and so for none of them when
    /// they are used one by one. A few dozen at a time stay there.
    #[inline]
    pub(super) fn fetch(&self, ids: impl Iterator<Item = RowId>) {
        std::hint::black_box(ids.fold(0, |read, id| read ^ self.touch(id)));
    }

    /// Reads from those places that the next `rows` new rows will get, if they were freed before.
    #[inline(always)]
    pub(super) fn touch_free(&self, rows: usize) -> u64 {
        let touch = |id: &RowId| self.touch(*id);
        self.free.iter().rev().take(rows).map(touch).fold(0, |read, more| read ^ more)
    }

    /// The row at `id`, if there is such a place.
    #[inline]
    pub(super) fn get(&self, id: RowId) -> Option<&Row<K, V>> {
        let (block, offset) = Self::block_and_offset(id);
        self.blocks.get(block)?.get(offset)
    }

    /// All rows, free places not among them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Row<K, V>> {
        self.blocks.iter().flatten().filter(|row| !row.flags.has(Flags::FREE))
    }

    /// How many rows there are, free places not counted.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end() - self.free.len()
    }

    /// How many places there are, free ones among them.
    #[inline]
    pub(super) fn end(&self) -> usize {
        (self.blocks.len() - 1) * Self::BLOCK_ROWS + self.blocks[self.blocks.len() - 1].len()
    }

    /// Puts a row into a free place. Gives the place, and the generation that it was freed in; `None` if the places have
    /// run out.
    #[inline]
    pub(super) fn put(&mut self, row: Row<K, V>) -> Option<(RowId, Generation)> {
        if let Some(id) = self.free.pop() {
            let place = self.at_mut(id);
            let freed_in = place.generation;
            *place = row;
            return Some((id, freed_in));
        }
        let id = RowId::try_from(self.end()).ok().filter(|id| *id != NOWHERE)?;
        let (block, _) = Self::block_and_offset(id);
        if self.blocks.get(block).is_none_or(|rows| rows.len() == rows.capacity()) {
            self.make_room(block);
        }
        self.blocks[block].push(row);
        Some((id, CLEAN))
    }

    /// Adds a block, or makes room in one. The first one grows as any vector does while it is short, then once more to a
    /// whole block, of which it takes addresses only, until it uses them.
    #[cold]
    fn make_room(&mut self, block: usize) {
        match self.blocks.get_mut(block) {
            None => self.blocks.push(Vec::with_capacity(Self::BLOCK_ROWS)),
            Some(rows) if size_of_val(&rows[..]) >= SHORT_BYTES => rows.reserve_exact(Self::BLOCK_ROWS - rows.len()),
            Some(_) => {}
        }
    }

    /// Frees a place; its generation stays, so that a list that has the place is known to have it.
    #[inline]
    pub(super) fn free(&mut self, id: RowId) {
        let row = self.at_mut(id);
        row.value = None;
        row.flags = Flags::FREE;
        room::push(&mut self.free, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So long that a block has few of them.
    type LongRow = Row<u64, [u64; 8192]>;

    fn row(key: u64) -> LongRow {
        let (generation, group, flags) = (CLEAN, KeyGroup(0), Flags::default());
        Row { key, value: None, generation, group, flags, link: () }
    }

    #[test]
    fn rows_stay_where_they_are_while_blocks_are_added() {
        let block = Places::<u64, [u64; 8192]>::BLOCK_ROWS as u64;
        let mut places = Places::new();
        for key in 0..2 * block + 1 {
            assert_eq!(places.put(row(key)), Some((key as RowId, CLEAN)));
        }
        assert_eq!((places.end(), places.len()), (2 * block as usize + 1, 2 * block as usize + 1));
        assert!((0..2 * block + 1).all(|key| places.at(key as RowId).key == key));
        assert!(places.get(2 * block as RowId + 1).is_none() && places.get(NOWHERE).is_none());
        places.free(block as RowId);
        assert_eq!((places.len(), places.iter().count()), (2 * block as usize, 2 * block as usize));
        assert_eq!(places.put(row(7)), Some((block as RowId, CLEAN)), "a free place is used again");
    }

    #[test]
    fn a_row_of_integers_takes_half_a_line_of_a_cache() {
        assert_eq!((size_of::<Row<u64, u64>>(), align_of::<Row<u64, u64>>()), (32, 32));
    }
}
