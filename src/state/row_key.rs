//! Decides what names a row: a key alone, or a key together with a namespace.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::order::{RowOrder, Unordered};
use crate::model::{self, CodecError, Key, KeyHash, hash_key};

/// What names a row of a [`Table`](super::Table). Every [`Key`] does; the keys that hold a namespace as well are those of
/// windows, maps, lists and timers.
pub trait RowKey: Eq + Clone + Serialize + DeserializeOwned + Send + 'static {
    /// How rows are found otherwise than by their whole key.
    type Order: RowOrder<Self>;
    /// What each row keeps beside its key.
    type Link: Link;

    /// Whether the base counts rows by the first part of their keys.
    const COUNTED: bool = false;

    /// The hash of the row. Its lower half is that of the user's key, so that all rows of a key are in one key group.
    fn row_hash(&self) -> KeyHash;

    /// Appends the encoding to `bytes`, and gives the length of that first part of it whose rows the base counts; 0 if
    /// it does not count them.
    ///
    /// # Errors
    /// If the key's `Serialize` implementation fails.
    fn encode(&self, bytes: &mut Vec<u8>) -> Result<usize, CodecError> {
        model::encode_into(self, bytes).map(|()| 0)
    }

    /// The key that is encoded in `bytes`, and its hash.
    ///
    /// # Errors
    /// In words, if it is not one.
    fn decode(bytes: &[u8]) -> Result<(Self, KeyHash), String> {
        let key: Self = model::decode(bytes).map_err(|error| error.to_string())?;
        let hash = key.row_hash();
        Ok((key, hash))
    }
}

/// What a row keeps beside its key: the hash, if that takes longer to compute than to read, and what its order needs.
pub trait Link: Copy + Send {
    /// That of a row with this hash, which its order has not heard of.
    fn of(hash: KeyHash) -> Self;

    /// The hash of the row of `key`.
    fn hash(self, key: &impl RowKey) -> KeyHash;
}

impl Link for () {
    #[inline(always)]
    fn of(_hash: KeyHash) -> Self {}

    #[inline]
    fn hash(self, key: &impl RowKey) -> KeyHash {
        key.row_hash()
    }
}

impl Link for KeyHash {
    #[inline(always)]
    fn of(hash: KeyHash) -> Self {
        hash
    }

    #[inline(always)]
    fn hash(self, _key: &impl RowKey) -> KeyHash {
        self
    }
}

impl<K: Key> RowKey for K {
    type Order = Unordered;
    type Link = ();

    #[inline]
    fn row_hash(&self) -> KeyHash {
        hash_key(self)
    }
}

/// A row key in parts that are borrowed: what rows are searched with. Its encoding is that of the key it stands for.
pub trait Probe<R>: Copy + Serialize {
    /// Whether it stands for `key`.
    fn names(self, key: &R) -> bool;

    /// The key it stands for.
    fn to_key(self) -> R;
}

impl<R: RowKey> Probe<R> for &R {
    #[inline]
    fn names(self, key: &R) -> bool {
        self == key
    }

    #[inline]
    fn to_key(self) -> R {
        self.clone()
    }
}

/// What a namespace changes in the hash of a key: the half that chooses the place in memory.
///
/// It is taken from the half of the namespace's own hash that a key uses for its group. So a key that is its own namespace
/// does not undo its own hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tint(u32);

impl Tint {
    /// That of `namespace`.
    #[inline]
    pub(super) fn of<N: Hash>(namespace: &N) -> Self {
        Self(hash_key(namespace).for_group())
    }

    /// The hash of a row from that of its key, and the other way round.
    #[inline]
    pub(super) fn mix(self, hash: KeyHash) -> KeyHash {
        KeyHash(hash.0 ^ (u64::from(self.0) << 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_keep_the_group_and_come_off_again() {
        let key = hash_key("key");
        let row = Tint::of(&7u64).mix(key);
        assert_eq!(row.for_group(), key.for_group());
        assert_ne!(row.for_table(), key.for_table());
        assert_eq!(Tint::of(&7u64).mix(row), key);
    }

    #[test]
    fn keys_that_are_their_own_namespace_lie_apart() {
        let places: std::collections::BTreeSet<u32> =
            (0..1000u64).map(|key| Tint::of(&key).mix(hash_key(&key)).for_table()).collect();
        assert!(places.len() > 990, "{} places", places.len());
    }
}
