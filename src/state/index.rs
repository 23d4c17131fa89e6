//! Decides how the places of rows are found by hash: in many small tables, each of which grows by itself.
//!
//! So no row waits until all others have found a new place: a table with a few million rows grows in steps of less than a
//! millisecond. A search reads one cache line in most cases, which lies where the hash says, without any other being read
//! before: so those of many searches can be fetched at once.

use super::places::{NOWHERE, RowId};

/// The places of rows by a fragment of their hashes. Different rows may have the same fragment.
pub(super) struct Index {
    tables: [Slots; TABLES],
}

/// More tables would grow in smaller steps, but what tells of them should stay in the processor's nearest cache.
const TABLES: usize = 1 << TABLE_BITS;
const TABLE_BITS: u32 = 8;

/// Where the search for a fragment begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    table: usize,
    /// The bits that choose a slot come first.
    spread: u64,
}

impl Start {
    #[inline(always)]
    fn of(fragment: u32) -> Self {
        // Fibonacci hashing: the highest bits depend on all others.
        let spread = u64::from(fragment).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { table: (spread >> (64 - TABLE_BITS)) as usize, spread: spread << TABLE_BITS }
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self { tables: std::array::from_fn(|_| Slots::new()) }
    }

    /// Reads what a search for `fragment` reads first.
    #[inline(always)]
    pub(super) fn touch(&self, fragment: u32) -> u64 {
        let start = Start::of(fragment);
        self.tables[start.table].touch(start)
    }

    /// The first place with `fragment` that is the wanted one.
    #[inline(always)]
    pub(super) fn find(&self, fragment: u32, is_wanted: impl Fn(RowId) -> bool) -> Option<RowId> {
        let start = Start::of(fragment);
        let table = &self.tables[start.table];
        table.find(start, fragment, is_wanted).map(|(_, id)| id)
    }

    /// Adds a place.
    #[inline]
    pub(super) fn insert(&mut self, fragment: u32, id: RowId) {
        let start = Start::of(fragment);
        self.tables[start.table].insert(start, Slot::of(fragment, id));
    }

    /// Removes a place.
    #[inline]
    pub(super) fn remove(&mut self, fragment: u32, id: RowId) {
        let start = Start::of(fragment);
        let table = &mut self.tables[start.table];
        if let Some((at, _)) = table.find(start, fragment, |found| found == id) {
            table.clear(at);
        }
    }
}

/// A fragment and a place; all zero if it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

impl Slot {
    const EMPTY: Self = Self(0);

    #[inline(always)]
    fn of(fragment: u32, id: RowId) -> Self {
        // No row lies nowhere: with that as zero, a slot with a row is never all zero.
        Self(u64::from(fragment) << 32 | u64::from(id ^ NOWHERE))
    }

    #[inline(always)]
    fn fragment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    fn id(self) -> RowId {
        self.0 as u32 ^ NOWHERE
    }
}

/// A hash table with linear probing; at most three quarters of its slots are in use.
struct Slots {
    /// A power of two of slots.
    slots: Vec<Slot>,
    used: usize,
}

const LEAST_SLOTS: usize = 8;

impl Slots {
    fn new() -> Self {
        Self { slots: vec![Slot::EMPTY; LEAST_SLOTS], used: 0 }
    }

    /// The slot at which the search begins.
    #[inline(always)]
    fn home(&self, start: Start) -> usize {
        (start.spread >> (self.slots.len().leading_zeros() + 1)) as usize
    }

    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    #[inline(always)]
    fn touch(&self, start: Start) -> u64 {
        self.slots[self.home(start)].0
    }

    #[inline(always)]
    fn find(&self, start: Start, fragment: u32, is_wanted: impl Fn(RowId) -> bool) -> Option<(usize, RowId)> {
        let mut at = self.home(start);
        loop {
            let slot = self.slots[at];
            if slot == Slot::EMPTY {
                return None;
            }
            if slot.fragment() == fragment && is_wanted(slot.id()) {
                return Some((at, slot.id()));
            }
            at = self.after(at);
        }
    }

