//! Decides how the places of rows are found by hash: in many small tables, each of which grows by itself.
//!
//! So no row waits until all others have found a new place: a table with a few million rows grows in steps of less than a
//! millisecond.

use hashbrown::HashTable;

use super::places::RowId;

/// The places of rows by a fragment of their hashes. Different rows may have the same fragment.
pub(super) struct Index {
    tables: [HashTable<(u32, RowId)>; TABLES],
}

/// More tables would grow in smaller steps, but what tells of them should stay in the processor's nearest cache.
const TABLES: usize = 64;

/// Spreads the hash's fragment over 64 bits: a table uses the lowest ones and the highest seven, the choice of the table
/// those between.
#[inline(always)]
fn spread(fragment: u32) -> u64 {
    u64::from(fragment).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[inline(always)]
fn table_of(spread: u64) -> usize {
    (spread >> 40) as usize % TABLES
}

impl Index {
    pub(super) fn new() -> Self {
        Self { tables: [const { HashTable::new() }; TABLES] }
    }

    /// The first place with `fragment` that is the wanted one.
    #[inline(always)]
    pub(super) fn find(&self, fragment: u32, is_wanted: impl Fn(RowId) -> bool) -> Option<RowId> {
        let spread = spread(fragment);
        let same = |&(other, id): &(u32, RowId)| other == fragment && is_wanted(id);
        self.tables[table_of(spread)].find(spread, same).map(|&(_, id)| id)
    }

    /// Adds a place.
    #[inline]
    pub(super) fn insert(&mut self, fragment: u32, id: RowId) {
        let spread_out = spread(fragment);
        let table = &mut self.tables[table_of(spread_out)];
        table.insert_unique(spread_out, (fragment, id), |&(other, _)| spread(other));
    }

    /// Removes a place.
    #[inline]
    pub(super) fn remove(&mut self, fragment: u32, id: RowId) {
        let spread = spread(fragment);
        if let Ok(entry) = self.tables[table_of(spread)].find_entry(spread, |&(_, other)| other == id) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
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
        (0..64_000).for_each(|id| index.insert(hash_key(&id).for_table(), id));
        assert!(index.tables.iter().all(|table| (850..1150).contains(&table.len())));
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
