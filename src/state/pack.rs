//! Decides how neighbouring rows of the base lie together in one value: a pack.
//!
//! A pack has the rows of one key group of one table from its own key on, up to the key of the next pack. So many rows share
//! one key, one checksum, and the beginning of their own keys, and those that change together are written together.
//!
//! The layout, byte by byte, is in `docs/state-format.md`; keys are coded as in the data blocks of LevelDB.

use std::convert::Infallible;
use std::ops::ControlFlow;

use super::base::PREFIX_BYTES;
use super::changelog::{append_sized, split_sized};

/// The most bytes of a pack, but for its last row. A database page of 4 KiB has room for three of them.
const FULL_BYTES: usize = 1280;
/// Bytes of a pack before its rows.
const CRC_BYTES: usize = 4;
/// The most bytes of a key that are taken from the key before it.
const MOST_SHARED: usize = 255;

/// The rows of a pack whose checksum is right.
pub(super) struct Pack<'a> {
    key: &'a [u8],
    rest: &'a [u8],
}

/// A row as it lies in a pack.
struct CodedRow<'a> {
    /// Bytes of its key that are those of the row before it.
    shared: usize,
    /// The others.
    suffix: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Pack<'a> {
    /// The pack that is `stored` under `key`.
    ///
    /// # Errors
    /// In words, if it is damaged.
    pub(super) fn open(key: &'a [u8], stored: &'a [u8]) -> Result<Self, String> {
        let Some((crc, rest)) = stored.split_first_chunk::<CRC_BYTES>() else {
            return Err(format!("a pack of {} bytes is shorter than its checksum", stored.len()));
        };
        if key.len() < PREFIX_BYTES {
            return Err(format!("the key of a pack has {} bytes", key.len()));
        }
        let (crc, computed) = (u32::from_le_bytes(*crc), checksum(key, rest));
        if crc != computed {
            return Err(format!("expected checksum {crc:08x} of a pack, found {computed:08x}"));
        }
        Ok(Self { key, rest })
    }

    /// The value under `key`, a whole base key.
    ///
    /// # Errors
    /// In words, if a row does not end within the pack.
    pub(super) fn find(mut self, key: &[u8]) -> Result<Option<&'a [u8]>, String> {
        // How much of `key` the row before begins with, as far as rows can share it. That row comes before `key`.
        let mut alike = common(&self.key[..PREFIX_BYTES], key);
        while let Some(row) = self.next_row()? {
            if row.shared < alike {
                return Ok(None);
            }
            if row.shared == alike {
                let wanted = &key[alike..];
                if row.suffix == wanted {
                    return Ok(Some(row.value));
                }
                if row.suffix > wanted {
                    return Ok(None);
                }
                alike = (alike + common(row.suffix, wanted)).min(MOST_SHARED);
            }
        }
        Ok(None)
    }

    /// Hands each row to `visit`, its whole base key and its value, until that breaks off.
    ///
    /// # Errors
    /// In words, if a row does not end within the pack.
    pub(super) fn visit<B>(
        mut self,
        mut visit: impl FnMut(&[u8], &'a [u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, String> {
        let mut key = self.key[..PREFIX_BYTES].to_vec();
        while let Some(row) = self.next_row()? {
            if row.shared > key.len() {
                return Err(format!("a key shares {} bytes with one of {}", row.shared, key.len()));
            }
            key.truncate(row.shared);
            key.extend_from_slice(row.suffix);
            let visited = visit(&key, row.value);
            if visited.is_break() {
                return Ok(visited);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    #[inline]
    fn next_row(&mut self) -> Result<Option<CodedRow<'a>>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let row = split_row(self.rest);
        let row = row.ok_or_else(|| format!("a row of a pack does not end, {} bytes are left", self.rest.len()))?;
        self.rest = row.rest;
        Ok(Some(row))
    }
}

#[inline]
fn split_row(rest: &[u8]) -> Option<CodedRow<'_>> {
    let (shared, rest) = rest.split_first()?;
    let (suffix, rest) = split_sized(rest)?;
    let (value, rest) = split_sized(rest)?;
    Some(CodedRow { shared: usize::from(*shared), suffix, value, rest })
}

/// Packs rows that come in the order of their keys, all of one key group of one table.
pub(super) struct Packer<'a> {
    /// The key of the pack that is being made.
    key: &'a [u8],
    /// The key of the row before.
    last: &'a [u8],
    stored: Vec<u8>,
    /// The pack is closed when it exceeds this.
    full: usize,
}

impl<'a> Packer<'a> {
    /// Makes packs of which the first has `key`, equally large ones of rows that take about `bytes`.
    pub(super) fn new(key: &'a [u8], bytes: usize) -> Self {
        let packs = bytes.div_ceil(FULL_BYTES).max(1);
        let full = if packs == 1 { FULL_BYTES } else { bytes / packs };
        Self { key, last: &[], stored: vec![0; CRC_BYTES], full }
    }

