//! Decides how the rows of a namespace are found: listed in memory, counted in the base.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::{Movement, RowOrder};
use super::places::{Flags, Places, RowId};
use super::room;
use super::row_key::{Link, Probe, RowKey, Tint};
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
    type Link = Listed;

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

/// Where a row is listed in its namespace, and its hash.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    at: u32,
    hash: KeyHash,
}

impl Link for Listed {
    #[inline(always)]
    fn of(hash: KeyHash) -> Self {
        Self { at: 0, hash }
    }

    #[inline(always)]
    fn hash(self, _key: &impl RowKey) -> KeyHash {
        self.hash
    }
}

/// The namespaces of a table, with a list of rows each.
pub struct ByNamespace<N> {
    known: BTreeMap<N, Known>,
    visit: Option<Visit<N>>,
    taking: Option<Taking<N>>,
}

/// What is known of a namespace.
#[derive(Default)]
struct Known {
    /// The rows in memory that have a value; each knows its place in this list.
    rows: Vec<RowId>,
    /// Rows that the base has.
    stored: u64,
    /// How many of them are known to have their key in memory.
    resident: u64,
}

impl Known {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.stored == 0 && self.resident == 0
    }

    /// Puts the row that is listed last into the place `at` of the list, and takes it from its own.
    #[inline]
    fn fill<K: Key, V, N: Namespace>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, at: usize) {
        self.rows.swap_remove(at);
        if let Some(id) = self.rows.get(at) {
            places.at_mut(*id).link.at = at as u32;
        }
    }
}

/// Where a visit of a namespace stands. It follows the list from its end to its beginning, and new rows are put behind that
/// end; then it reads the base. Until it ends, rows of the namespace are not evicted: so a row that was shown from memory is
/// in memory when it is met in the base.
pub(super) struct Visit<N> {
    pub(super) namespace: N,
    /// The rows that are listed before this place are to be shown, the others were, or came later.
    left: usize,
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
    const ROW_BYTES: usize = size_of::<RowId>() * 4 / 3;

    fn open(_place: &TablePlace, _base_rows: u64) -> Self {
        Self { known: BTreeMap::new(), visit: None, taking: None }
    }

    #[inline]
    fn shown<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId) {
        let row = places.at_mut(id);
        let rows = &mut self.known.entry(row.key.namespace).or_default().rows;
        // There are no more rows than places, which have numbers as large.
        row.link.at = rows.len() as u32;
        room::push(rows, id);
    }

    #[inline]
    fn hidden<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId) {
        let row = places.at(id);
        let (namespace, at) = (row.key.namespace, row.link.at as usize);
        let Some(known) = self.known.get_mut(&namespace) else { return };
        match self.visit.as_mut().filter(|visit| visit.namespace == namespace && at < visit.left) {
            None => known.fill(places, at),
            // What is still to be shown must be listed before what was.
            Some(visit) => {
                visit.left -= 1;
                let moved = known.rows[visit.left];
                known.rows[at] = moved;
                places.at_mut(moved).link.at = at as u32;
                known.fill(places, visit.left);
            }
        }
        if known.is_empty() {
            self.known.remove(&namespace);
        }
    }

    fn moved<V>(&mut self, places: &mut Places<NamespaceFirst<N, K>, V>, id: RowId, movement: Movement) {
        let row = places.at_mut(id);
        let namespace = row.key.namespace;
        self.change(namespace, |known| known.resident = movement.count(known.resident));
        let visit = self.visit.as_mut().filter(|visit| visit.namespace == namespace);
        if let Some(visit) = visit.filter(|_| movement == Movement::Loaded) {
            row.flags = row.flags.with(Flags::JOINED);
            visit.joined.push(id);
        }
    }

    fn counted(&mut self, part: &[u8], rows: u64) -> Result<(), CodecError> {
        let namespace: N = model::decode(part.get(1..).unwrap_or_default())?;
        self.change(namespace, |known| known.stored = rows);
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
    fn change(&mut self, namespace: N, change: impl FnOnce(&mut Known)) {
        let known = self.known.entry(namespace).or_default();
        change(known);
        if known.is_empty() {
            self.known.remove(&namespace);
        }
    }

    /// The first namespace behind `after` that may have rows.
    pub(super) fn next_namespace(&self, after: Option<N>) -> Option<N> {
        let behind = |(namespace, _): &(&N, &Known)| after.is_none_or(|after| **namespace > after);
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut known = self.known.range((from, std::ops::Bound::Unbounded)).filter(behind);
        known
            .find(|(_, known)| !known.rows.is_empty() || known.stored != known.resident)
            .map(|(namespace, _)| *namespace)
    }

    /// Whether memory has a row of `namespace`.
    pub(super) fn has_any_of(&self, namespace: N) -> bool {
        self.known.get(&namespace).is_some_and(|known| !known.rows.is_empty())
    }

    /// Whether each row that the base has of `namespace` has its key in memory.
    pub(super) fn has_all_of(&self, namespace: N) -> bool {
        self.known.get(&namespace).is_none_or(|known| known.stored == known.resident)
    }

    /// How many rows the base has of `namespace`, and how many of them are known to have their key in memory.
    pub(super) fn stored_and_resident(&self, namespace: N) -> (u64, u64) {
        self.known.get(&namespace).map_or((0, 0), |known| (known.stored, known.resident))
    }

    /// Fills `ids` with rows of `namespace`, from the end of the list; gives their number.
    #[inline]
    pub(super) fn last_rows(&self, namespace: N, ids: &mut [RowId]) -> usize {
        let rows = self.known.get(&namespace).map_or(&[][..], |known| &known.rows[..]);
        let count = rows.len().min(ids.len());
        for (id, row) in ids.iter_mut().zip(rows.iter().rev()) {
            *id = *row;
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
        let left = self.known.get(&namespace).map_or(0, |known| known.rows.len());
        self.visit.get_or_insert_with(|| Visit { namespace, left, cursor: Cursor::default(), joined: Vec::new() })
    }

    /// The next row that the visit of `namespace` finds in memory.
    #[inline]
    pub(super) fn step_of(&mut self, namespace: N) -> Option<RowId> {
        let visit = self.visit.as_mut().filter(|visit| visit.namespace == namespace && visit.left > 0)?;
        visit.left -= 1;
        self.known.get(&namespace)?.rows.get(visit.left).copied()
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
