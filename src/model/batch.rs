//! Decides how records lie together in a batch: values in one column, event times in another that may be missing.

use millstream_actors::time::Timestamp;

use super::Record;

/// Records of one type. `times` is empty, or as long as `values`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch<T> {
    /// The values.
    pub values: Vec<T>,
    /// Their event times; empty if none has one.
    pub times: Vec<Timestamp>,
}

impl<T> RecordBatch<T> {
    /// An empty batch with room for `records`.
    #[must_use]
    pub fn with_capacity(records: usize) -> Self {
        Self { values: Vec::with_capacity(records), times: Vec::new() }
    }

    /// Adds a record.
    #[inline(always)]
    pub fn push(&mut self, record: Record<T>) {
        if record.time.is_some() || !self.times.is_empty() {
            if self.times.len() == self.times.capacity() || self.times.len() < self.values.len() {
                self.make_room_for_times();
            }
            self.times.push(record.time);
        }
        self.values.push(record.value);
    }

    /// Makes room for as many times as for values. Records before the first one with a time have none.
    #[cold]
    fn make_room_for_times(&mut self) {
        let wanted = self.values.capacity().max(self.values.len() + 1);
        self.times.reserve_exact(wanted - self.times.len());
        self.times.resize(self.values.len(), Timestamp::NONE);
    }

    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A value with its key and the key's hash, behind a `key_by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed<K, T> {
    /// The hash of the key, computed once.
    pub hash: super::KeyHash,
    /// The key.
    pub key: K,
    /// The value.
    pub value: T,
}
