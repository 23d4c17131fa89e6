//! Decides how the entries of a key are found: sorted in memory, once all of them are there.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::order::{Movement, RowOrder};
use super::places::{Places, RowId};
use super::row_key::{Probe, RowKey, Tint};
use super::table::TablePlace;
use crate::model::{self, CodecError, Key, KeyHash, hash_key};

/// What can name an entry of a key: the key of a map, a time.
pub trait EntryName: Key + Ord {}

impl<N: Key + Ord> EntryName for N {}

/// An entry of a key; on disk, all entries of a key lie together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyFirst<K, N> {
    pub(super) key: K,
    pub(super) name: N,
}

/// A borrowed [`KeyFirst`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct EntryProbe<Q, M> {
    pub(super) key: Q,
    pub(super) name: M,
}

impl<K: Key, N: EntryName> Probe<KeyFirst<K, N>> for EntryProbe<&K, &N> {
    #[inline]
    fn names(self, entry: &KeyFirst<K, N>) -> bool {
        *self.key == entry.key && *self.name == entry.name
    }

    fn to_key(self) -> KeyFirst<K, N> {
        KeyFirst { key: self.key.clone(), name: self.name.clone() }
    }
}

/// The first byte of an encoded [`KeyFirst`]: an array of two.
const ARRAY_OF_TWO: u8 = 0x92;

/// What the encodings of all entries of `key` begin with, and no others'.
pub(super) fn part_of<K: Key>(key: &K) -> Result<Vec<u8>, CodecError> {
    let mut part = vec![ARRAY_OF_TWO];
    model::encode_into(key, &mut part)?;
    Ok(part)
}

impl<K: Key, N: EntryName> RowKey for KeyFirst<K, N> {
    type Order = ByKey<K, N>;
    type Link = KeyHash;

    fn row_hash(&self) -> KeyHash {
        Tint::of(&self.name).mix(hash_key(&self.key))
    }
}

/// The entries of a table by key, and by name within a key.
pub(super) struct ByKey<K, N> {
    /// Keys by their hashes; `None` is before all names.
    entries: BTreeSet<(KeyHash, Option<N>, RowId)>,
    /// Keys all of whose entries are in memory, as far as that is known. If the whole table is, it is not noted here.
    whole: HashTable<(KeyHash, K)>,
}

/// More keys than entries are not noted as whole, except for this many.
const SPARE_WHOLE: usize = 1024;

#[inline]
fn place_of(hash: KeyHash) -> u64 {
    hash.0.rotate_left(32)
}

impl<K: Key, N: EntryName> RowOrder<KeyFirst<K, N>> for ByKey<K, N> {
    const ROW_BYTES: usize = size_of::<(KeyHash, Option<N>, RowId)>() * 4 / 3;

    fn open(_place: &TablePlace, _base_rows: u64) -> Self {
        Self { entries: BTreeSet::new(), whole: HashTable::new() }
    }

    fn shown<V>(&mut self, places: &mut Places<KeyFirst<K, N>, V>, id: RowId) {
        let row = places.at(id);
        let name = &row.key.name;
        self.entries.insert((Tint::of(name).mix(row.hash()), Some(name.clone()), id));
    }

    fn hidden<V>(&mut self, places: &mut Places<KeyFirst<K, N>, V>, id: RowId) {
        let row = places.at(id);
        let name = &row.key.name;
        self.entries.remove(&(Tint::of(name).mix(row.hash()), Some(name.clone()), id));
    }

    fn moved<V>(&mut self, places: &mut Places<KeyFirst<K, N>, V>, id: RowId, movement: Movement) {
        if movement == Movement::Evicted {
            let row = places.at(id);
            let hash = Tint::of(&row.key.name).mix(row.hash());
            if let Ok(whole) = self.whole.find_entry(place_of(hash), |(of, key)| *of == hash && *key == row.key.key) {
                whole.remove();
            }
        }
    }

    fn counted(&mut self, _part: &[u8], _rows: u64) -> Result<(), CodecError> {
        Ok(())
    }

    fn has_all(&self, hash: KeyHash, entry: &KeyFirst<K, N>) -> bool {
        self.is_whole(Tint::of(&entry.name).mix(hash), &entry.key)
    }

    fn held(&self) -> impl Fn(KeyHash, &KeyFirst<K, N>) -> bool + use<K, N> {
        |_, _| false
    }
}

impl<K: Key, N: EntryName> ByKey<K, N> {
    /// Whether all entries of `key` are known to be in memory.
    pub(super) fn is_whole(&self, hash: KeyHash, key: &K) -> bool {
        self.whole.find(place_of(hash), |(of, whole)| *of == hash && whole == key).is_some()
    }

    /// Hears that all entries of `key` are in memory.
    pub(super) fn note_whole(&mut self, hash: KeyHash, key: &K) {
        if self.whole.len() > self.entries.len() + SPARE_WHOLE {
            // Most of them have no entries any more, and the others can be found out again.
            self.whole.clear();
        }
        if !self.is_whole(hash, key) {
            self.whole.insert_unique(place_of(hash), (hash, key.clone()), |(hash, _)| place_of(*hash));
        }
    }

    /// The entries in memory of `key`, or of those among them that `names` names, in order.
    pub(super) fn of<'a, V>(
        &'a self,
        places: &'a Places<KeyFirst<K, N>, V>,
        hash: KeyHash,
        key: &'a K,
        names: Option<RangeInclusive<N>>,
    ) -> impl Iterator<Item = RowId> + use<'a, K, N, V> {
        let (from, to) = names.map_or((None, None), |names| {
            let (from, to) = names.into_inner();
            (Some(from), Some(to))
        });
        let within = move |name: &Option<N>| to.is_none() || *name <= to;
        let entries = self.entries.range((hash, from, RowId::MIN)..);
        // Different keys may have the same hash.
        entries
            .take_while(move |(of, name, _)| *of == hash && within(name))
            .map(|(_, _, id)| *id)
            .filter(move |id| places.at(*id).key.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_of_a_key_begin_alike_and_those_of_others_do_not(key in ".{0,20}", other in ".{0,20}", name in any::<i64>()) {
            let entry = KeyFirst { key: key.clone(), name };
            let bytes = model::encode(&entry).unwrap();
            prop_assert_eq!(&bytes, &model::encode(&EntryProbe { key: &key, name: &name }).unwrap());
            prop_assert!(bytes.starts_with(&part_of(&key).unwrap()));
            prop_assert_eq!(bytes.starts_with(&part_of(&other).unwrap()), key == other);
        }
    }

    #[test]
    fn keys_without_entries_are_not_noted_for_ever() {
        let mut order: ByKey<u64, u64> = ByKey { entries: BTreeSet::new(), whole: HashTable::new() };
        for key in 0..10_000u64 {
            order.note_whole(hash_key(&key), &key);
            assert!(order.is_whole(hash_key(&key), &key));
        }
        assert!(order.whole.len() <= SPARE_WHOLE + 1);
    }
}
