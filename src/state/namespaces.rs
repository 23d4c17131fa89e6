//! Decides how the rows of a namespace are found: chained in memory, counted in the base.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::{Movement, RowOrder};
use super::places::{Flags, NOWHERE, Places, RowId};
use super::row_key::{Probe, RowKey, Tint};
use super::stored::Cursor;
use super::table::TablePlace;
use crate::model::{self, CodecError, Key, KeyHash, hash_key};

/// What can be a namespace whose rows are kept together: a window, by itself or by one of its ends.
pub trait Namespace: Key + Ord + Copy {}

impl<N: Key + Ord + Copy> Namespace for N {}

/// A key within a namespace; on disk, all keys of a namespace in one key group lie together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceFirst<N, K> {
    pub(super) namespace: N,
    pub(super) key: K,
}

/// A borrowed [`NamespaceFirst`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct InNamespace<N, Q> {
    pub(super) namespace: N,
    pub(super) key: Q,
}

impl<N: Namespace, K: Key> Probe<NamespaceFirst<N, K>> for InNamespace<N, &K> {
    #[inline]
    fn names(self, key: &NamespaceFirst<N, K>) -> bool {
        self.namespace == key.namespace && *self.key == key.key
    }

    #[inline]
    fn to_key(self) -> NamespaceFirst<N, K> {
        NamespaceFirst { namespace: self.namespace, key: self.key.clone() }
    }
}

/// The first byte of an encoded [`NamespaceFirst`]: an array of two.
const ARRAY_OF_TWO: u8 = 0x92;

/// What the encodings of all keys of `namespace` begin with, and no others'.
pub(super) fn part_of<N: Namespace>(namespace: &N) -> Result<Vec<u8>, CodecError> {
    let mut part = vec![ARRAY_OF_TWO];
    model::encode_into(namespace, &mut part)?;
    Ok(part)
}

impl<N: Namespace, K: Key> RowKey for NamespaceFirst<N, K> {
    type Order = ByNamespace<N>;
    type Link = Link;

    const COUNTED: bool = true;

    fn row_hash(&self) -> KeyHash {
        Tint::of(&self.namespace).mix(hash_key(&self.key))
    }

    fn encode(&self, bytes: &mut Vec<u8>) -> Result<usize, CodecError> {
        let start = bytes.len();
        bytes.push(ARRAY_OF_TWO);
        model::encode_into(&self.namespace, bytes)?;
        let part = bytes.len() - start;
        model::encode_into(&self.key, bytes)?;
        Ok(part)
    }
}

/// The neighbours of a row in the chain of its namespace.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    before: RowId,
    after: RowId,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NOWHERE, after: NOWHERE }
    }
}

/// The namespaces of a table, with a chain of rows each.
pub struct ByNamespace<N> {
    chains: BTreeMap<N, Chain>,
    visit: Option<Visit<N>>,
    taking: Option<Taking<N>>,
}

/// What is known of a namespace.
struct Chain {
    /// The row that got its value last.
    first: RowId,
    /// Rows that the base has.
    stored: u64,
    /// How many of them are known to have their key in memory.
    resident: u64,
}

impl Chain {
    const EMPTY: Self = Self { first: NOWHERE, stored: 0, resident: 0 };

    fn is_empty(&self) -> bool {
        self.first == NOWHERE && self.stored == 0 && self.resident == 0
    }
}

/// Where a visit of a namespace stands. It follows the chain as it was when the visit began, since new rows are put before
/// its first; then it reads the base. Until it ends, rows of the namespace are not evicted: so a row that was shown from
/// memory is in memory when it is met in the base.
pub(super) struct Visit<N> {
    pub(super) namespace: N,
    /// The next row of the chain.
    next: RowId,
    pub(super) cursor: Cursor,
    /// Rows that were read into memory since, and marked so.
    joined: Vec<RowId>,
}

