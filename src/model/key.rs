//! Decides the hash of a key: computed once at `key_by`, carried with the record, stable for ever.
//!
//! The algorithm is written down in `docs/state-format.md` and pinned by the golden vectors below: state on disk is
//! grouped by it, so a change of it is a change of the format.

use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can be a key: it compares, hashes, and can be kept. Implemented for every type that qualifies.
///
/// `Hash` must depend on the value alone (no addresses, no random state), as the derived one does.
pub trait Key: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Key for K {}

/// The stable hash of a key.
///
/// The lower half chooses the key group, the upper half the place in a hash table, so that the one says nothing about
/// the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// The half that chooses the key group.
    #[inline]
    #[must_use]
    pub fn for_group(self) -> u32 {
        self.0 as u32
    }

    /// The half that chooses the place in a hash table.
    #[inline]
    #[must_use]
    pub fn for_table(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Hashes `key` with [`StableHasher`].
#[inline]
pub fn hash_key<K: Hash + ?Sized>(key: &K) -> KeyHash {
    let mut hasher = StableHasher::default();
    key.hash(&mut hasher);
    KeyHash(hasher.finish())
}

/// Millstream's key hash: each 64-bit word is mixed in by one folded 128-bit multiplication.
///
/// Integers are one word, whatever the machine: unsigned ones zero-extended, signed ones sign-extended.
/// Byte strings are words of eight bytes; the last, shorter one is zero-extended and followed by the length.
#[derive(Debug, Clone, Copy)]
pub struct StableHasher {
    state: u64,
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const FACTOR: u64 = 0xA076_1D64_78BD_642F;
const FINAL_FACTOR: u64 = 0xE703_7ED1_A0B4_28DB;

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Less than eight bytes, zero-extended. Read in two halves that may overlap: copying them into a word, byte for byte, and
/// reading it at once, would wait for all of them to be written.
#[inline(always)]
fn short_word(bytes: &[u8]) -> u64 {
    let word_of = |bytes: [u8; 4]| u64::from(u32::from_le_bytes(bytes));
    match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
        (Some(low), Some(high), _) => word_of(*low) | word_of(*high) << (8 * (bytes.len() - 4)),
        (_, _, [a, b, c]) => word_of([*a, *b, *c, 0]),
        (_, _, [a, b]) => word_of([*a, *b, 0, 0]),
        (_, _, [a]) => u64::from(*a),
        _ => 0,
    }
}

impl Default for StableHasher {
    #[inline]
    fn default() -> Self {
        Self { state: SEED }
    }
}

impl StableHasher {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.state = fold(self.state ^ word, FACTOR).wrapping_add(word.rotate_left(32));
    }
}

impl Hasher for StableHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let word: [u8; 8] = word.try_into().expect("chunks_exact gives eight bytes");
            self.word(u64::from_le_bytes(word));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            self.word(short_word(rest));
        }
        self.word(bytes.len() as u64);
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.word(value as u64);
        self.word((value >> 64) as u64);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    #[inline]
    fn write_i8(&mut self, value: i8) {
        self.word(value as u64);
    }

    #[inline]
    fn write_i16(&mut self, value: i16) {
        self.word(value as u64);
    }

    #[inline]
    fn write_i32(&mut self, value: i32) {
        self.word(value as u64);
    }

    #[inline]
    fn write_i64(&mut self, value: i64) {
        self.word(value as u64);
    }

    #[inline]
    fn write_i128(&mut self, value: i128) {
        self.write_u128(value as u128);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.word(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        fold(self.state ^ SEED, FINAL_FACTOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Golden vectors: state written by any release is grouped by exactly these.
    #[test]
    fn hash_matches_its_golden_vectors() {
        let found = [
            hash_key(&0u64),
            hash_key(&1u64),
            hash_key(&u64::MAX),
            hash_key(&-1i32),
            hash_key(""),
            hash_key("a"),
            hash_key("millstream"),
            hash_key(&("taxi", 7u32)),
            hash_key(&Some('x')),
            hash_key(&[1u8, 2, 3]),
        ]
        .map(|hash| format!("{:016x}", hash.0));
        assert_eq!(found, GOLDEN);
    }

    const GOLDEN: [&str; 10] = [
        "cbe3471837cebf09",
        "a4cbd55f0de39585",
        "02c4f260a76eb36b",
        "02c4f260a76eb36b",
        "8a9bb46c76f672fa",
        "13a6fa9459e7ab4f",
        "89891434633f49ef",
        "3f9849855052a37c",
        "b86440d7b41f83be",
        "a72859f7c31783f2",
    ];

    #[test]
    fn owned_and_borrowed_strings_hash_alike() {
        assert_eq!(hash_key("word"), hash_key(&"word".to_owned()));
    }

    #[test]
    fn groups_and_table_places_are_evenly_used() {
        let (mut groups, mut places) = ([0u32; 128], [0u32; 128]);
        for key in 0..128_000u64 {
            let hash = hash_key(&key);
            groups[(hash.for_group() % 128) as usize] += 1;
            places[(hash.for_table() % 128) as usize] += 1;
        }
        for counts in [groups, places] {
            assert!(counts.iter().all(|count| (850..1150).contains(count)), "uneven: {counts:?}");
        }
    }

    #[test]
    fn short_words_are_zero_extended() {
        let bytes = [0x81, 0x92, 0xA3, 0xB4, 0xC5, 0xD6, 0xE7];
        for length in 0..=bytes.len() {
            let mut word = [0; 8];
            word[..length].copy_from_slice(&bytes[..length]);
            assert_eq!(short_word(&bytes[..length]), u64::from_le_bytes(word), "{length}");
        }
    }

    proptest! {
        #[test]
        fn strings_that_differ_in_length_only_hash_apart(text in "[a-z]{0,20}") {
            prop_assert_ne!(hash_key(&text), hash_key(&format!("{text}\0")));
        }
    }
}