    /// Adds a row. Hands the pack that it has no room in to `full`.
    pub(super) fn push<E>(
        &mut self,
        key: &'a [u8],
        value: &[u8],
        full: impl FnOnce(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.stored.len() > self.full {
            self.finish(full)?;
            // The shortest that comes behind the last row.
            self.key = &key[..key.len().min(common(self.last, key) + 1)];
            self.last = &[];
            self.stored.truncate(CRC_BYTES);
        }
        let before = if self.last.is_empty() { &key[..PREFIX_BYTES] } else { self.last };
        let shared = common(before, key).min(MOST_SHARED);
        self.stored.push(shared as u8);
        for part in [&key[shared..], value] {
            let Ok(()) = append_sized(&mut self.stored, |stored| {
                stored.extend_from_slice(part);
                Ok::<_, Infallible>(())
            });
        }
        self.last = key;
        Ok(())
    }

    /// Hands the pack that is being made to `last`, unless it has no rows.
    pub(super) fn finish<E>(&mut self, last: impl FnOnce(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.stored.len() == CRC_BYTES {
            return Ok(());
        }
        let crc = checksum(self.key, &self.stored[CRC_BYTES..]);
        self.stored[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        last(self.key, &self.stored)
    }
}

/// The checksum of a pack.
pub(super) fn checksum(key: &[u8], rows: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rows);
    hasher.finalize()
}

/// How many bytes `left` and `right` begin with alike.
#[inline]
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    fn packed(rows: &Rows) -> Rows {
        let first = [7; PREFIX_BYTES];
        let bytes = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        let mut packer = Packer::new(&first, bytes);
        let mut packs = Rows::new();
        let mut add = |key: &[u8], stored: &[u8]| {
            packs.insert(key.to_vec(), stored.to_vec());
            Ok::<_, Infallible>(())
        };
        for (key, value) in rows {
            packer.push(key, value, &mut add).unwrap();
        }
        packer.finish(&mut add).unwrap();
        packs
    }

    /// Keys that share long beginnings, and some that are the beginning of others.
    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        let tail = prop_oneof![
            prop::collection::vec(0u8..3, 0..6),
            (250usize..260, any::<u8>()).prop_map(|(len, last)| [vec![1; len], vec![last]].concat())
        ];
        tail.prop_map(|tail| [vec![7; PREFIX_BYTES], tail].concat())
    }

    proptest! {
        #[test]
        fn rows_come_back_and_are_found(rows in prop::collection::btree_map(any_key(), prop::collection::vec(any::<u8>(), 0..300), 0..60), absent in any_key()) {
            let packs = packed(&rows);
            let mut back = Rows::new();
            for (key, stored) in &packs {
                let pack = Pack::open(key, stored).unwrap();
                let all = pack.visit(|key, value| {
                    back.insert(key.to_vec(), value.to_vec());
                    ControlFlow::<()>::Continue(())
                });
                prop_assert_eq!(all, Ok(ControlFlow::Continue(())));
            }
            prop_assert_eq!(&back, &rows);
            for wanted in rows.keys().chain([&absent]) {
                let pack = packs.range(..=wanted.clone()).next_back();
                let found = pack.and_then(|(key, stored)| Pack::open(key, stored).unwrap().find(wanted).unwrap());
                prop_assert_eq!(found, rows.get(wanted).map(Vec::as_slice));
            }
        }

        #[test]
        fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), change in 1u8..) {
            let rows = Rows::from([(vec![7; 9], vec![1; 20]), (vec![8; 300], vec![2; 300])]);
            let (key, mut stored) = packed(&rows).pop_first().unwrap();
            let at = at.index(stored.len());
            stored[at] ^= change;
            prop_assert!(Pack::open(&key, &stored).is_err());
        }

        #[test]
        fn arbitrary_rows_never_panic(rest in prop::collection::vec(any::<u8>(), 0..200), wanted in any_key()) {
            let key = [7; PREFIX_BYTES];
            let _ = Pack { key: &key, rest: &rest }.find(&wanted);
            let _ = Pack { key: &key, rest: &rest }.visit(|_, _| ControlFlow::<()>::Continue(()));
        }
    }

    #[test]
    fn full_packs_are_closed() {
        let rows: Rows = (0..1000u32).map(|n| ([&[7; PREFIX_BYTES][..], &n.to_be_bytes()].concat(), vec![1])).collect();
        let packs = packed(&rows);
        assert!(packs.len() > 3, "{} packs", packs.len());
        assert!(packs.values().all(|stored| stored.len() < FULL_BYTES + 20));
    }
}
