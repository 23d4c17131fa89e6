//! Decides how all keys that have rows are found, in an order that depends on nothing but themselves.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::row_key::RowKey;
use super::table::Table;
use crate::model::{self, Key, KeyHash, hash_key};

impl<R: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<R, V> {
    /// The keys that have rows, each once, by their hashes, where `key_of` gives the key that a row belongs to. It is a
    /// scan: it reads all rows that are not in memory, and takes memory for all keys.
    ///
    /// # Errors
    /// See [`Table`].
    pub(super) fn keys_of_rows<K: Key>(&mut self, key_of: impl Fn(&R) -> &K) -> Result<Vec<(KeyHash, K)>, StateError> {
        let mut keys = Vec::new();
        self.scan(|row, _| {
            let key = key_of(row);
            keys.push((hash_key(key), key.clone()));
            Ok(())
        })?;
        keys.sort_unstable_by_key(|(hash, _)| *hash);
        // Keys with one hash are rare, and mostly one key with several rows: their encodings say in which order they come.
        let mut ordered: Vec<(KeyHash, K)> = Vec::with_capacity(keys.len());
        let mut keys = keys.into_iter().peekable();
        while let Some((hash, key)) = keys.next() {
            let mut alike = vec![key];
            while let Some((_, next)) = keys.next_if(|(next, _)| *next == hash) {
                if !alike.contains(&next) {
                    alike.push(next);
                }
            }
            if alike.len() > 1 {
                let encoded = alike.into_iter().map(|key| Ok((model::encode(&key)?, key)));
                let mut encoded = encoded.collect::<Result<Vec<_>, _>>().map_err(|source| self.place.codec(source))?;
                encoded.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
                alike = encoded.into_iter().map(|(_, key)| key).collect();
            }
            ordered.extend(alike.into_iter().map(|key| (hash, key)));
        }
        Ok(ordered)
    }
}

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// All keys, each once. It is a scan: it reads all rows that are not in memory, and takes memory for all keys.
    ///
    /// # Errors
    /// See [`Table`].
    pub fn keys(&mut self) -> Result<Vec<(KeyHash, K)>, StateError> {
        self.keys_of_rows(|key| key)
    }
}
