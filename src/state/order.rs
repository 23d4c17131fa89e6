//! Decides what a table tells the structure that finds its rows otherwise than by their whole key.

use super::places::{Places, RowId};
use super::row_key::RowKey;
use super::table::TablePlace;
use crate::model::{CodecError, KeyHash};

/// Finds rows of a table otherwise than by their whole key: all of a namespace, all of a key, the earliest.
///
/// It knows exactly the rows in memory that have a value, since it hears of each that gets or loses one, and keeps in mind
/// what it has to about the rows that are in the base only.
pub trait RowOrder<K: RowKey>: Send + Sized {
    /// What it takes per row beside the row, in bytes, about.
    const ROW_BYTES: usize;

    /// The order of a table without rows in memory, and `base_rows` in the base.
    fn open(place: &TablePlace, base_rows: u64) -> Self;

    /// Hears that the row at `id` gets a value, and had none.
    fn shown<V>(&mut self, places: &mut Places<K, V>, id: RowId);

    /// Hears that the row at `id` loses its value.
    fn hidden<V>(&mut self, places: &mut Places<K, V>, id: RowId);

    /// Hears what became of the row at `id` as one of the base.
    fn moved<V>(&mut self, places: &mut Places<K, V>, id: RowId, movement: Movement);

    /// Hears that the base has `rows` rows whose encoded keys begin with `part`, as [`RowKey::encode`] cuts it off.
    ///
    /// # Errors
    /// If `part` is not the beginning of a key.
    fn counted(&mut self, part: &[u8], rows: u64) -> Result<(), CodecError>;

    /// Whether a row of `key`, which is not in memory, is not in the base either.
    fn has_all(&self, hash: KeyHash, key: &K) -> bool;

    /// Tells which rows must stay in memory, until something else is heard.
    fn held(&self) -> impl Fn(KeyHash, &K) -> bool + use<Self, K>;
}

/// What can become of a row as one of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// It was read into memory.
    Loaded,
    /// It is in memory, and the base is known to have it, too.
    Found,
    /// It is in memory, and is not in the base any more.
    Removed,
    /// It leaves the memory.
    Evicted,
}

impl Movement {
    /// `resident`, the number of rows that are both in memory and in the base, after this.
    #[inline]
    pub(super) fn count(self, resident: u64) -> u64 {
        match self {
            Self::Loaded | Self::Found => resident + 1,
            Self::Removed | Self::Evicted => resident - 1,
        }
    }
}

/// The order of plain keys: none.
pub struct Unordered;

impl<K: RowKey> RowOrder<K> for Unordered {
    const ROW_BYTES: usize = 0;

    fn open(_place: &TablePlace, _base_rows: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn shown<V>(&mut self, _places: &mut Places<K, V>, _id: RowId) {}

    #[inline(always)]
    fn hidden<V>(&mut self, _places: &mut Places<K, V>, _id: RowId) {}

    #[inline(always)]
    fn moved<V>(&mut self, _places: &mut Places<K, V>, _id: RowId, _movement: Movement) {}

    fn counted(&mut self, _part: &[u8], _rows: u64) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline(always)]
    fn has_all(&self, _hash: KeyHash, _key: &K) -> bool {
        false
    }

    #[inline(always)]
    fn held(&self) -> impl Fn(KeyHash, &K) -> bool + use<K> {
        |_, _| false
    }
}