/// Where the taking of a namespace stands in the base.
pub(super) struct Taking<N> {
    pub(super) namespace: N,
    pub(super) cursor: Cursor,
    /// How often the base was read to its end, since a row was last found there.
    pub(super) fruitless: u32,
}

impl<N: Namespace, K: Key> RowOrder<NamespaceFirst<N, K>> for ByNamespace<N> {
    /// The chains lie in the rows.
    const ROW_BYTES: usize = 0;

    fn open(_place: &TablePlace, _base_rows: u64) -> Self {
        Self { chains: BTreeMap::new(), visit: None, taking: None }
    }

    #[inline]
    fn shown<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId) {
        let chain = self.chains.entry(places.at(id).key.namespace).or_insert(Chain::EMPTY);
        let after = std::mem::replace(&mut chain.first, id);
        places.at_mut(id).link = Link { before: NOWHERE, after };
        if after != NOWHERE {
            places.at_mut(after).link.before = id;
        }
    }

    #[inline]
    fn hidden<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId) {
        let Link { before, after } = places.at(id).link;
        if after != NOWHERE {
            places.at_mut(after).link.before = before;
        }
        if before != NOWHERE {
            places.at_mut(before).link.after = after;
        } else {
            self.change(places.at(id).key.namespace, |chain| chain.first = after);
        }
        if let Some(visit) = self.visit.as_mut().filter(|visit| visit.next == id) {
            visit.next = after;
        }
    }

    fn moved<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId, movement: Movement) {
        let row = places.at_mut(id);
        let namespace = row.key.namespace;
        self.change(namespace, |chain| chain.resident = movement.count(chain.resident));
        let visit = self.visit.as_mut().filter(|visit| visit.namespace == namespace);
        if let Some(visit) = visit.filter(|_| movement == Movement::Loaded) {
            row.flags = row.flags.with(Flags::JOINED);
            visit.joined.push(id);
        }
    }

    fn counted(&mut self, part: &[u8], rows: u64) -> Result<(), CodecError> {
        let namespace: N = model::decode(part.get(1..).unwrap_or_default())?;
        self.change(namespace, |chain| chain.stored = rows);
        Ok(())
    }

    fn has_all(&self, _hash: KeyHash, key: &NamespaceFirst<N, K>) -> bool {
        self.has_all_of(key.namespace)
    }

    fn held(&self) -> impl Fn(KeyHash, &NamespaceFirst<N, K>) -> bool + use<N, K> {
        let visited = self.visit.as_ref().map(|visit| visit.namespace);
        move |_, key| visited == Some(key.namespace)
    }
}

impl<N: Namespace> ByNamespace<N> {
    /// Changes what is known of a namespace, and forgets it if there is nothing to know.
    #[inline]
    fn change(&mut self, namespace: N, change: impl FnOnce(&mut Chain)) {
        let chain = self.chains.entry(namespace).or_insert(Chain::EMPTY);
        change(chain);
        if chain.is_empty() {
            self.chains.remove(&namespace);
        }
    }

    /// The first namespace behind `after` that may have rows.
    pub(super) fn next_namespace(&self, after: Option<N>) -> Option<N> {
        let behind = |(namespace, _): &(&N, &Chain)| after.is_none_or(|after| **namespace > after);
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut chains = self.chains.range((from, std::ops::Bound::Unbounded)).filter(behind);
        chains
            .find(|(_, chain)| chain.first != NOWHERE || chain.stored != chain.resident)
            .map(|(namespace, _)| *namespace)
    }

    /// Whether memory has a row of `namespace`.
    pub(super) fn has_any_of(&self, namespace: N) -> bool {
        self.chains.get(&namespace).is_some_and(|chain| chain.first != NOWHERE)
    }

    /// Whether each row that the base has of `namespace` has its key in memory.
    pub(super) fn has_all_of(&self, namespace: N) -> bool {
        self.chains.get(&namespace).is_none_or(|chain| chain.stored == chain.resident)
    }

