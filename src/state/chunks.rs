//! Decides how lists are cut into rows: the end of a list in one that changes, everything before it in chunks that do not.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::order::Unordered;
use super::row_key::{Probe, RowKey, Tint};
use super::sweep::Hand;
use super::{KeyedTable, StateError, Store, Table, VisitTables};
use crate::model::KeyHash;

/// Elements of a chunk. An append writes, with the next checkpoint, the elements since the last full chunk: half of this
/// number on average. What a chunk takes beside its elements, about 100 bytes in memory, is shared by this many.
pub(super) const CHUNK_ELEMENTS: usize = 32;

/// What the row of a list's own key holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head<T> {
    /// Full chunks.
    chunks: u32,
    /// The elements behind them. There is at least one.
    tail: Vec<T>,
}

/// Names a full chunk: the row key of its list, and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChunkKey<R> {
    list: R,
    chunk: u32,
}

/// A borrowed [`ChunkKey`].
#[derive(Debug, Clone, Copy, Serialize)]
struct ChunkProbe<P> {
    list: P,
    chunk: u32,
}

impl<R, P: Probe<R>> Probe<ChunkKey<R>> for ChunkProbe<P> {
    fn names(self, key: &ChunkKey<R>) -> bool {
        self.chunk == key.chunk && self.list.names(&key.list)
    }

    fn to_key(self) -> ChunkKey<R> {
        ChunkKey { list: self.list.to_key(), chunk: self.chunk }
    }
}

impl<R: RowKey> RowKey for ChunkKey<R> {
    type Order = Unordered;
    type Link = KeyHash;

    fn row_hash(&self) -> KeyHash {
        Tint::of(&self.chunk).mix(self.list.row_hash())
    }
}

/// The elements of a list, in order.
#[derive(Debug)]
pub struct Elements<'a, T> {
    chunks: Vec<&'a [T]>,
    tail: &'a [T],
}

impl<'a, T> Elements<'a, T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.len() * CHUNK_ELEMENTS + self.tail.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let tail = self.tail;
        self.chunks.clone().into_iter().chain([tail]).flatten()
    }
}

/// Lists that are named as the rows of another kind of table are.
pub(super) struct Lists<R: RowKey, T> {
    pub(super) heads: Table<R, Head<T>>,
    pub(super) chunks: Chunks<R, T>,
}

/// The full chunks of lists.
pub(super) struct Chunks<R: RowKey, T>(Table<ChunkKey<R>, Vec<T>>);

impl<R: RowKey, T: Serialize + DeserializeOwned + Send + 'static> Lists<R, T> {
    pub(super) fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        let chunks = store.table(&format!("{name}/chunks"))?;
        Ok(Self { heads: store.table(name)?, chunks: Chunks(chunks) })
    }

    pub(super) fn extend(
        &mut self,
        hash: KeyHash,
        list: impl Probe<R>,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        let mut elements = elements.into_iter().peekable();
        if elements.peek().is_none() {
            return Ok(());
        }
        let head = self.heads.get_or_insert_with(hash, list, || Head { chunks: 0, tail: Vec::new() })?;
        for element in elements {
            if head.tail.len() == CHUNK_ELEMENTS {
                let full = std::mem::take(&mut head.tail);
                self.chunks.put(hash, list, head.chunks, full)?;
                head.chunks += 1;
            }
            head.tail.push(element);
        }
        Ok(())
    }

    pub(super) fn len(&mut self, hash: KeyHash, list: impl Probe<R>) -> Result<usize, StateError> {
        let head = self.heads.get(hash, list)?;
        Ok(head.map_or(0, |head| head.chunks as usize * CHUNK_ELEMENTS + head.tail.len()))
    }

    pub(super) fn elements(&mut self, hash: KeyHash, list: impl Probe<R>) -> Result<Elements<'_, T>, StateError> {
        match self.heads.get(hash, list)? {
            Some(head) => self.chunks.elements(hash, list, head),
            None => Ok(Elements { chunks: Vec::new(), tail: &[] }),
        }
    }

    /// Puts `elements` in the place of those that the list has.
    pub(super) fn replace(
        &mut self,
        hash: KeyHash,
        list: impl Probe<R>,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.clear(hash, list)?;
        self.extend(hash, list, elements)
    }

    /// Looks at some more rows, and gives the lists of those all of whose elements are over.
    pub(super) fn sweep(
        &mut self,
        heads: &mut Hand,
        chunks: &mut Hand,
        is_over: impl Fn(&T) -> bool,
    ) -> Result<Vec<(KeyHash, R)>, StateError> {
        let mut over = self.heads.sweep(heads, |head| head.tail.iter().all(&is_over))?;
        let chunks = self.chunks.0.sweep(chunks, |elements| elements.iter().all(&is_over))?;
        over.extend(chunks.into_iter().map(|(hash, key)| (Chunks::<R, T>::hash(hash, key.chunk), key.list)));
        Ok(over)
    }

    pub(super) fn clear(&mut self, hash: KeyHash, list: impl Probe<R>) -> Result<(), StateError> {
        let Some(head) = self.heads.remove(hash, list)? else { return Ok(()) };
        (0..head.chunks)
            .try_for_each(|chunk| self.chunks.0.erase(Chunks::<R, T>::hash(hash, chunk), ChunkProbe { list, chunk }))
    }
}

