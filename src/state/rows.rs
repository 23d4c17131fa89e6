//! Decides how the hot rows of one table lie in memory: a vector of rows, and an index of their places.

use hashbrown::HashTable;

use super::generations::{CLEAN, Generation};
use crate::model::{Key, KeyHash};

/// The place of a row in its vector.
pub(super) type RowId = u32;

/// One row, or a free place.
pub(super) struct Row<K, V> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    /// `None` is a removal that the base may not know of.
    pub(super) value: Option<V>,
    /// When it changed last; [`CLEAN`] if the base has it as it is.
    pub(super) generation: Generation,
    pub(super) flags: Flags,
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

/// The hot rows of one table.
pub(super) struct Rows<K, V> {
    index: HashTable<(u32, RowId)>,
    rows: Vec<Row<K, V>>,
    free: Vec<RowId>,
    /// Where the search for rows to evict goes on.
    hand: usize,
}

/// How many rows are looked at ahead of their use, at once.
pub(super) const LOOK_AHEAD: usize = 64;

/// Spreads the hash's fragment over 64 bits: the index uses the lowest ones and the highest seven.
#[inline(always)]
fn spread(fragment: u32) -> u64 {
    u64::from(fragment).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl<K: Key, V> Rows<K, V> {
    pub(super) fn new() -> Self {
        Self { index: HashTable::new(), rows: Vec::new(), free: Vec::new(), hand: 0 }
    }

    /// The place of `key`.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &K) -> Option<RowId> {
        let fragment = hash.for_table();
        let same = |&(other, id): &(u32, RowId)| other == fragment && self.rows[id as usize].key == *key;
        self.index.find(spread(fragment), same).map(|&(_, id)| id)
    }

    /// Reads, and forgets, what a search for each of `hashes` will read. The reads do not depend on each other, so the
    /// processor waits for them all at once, and the searches that follow find everything in its caches.
    #[inline]
    pub(super) fn look_ahead(&self, hashes: impl Iterator<Item = KeyHash>) {
        let mut candidates = [0; LOOK_AHEAD];
        let mut count = 0;
        for (hash, place) in hashes.zip(&mut candidates) {
            let fragment = hash.for_table();
            let found = self.index.find(spread(fragment), |&(other, _)| other == fragment);
            *place = found.map_or(0, |&(_, id)| id);
            count += 1;
        }
        let read = |sum: u64, id: &RowId| sum ^ self.rows.get(*id as usize).map_or(0, |row| row.hash.0);
        std::hint::black_box(candidates[..count].iter().fold(0, read));
    }

    /// The row at `id`.
    #[inline]
    pub(super) fn at(&self, id: RowId) -> &Row<K, V> {
        &self.rows[id as usize]
    }

    /// The row at `id`.
    #[inline]
    pub(super) fn at_mut(&mut self, id: RowId) -> &mut Row<K, V> {
        &mut self.rows[id as usize]
    }

    /// All rows, free places not among them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Row<K, V>> {
        self.rows.iter().filter(|row| !row.flags.has(Flags::FREE))
    }

    /// How many rows there are, free places not counted.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Adds a row whose key is not there. Gives its place, and the generation that the place was freed in.
    /// `None` if the places have run out.
    #[inline]
    pub(super) fn add(&mut self, row: Row<K, V>) -> Option<(RowId, Generation)> {
        let fragment = row.hash.for_table();
        let (id, freed_in) = match self.free.pop() {
            Some(id) => {
                let place = &mut self.rows[id as usize];
                let freed_in = place.generation;
                *place = row;
                (id, freed_in)
            }
            None => {
                let id = RowId::try_from(self.rows.len()).ok()?;
                self.rows.push(row);
                (id, CLEAN)
            }
        };
        self.index.insert_unique(spread(fragment), (fragment, id), |&(other, _)| spread(other));
        Some((id, freed_in))
    }

    /// Frees the place of a row; its generation stays, so that a list that has the place is known to have it.
    pub(super) fn free(&mut self, id: RowId) {
        let row = &mut self.rows[id as usize];
        let fragment = row.hash.for_table();
        if let Ok(entry) = self.index.find_entry(spread(fragment), |&(_, other)| other == id) {
            entry.remove();
        }
        row.value = None;
        row.flags = Flags::FREE;
        self.free.push(id);
    }

    /// Moves the clock hand over at most `scan` places and frees at most `wanted` rows that nobody needs in memory.
    pub(super) fn evict(&mut self, wanted: usize, scan: usize) -> usize {
        let mut evicted = 0;
        for _ in 0..scan.min(self.rows.len().saturating_mul(2)) {
            if evicted == wanted {
                break;
            }
            self.hand = if self.hand + 1 < self.rows.len() { self.hand + 1 } else { 0 };
            let row = &mut self.rows[self.hand];
            if row.generation != CLEAN || row.flags.has(Flags::FREE) {
                continue;
            }
            if row.flags.has(Flags::READ) {
                row.flags = row.flags.without(Flags::READ);
            } else {
                self.free(self.hand as RowId);
                evicted += 1;
            }
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hash_key;

    fn row(key: u64, generation: Generation) -> Row<u64, u64> {
        Row { hash: hash_key(&key), key, value: Some(key), generation, flags: Flags::default() }
    }

    #[test]
    fn rows_are_found_until_they_are_freed() {
        let mut rows = Rows::new();
        let ids: Vec<RowId> = (0..1000).map(|key| rows.add(row(key, 1)).unwrap().0).collect();
        rows.free(ids[7]);
        assert_eq!(rows.find(hash_key(&7u64), &7), None);
        assert_eq!(rows.add(row(5000, 2)), Some((ids[7], 1)), "the freed place is used again");
        for key in (0..1000).filter(|key| *key != 7).chain([5000]) {
            let id = rows.find(hash_key(&key), &key).unwrap();
            assert_eq!(rows.at(id).value, Some(key));
        }
    }

    #[test]
    fn rows_that_were_read_get_a_second_chance() {
        let mut rows = Rows::new();
        for key in 0..10 {
            rows.add(row(key, CLEAN));
        }
        for id in 0..5 {
            rows.at_mut(id).flags = Flags::READ;
        }
        assert_eq!(rows.evict(5, 10), 5);
        assert!((0..5).all(|key| rows.find(hash_key(&key), &key).is_some()));
        assert_eq!(rows.evict(usize::MAX, 30), 5);
        assert_eq!(rows.len(), 0);
    }

    #[test]
    fn changed_rows_are_never_evicted() {
        let mut rows = Rows::new();
        for key in 0..10 {
            rows.add(row(key, 3));
        }
        assert_eq!(rows.evict(10, 100), 0);
    }
}