    /// How many rows the base has of `namespace`, and how many of them are known to have their key in memory.
    pub(super) fn stored_and_resident(&self, namespace: N) -> (u64, u64) {
        self.chains.get(&namespace).map_or((0, 0), |chain| (chain.stored, chain.resident))
    }

    /// Fills `ids` with the first rows of `namespace`; gives their number.
    #[inline]
    pub(super) fn first_rows<K: Key, V>(
        &self,
        places: &Places<NamespaceFirst<N, K>, V>,
        namespace: N,
        ids: &mut [RowId],
    ) -> usize {
        let mut next = self.chains.get(&namespace).map_or(NOWHERE, |chain| chain.first);
        let mut count = 0;
        for place in ids {
            if next == NOWHERE {
                break;
            }
            *place = next;
            next = places.at(next).link.after;
            count += 1;
        }
        count
    }

    /// Goes on with the visit of `namespace`, or begins it.
    pub(super) fn visit_of<K: Key, V>(
        &mut self,
        places: &mut Places<NamespaceFirst<N, K>, V>,
        namespace: N,
    ) -> &mut Visit<N> {
        if self.visit.as_ref().is_some_and(|visit| visit.namespace != namespace) {
            self.end_visit(places);
        }
        let next = self.chains.get(&namespace).map_or(NOWHERE, |chain| chain.first);
        self.visit.get_or_insert_with(|| Visit { namespace, next, cursor: Cursor::default(), joined: Vec::new() })
    }

    /// Ends the visit, if there is one.
    pub(super) fn end_visit<K: Key, V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>) {
        for id in self.visit.take().map_or_else(Vec::new, |visit| visit.joined) {
            let row = places.at_mut(id);
            row.flags = row.flags.without(Flags::JOINED);
        }
    }

    /// Ends the visit, if it is one of `namespace`.
    pub(super) fn end_visit_of<K: Key, V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, namespace: N) {
        if self.visit.as_ref().is_some_and(|visit| visit.namespace == namespace) {
            self.end_visit(places);
        }
    }

    /// Goes on with the taking of `namespace`, or begins it.
    pub(super) fn taking_of(&mut self, namespace: N) -> &mut Taking<N> {
        self.taking.take_if(|taking| taking.namespace != namespace);
        self.taking.get_or_insert_with(|| Taking { namespace, cursor: Cursor::default(), fruitless: 0 })
    }

    /// Ends the taking of `namespace`.
    pub(super) fn end_taking(&mut self, namespace: N) {
        self.taking.take_if(|taking| taking.namespace == namespace);
    }

    /// Whether `namespace` is being taken.
    pub(super) fn is_taken(&self, namespace: N) -> bool {
        self.taking.as_ref().is_some_and(|taking| taking.namespace == namespace)
    }
}

impl<N: Namespace> Visit<N> {
    /// The next row of the chain.
    #[inline]
    pub(super) fn step<K: Key, V>(&mut self, places: &Places<NamespaceFirst<N, K>, V>) -> Option<RowId> {
        let id = self.next;
        if id == NOWHERE {
            return None;
        }
        self.next = places.at(id).link.after;
        Some(id)
    }

    /// Whether the base has nothing to add: no row was read from it, or need be.
    pub(super) fn is_all_in_memory(&self) -> bool {
        self.cursor.is_at_start() && self.joined.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_encoded_as_serde_does(namespace in any::<i64>(), key in ".{0,40}") {
            let row = NamespaceFirst { namespace, key: key.clone() };
            let mut bytes = Vec::new();
            let part = row.encode(&mut bytes).unwrap();
            prop_assert_eq!(&bytes, &model::encode(&row).unwrap());
            prop_assert_eq!(&bytes, &model::encode(&InNamespace { namespace, key: &key }).unwrap());
            prop_assert_eq!(&bytes[..part], &part_of(&namespace).unwrap()[..]);
            prop_assert_eq!(NamespaceFirst::decode(&bytes).unwrap(), (row.clone(), row.row_hash()));
        }
    }
}