impl<R: RowKey, T: Serialize + DeserializeOwned + Send + 'static> Chunks<R, T> {
    /// The hash of a chunk from that of its list, and the other way round.
    fn hash(hash: KeyHash, chunk: u32) -> KeyHash {
        Tint::of(&chunk).mix(hash)
    }

    fn put(&mut self, hash: KeyHash, list: impl Probe<R>, chunk: u32, elements: Vec<T>) -> Result<(), StateError> {
        self.0.insert(Self::hash(hash, chunk), ChunkProbe { list, chunk }, elements)
    }

    /// The elements of the list whose head is `head`.
    pub(super) fn elements<'a>(
        &'a mut self,
        hash: KeyHash,
        list: impl Probe<R>,
        head: &'a Head<T>,
    ) -> Result<Elements<'a, T>, StateError> {
        // First all are read, for no reading may follow when they are lent.
        let mut ids = Vec::new();
        for chunk in 0..head.chunks {
            let id = self.0.locate(Self::hash(hash, chunk), ChunkProbe { list, chunk })?;
            ids.push(id.ok_or_else(|| self.missing(hash, chunk, head))?);
        }
        let mut chunks = Vec::with_capacity(ids.len());
        for (chunk, id) in (0..head.chunks).zip(ids) {
            let elements = self.0.rows.at(id).value.as_deref().filter(|elements| elements.len() == CHUNK_ELEMENTS);
            chunks.push(elements.ok_or_else(|| self.missing(hash, chunk, head))?);
        }
        Ok(Elements { chunks, tail: &head.tail })
    }

    /// Takes the elements of a list whose head was taken.
    pub(super) fn take(&mut self, hash: KeyHash, list: impl Probe<R>, head: Head<T>) -> Result<Vec<T>, StateError> {
        if head.chunks == 0 {
            return Ok(head.tail);
        }
        let mut elements = Vec::with_capacity(head.chunks as usize * CHUNK_ELEMENTS + head.tail.len());
        for chunk in 0..head.chunks {
            let full = self.0.remove(Self::hash(hash, chunk), ChunkProbe { list, chunk })?;
            elements.extend(full.ok_or_else(|| self.missing(hash, chunk, &head))?);
        }
        elements.extend(head.tail);
        Ok(elements)
    }

    #[cold]
    fn missing(&self, hash: KeyHash, chunk: u32, head: &Head<T>) -> StateError {
        let place = &self.0.place;
        let detail = format!("chunk {chunk} of the {} of a list is missing", head.chunks);
        self.0.base.snapshot.corrupt(&place.name, Some(place.max.group_of(hash)), detail)
    }
}

impl<R: RowKey, T: Serialize + DeserializeOwned + Send + 'static> VisitTables for Lists<R, T> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(&mut self.heads)?;
        each(&mut self.chunks.0)
    }
}
