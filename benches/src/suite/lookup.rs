//! Tables that records are looked up in: by numbers, with open addressing, and by anything, with a stable hash.

use std::hash::BuildHasherDefault;

use hashbrown::HashMap;
use millstream::model::StableHasher;

/// A hash table whose hash is the same in every run.
pub(crate) type Lookup<K, V> = HashMap<K, V, BuildHasherDefault<StableHasher>>;

/// A table of numbers by numbers that look random, none of which is 0. At most half of its places are in use, and a number
/// lies beside its key: a search reads one line of memory.
pub(crate) struct Numbers {
    places: Vec<(u64, u64)>,
}

impl Numbers {
    pub(crate) fn of(entries: impl ExactSizeIterator<Item = (u64, u64)>) -> Self {
        let mut table = Self { places: vec![(0, 0); (entries.len() * 2).next_power_of_two().max(2)] };
        for (key, value) in entries {
            let at = table.search(key);
            table.places[at] = (key, value);
        }
        table
    }

    /// The place of `key`, or the free one where it would be.
    #[inline(always)]
    fn search(&self, key: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut at = key as usize & mask;
        while self.places[at].0 != key && self.places[at].0 != 0 {
            at = (at + 1) & mask;
        }
        at
    }

    /// The number of `key`.
    #[inline(always)]
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        let (found, value) = self.places[self.search(key)];
        (found == key).then_some(value)
    }
}
