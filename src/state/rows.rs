//! Decides how the hot rows of one table are found: an index of their places by hash, and the order of their keys.

use super::generations::{CLEAN, Generation};
use super::index::Index;
use super::order::{Movement, RowOrder};
use super::places::{Flags, NOWHERE, Places, Row, RowId};
use super::row_key::{Link, Probe, RowKey};
use crate::model::{KeyGroup, KeyHash};

/// The hot rows of one table.
pub(super) struct Rows<K: RowKey, V> {
    index: Index,
    pub(super) places: Places<K, V>,
    pub(super) order: K::Order,
    /// Rows that the base is known to have, too.
    resident: u64,
    /// Where the search for rows to evict goes on.
    hand: usize,
}

/// How many rows are looked at ahead of their use, at once.
pub(super) const LOOK_AHEAD: usize = 64;

impl<K: RowKey, V> Rows<K, V> {
    pub(super) fn new(order: K::Order) -> Self {
        Self { index: Index::new(), places: Places::new(), order, resident: 0, hand: 0 }
    }

    /// The place of `key`.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: impl Probe<K>) -> Option<RowId> {
        self.index.find(hash.for_table(), |id| key.names(&self.places.at(id).key))
    }

    /// Reads what a search for each of `hashes` will read, and puts what it finds into `found`: for each the place of a row that
    /// may be the wanted one, or [`NOWHERE`]. Gives their number.
    ///
    /// The reads of one kind do not depend on each other, so the processor waits for all of them at once, and the searches
    /// that follow find everything in its caches.
    #[inline]
    pub(super) fn look_ahead(&self, hashes: impl Iterator<Item = KeyHash>, found: &mut [RowId; LOOK_AHEAD]) -> usize {
        let mut fragments = [0; LOOK_AHEAD];
        let (mut count, mut read) = (0, 0);
        for (hash, place) in hashes.zip(&mut fragments) {
            *place = hash.for_table();
            read ^= self.index.touch(*place);
            count += 1;
        }
        for (fragment, place) in fragments[..count].iter().zip(&mut *found) {
            *place = self.index.find(*fragment, |_| true).unwrap_or(NOWHERE);
        }
        let new = found[..count].iter().filter(|id| **id == NOWHERE).count();
        if new > 0 {
            read ^= self.places.touch_free(new);
        }
        for id in &found[..count] {
            read ^= self.places.touch(*id);
        }
        std::hint::black_box(read);
        count
    }

    /// Whether the row of `key` lies at `id`.
    #[inline(always)]
    pub(super) fn lies_at(&self, id: RowId, key: impl Probe<K>) -> bool {
        self.places.get(id).is_some_and(|row| key.names(&row.key) && !row.flags.has(Flags::FREE))
    }

    /// The row at `id`, if there is such a place. It may be free.
    #[inline(always)]
    pub(super) fn get(&self, id: RowId) -> Option<&Row<K, V>> {
        self.places.get(id)
    }

    /// The row at `id`.
    #[inline]
    pub(super) fn at(&self, id: RowId) -> &Row<K, V> {
        self.places.at(id)
    }

    /// The row at `id`. Whether it has a value must not be changed.
    #[inline]
    pub(super) fn at_mut(&mut self, id: RowId) -> &mut Row<K, V> {
        self.places.at_mut(id)
    }

    /// How many rows there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many rows the base is known to have, too.
    #[inline]
    pub(super) fn resident(&self) -> u64 {
        self.resident
    }

    /// Adds a row without a value, whose key is not there. Gives its place, and the generation that the place was freed
    /// in. `None` if the places have run out.
    #[inline]
    pub(super) fn add(
        &mut self,
        (hash, group): (KeyHash, KeyGroup),
        key: K,
        generation: Generation,
        flags: Flags,
    ) -> Option<(RowId, Generation)> {
        let (id, freed_in) =
            self.places.put(Row { key, value: None, generation, group, flags, link: K::Link::of(hash) })?;
        self.index.insert(hash.for_table(), id);
        Some((id, freed_in))
    }

    /// The value of a row; if there is none, `init` makes one.
    #[inline]
    pub(super) fn value_or(&mut self, id: RowId, init: impl FnOnce() -> V) -> &mut V {
        if self.places.at(id).value.is_none() {
            self.order.shown(&mut self.places, id);
        }
        self.places.at_mut(id).value.get_or_insert_with(init)
    }

    /// Sets the value of a row.
    #[inline]
    pub(super) fn set(&mut self, id: RowId, value: V) {
        if self.places.at(id).value.is_none() {
            self.order.shown(&mut self.places, id);
        }
        self.places.at_mut(id).value = Some(value);
    }

    /// Takes the value of a row away.
    #[inline]
    pub(super) fn take(&mut self, id: RowId) -> Option<V> {
        let value = self.places.at_mut(id).value.take();
        if value.is_some() {
            self.order.hidden(&mut self.places, id);
        }
        value
    }

    /// Counts a row as one of the base, or as one no longer, and says so in its flags.
    #[inline]
    pub(super) fn moved(&mut self, id: RowId, movement: Movement) {
        self.resident = movement.count(self.resident);
        let row = self.places.at_mut(id);
        row.flags = match movement {
            Movement::Loaded | Movement::Found => row.flags.with(Flags::IN_BASE),
            Movement::Removed | Movement::Evicted => row.flags.without(Flags::IN_BASE),
        };
        self.order.moved(&mut self.places, id, movement);
    }

    /// Frees the place of a row.
    pub(super) fn free(&mut self, id: RowId) {
        self.take(id);
        self.index.remove(self.places.at(id).hash().for_table(), id);
        self.places.free(id);
    }

    /// Moves the clock hand over at most `scan` places and frees at most `wanted` rows that nobody needs in memory.
    pub(super) fn evict(&mut self, wanted: usize, scan: usize) -> usize {
        let held = self.order.held();
        let mut evicted = 0;
        for _ in 0..scan.min(self.places.end().saturating_mul(2)) {
            if evicted == wanted {
                break;
            }
            self.hand = if self.hand + 1 < self.places.end() { self.hand + 1 } else { 0 };
            let id = self.hand as RowId;
            let row = self.places.at_mut(id);
            if row.generation != CLEAN || row.flags.has(Flags::FREE) || held(row.hash(), &row.key) {
                continue;
            }
            if row.flags.has(Flags::READ) {
                row.flags = row.flags.without(Flags::READ);
            } else {
                // A row is clean because the base has it.
                self.moved(id, Movement::Evicted);
                self.free(id);
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
    use crate::state::order::Unordered;

    fn add(rows: &mut Rows<u64, u64>, key: u64, generation: Generation) -> (RowId, Generation) {
        let added = rows.add((hash_key(&key), KeyGroup(0)), key, generation, Flags::default()).unwrap();
        rows.set(added.0, key);
        if generation == CLEAN {
            rows.moved(added.0, Movement::Loaded);
        }
        added
    }

    #[test]
    fn rows_are_found_until_they_are_freed() {
        let mut rows = Rows::new(Unordered);
        let ids: Vec<RowId> = (0..1000).map(|key| add(&mut rows, key, 1).0).collect();
        rows.free(ids[7]);
        assert_eq!(rows.find(hash_key(&7u64), &7), None);
        assert_eq!(add(&mut rows, 5000, 2), (ids[7], 1), "the freed place is used again");
        for key in (0..1000).filter(|key| *key != 7).chain([5000]) {
            let id = rows.find(hash_key(&key), &key).unwrap();
            assert_eq!(rows.at(id).value, Some(key));
        }
    }

    #[test]
    fn rows_that_were_read_get_a_second_chance() {
        let mut rows = Rows::new(Unordered);
        for key in 0..10 {
            add(&mut rows, key, CLEAN);
        }
        for id in 0..5 {
            rows.at_mut(id).flags = Flags::READ;
        }
        assert_eq!(rows.evict(5, 10), 5);
        assert!((0..5).all(|key| rows.find(hash_key(&key), &key).is_some()));
        assert_eq!(rows.evict(usize::MAX, 30), 5);
        assert_eq!((rows.len(), rows.resident()), (0, 0));
    }

    #[test]
    fn changed_rows_are_never_evicted() {
        let mut rows = Rows::new(Unordered);
        for key in 0..10 {
            add(&mut rows, key, 3);
        }
        assert_eq!(rows.evict(10, 100), 0);
    }
}