    #[inline]
    fn insert(&mut self, start: Start, slot: Slot) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.used += 1;
        self.put(start, slot);
    }

    #[inline(always)]
    fn put(&mut self, start: Start, slot: Slot) {
        let mut at = self.home(start);
        while self.slots[at] != Slot::EMPTY {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    #[cold]
    fn grow(&mut self) {
        let twice = self.slots.len() * 2;
        for slot in std::mem::replace(&mut self.slots, vec![Slot::EMPTY; twice]) {
            if slot != Slot::EMPTY {
                self.put(Start::of(slot.fragment()), slot);
            }
        }
    }

    /// Empties a slot. What lies behind it, and was to lie there or before, moves up: searches end at the first empty slot.
    fn clear(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = self.after(at);
            let slot = self.slots[at];
            if slot == Slot::EMPTY {
                break;
            }
            let home = self.home(Start::of(slot.fragment()));
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = Slot::EMPTY;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::hash_key;

    #[test]
    fn places_are_found_until_they_are_removed() {
        let fragment = |id: RowId| hash_key(&id).for_table();
        let mut index = Index::new();
        let ids = 100_000;
        for id in 0..ids {
            index.insert(fragment(id), id);
        }
        for id in (0..ids).step_by(2) {
            index.remove(fragment(id), id);
        }
        for id in 0..ids {
            let found = index.find(fragment(id), |found| found == id);
            assert_eq!(found, (id % 2 == 1).then_some(id));
        }
    }

    #[test]
    fn tables_are_evenly_used() {
        let mut index = Index::new();
        (0..256_000).for_each(|id| index.insert(hash_key(&id).for_table(), id));
        assert!(index.tables.iter().all(|table| (850..1150).contains(&table.used)));
    }

    #[test]
    fn most_searches_read_one_line() {
        let mut index = Index::new();
        let ids = 700_000;
        (0..ids).for_each(|id| index.insert(hash_key(&id).for_table(), id));
        let lines = |id| {
            let fragment = hash_key(&id).for_table();
            let (table, start) = (&index.tables[Start::of(fragment).table], Start::of(fragment));
            let (at, _) = table.find(start, fragment, |found| found == id).unwrap();
            at / 8 != table.home(start) / 8
        };
        let more = (0..ids).filter(|id| lines(*id)).count();
        assert!(more < ids as usize / 4, "{more} of {ids} read more");
    }

    /// A fragment whose search begins in this sixteenth of its table.
    fn fragment_with_home(home: u64) -> u32 {
        (0..).find(|fragment| Start::of(*fragment).spread >> 60 == home).unwrap()
    }

    proptest! {
        #[test]
        fn rows_that_stand_in_each_others_way_are_found(
            steps in prop::collection::vec((any::<bool>(), 0u64..16, 0u32..4), 1..300),
        ) {
            let (mut table, mut list) = (Slots::new(), Vec::new());
            for (adds, home, id) in steps {
                let fragment = fragment_with_home(home);
                let start = Start::of(fragment);
                let known = list.iter().position(|known| *known == (fragment, id));
                if adds && known.is_none() {
                    table.insert(start, Slot::of(fragment, id));
                    list.push((fragment, id));
                } else if let Some(known) = known.filter(|_| !adds) {
                    let (at, _) = table.find(start, fragment, |found| found == id).unwrap();
                    table.clear(at);
                    list.remove(known);
                }
                for (fragment, id) in &list {
                    let found = table.find(Start::of(*fragment), *fragment, |found| found == *id);
                    prop_assert_eq!(found.map(|(_, id)| id), Some(*id));
                }
                prop_assert_eq!(table.used, list.len());
            }
        }
    }

    #[test]
    fn rows_with_the_same_fragment_are_told_apart() {
        let mut index = Index::new();
        for id in 0..100 {
            index.insert(7, id);
        }
        index.remove(7, 50);
        assert_eq!(index.find(7, |id| id == 50), None);
        assert_eq!(index.find(7, |id| id == 51), Some(51));
    }
}
