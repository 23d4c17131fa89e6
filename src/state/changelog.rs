//! Decides how changed rows lie in the changelog: blocks of rows that can be walked without knowing their types.
//!
//! The layout, byte by byte, is in `docs/state-format.md`.

use millstream_actors::ids::CheckpointId;

use crate::model::KeyGroup;

/// The number of a table within one database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableId(pub u16);

/// The version of block and base layouts.
pub(crate) const FORMAT: u32 = 3;

/// Bytes before the rows of a stored block.
pub(crate) const HEADER_BYTES: usize = 24;

/// A block is closed when its rows exceed this: with its header and the database's own bookkeeping it then fits into
/// pages of 256 KiB.
const FULL_BYTES: usize = 248 * 1024;

/// A length byte that says: the length follows in four bytes.
const LONG: u8 = 255;
/// A value's length byte that says: there is no value, the row was removed.
const REMOVED: u8 = 254;

/// Encoded rows of one table and one checkpoint, on their way to disk.
#[derive(Debug)]
pub struct Block {
    pub(crate) table: TableId,
    pub(crate) checkpoint: CheckpointId,
    pub(crate) seq: u32,
    pub(crate) rows: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    /// The stored size.
    pub(crate) fn stored_bytes(&self) -> usize {
        HEADER_BYTES + self.bytes.len()
    }

    /// Writes header and rows to `out`, which is [`Self::stored_bytes`] long.
    pub(crate) fn store(&self, out: &mut [u8]) {
        let (header, rows) = out.split_at_mut(HEADER_BYTES);
        rows.copy_from_slice(&self.bytes);
        header[0..4].copy_from_slice(&FORMAT.to_le_bytes());
        header[8..10].copy_from_slice(&self.table.0.to_le_bytes());
        header[10..12].copy_from_slice(&[0; 2]);
        header[12..20].copy_from_slice(&self.checkpoint.0.to_le_bytes());
        header[20..24].copy_from_slice(&self.rows.to_le_bytes());
        let crc = checksum(&header[8..], rows);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

fn checksum(head: &[u8], rows: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(rows);
    hasher.finalize()
}

/// Collects the rows of one table and one checkpoint into blocks.
#[derive(Debug)]
pub(crate) struct LogWriter {
    table: TableId,
    checkpoint: CheckpointId,
    seq: u32,
    open: Vec<u8>,
    rows: u32,
    closed: Vec<Block>,
}

impl LogWriter {
    pub(crate) fn new(table: TableId) -> Self {
        Self { table, checkpoint: CheckpointId(0), seq: 0, open: Vec::new(), rows: 0, closed: Vec::new() }
    }

    /// Starts the blocks of `checkpoint`.
    pub(crate) fn begin(&mut self, checkpoint: CheckpointId) {
        self.close();
        self.checkpoint = checkpoint;
        self.seq = 0;
    }

    /// Appends a row. `key` and `value` append their encodings; without `value` the row is a removal.
    pub(crate) fn push<E>(
        &mut self,
        group: KeyGroup,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        value: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<usize, E> {
        if self.open.len() > FULL_BYTES {
            self.close();
        }
        let start = self.open.len();
        let appended = append_row(&mut self.open, group, key, value);
        if appended.is_err() {
            self.open.truncate(start);
        } else {
            self.rows += 1;
        }
        appended.map(|()| self.open.len() - start)
    }

    /// Closes the open block and gives all that are closed.
    pub(crate) fn take(&mut self) -> Vec<Block> {
        self.close();
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self) {
        if self.rows == 0 {
            return;
        }
        let (table, checkpoint, seq, rows) = (self.table, self.checkpoint, self.seq, self.rows);
        let bytes = std::mem::take(&mut self.open);
        // The next block is likely to be as full as this one.
        self.open.reserve(bytes.len().min(FULL_BYTES + 4096));
        self.closed.push(Block { table, checkpoint, seq, rows, bytes });
        self.seq += 1;
        self.rows = 0;
    }
}

#[inline]
fn append_row<E>(
    out: &mut Vec<u8>,
    group: KeyGroup,
    key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    value: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
) -> Result<(), E> {
    out.extend_from_slice(&group.0.to_le_bytes());
    append_sized(out, key)?;
    match value {
        Some(value) => append_sized(out, value),
        None => {
            out.push(REMOVED);
            Ok(())
        }
    }
}

/// Appends what `write` appends, behind its length: one byte, or for long parts [`LONG`] and four bytes.
#[inline]
pub(super) fn append_sized<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let at = out.len();
    out.push(0);
    write(out)?;
    let len = out.len() - at - 1;
    if len < usize::from(REMOVED) {
        out[at] = len as u8;
    } else {
        out[at] = LONG;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        out.splice(at + 1..at + 1, len.to_le_bytes());
    }
    Ok(())
}

/// One row of a stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedRow<'a> {
    pub(crate) group: KeyGroup,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
}

/// A stored block whose header and checksum have been checked.
#[derive(Debug)]
pub(crate) struct StoredBlock<'a> {
    pub(crate) rows: u32,
    rest: &'a [u8],
}

impl<'a> StoredBlock<'a> {
    /// Checks `bytes` against what the place of the block says.
    ///
    /// # Errors
    /// In words, if they are not a block of `table` and `checkpoint`.
    pub(crate) fn open(bytes: &'a [u8], table: TableId, checkpoint: CheckpointId) -> Result<Self, String> {
        let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
            return Err(format!("a block of {} bytes is shorter than its header", bytes.len()));
        };
        let (format, crc) = (word(&header[0..4]), word(&header[4..8]));
        if format != FORMAT {
            return Err(format!("expected block format {FORMAT}, found {format}"));
        }
        let computed = checksum(&header[8..], rest);
        if crc != computed {
            return Err(format!("expected block checksum {crc:08x}, found {computed:08x}"));
        }
        let expected = [&table.0.to_le_bytes()[..], &[0; 2], &checkpoint.0.to_le_bytes()].concat();
        if header[8..20] != expected {
            return Err(format!("a block lies under table {} and checkpoint {checkpoint}, but is of others", table.0));
        }
        Ok(Self { rows: word(&header[20..24]), rest })
    }

    /// Reads the next row; `None` at the end.
    ///
    /// # Errors
    /// In words, if a row does not end within the block.
    pub(crate) fn next_row(&mut self) -> Result<Option<LoggedRow<'a>>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let row = self.split_row().ok_or_else(|| format!("a row does not end, {} bytes are left", self.rest.len()))?;
        Ok(Some(row))
    }

    fn split_row(&mut self) -> Option<LoggedRow<'a>> {
        let group = self.split(2)?;
        let group = KeyGroup(u16::from_le_bytes([group[0], group[1]]));
        let key = self.split_sized()?;
        let value = if self.rest.first() == Some(&REMOVED) {
            self.split(1)?;
            None
        } else {
            Some(self.split_sized()?)
        };
        Some(LoggedRow { group, key, value })
    }

    fn split_sized(&mut self) -> Option<&'a [u8]> {
        let (part, rest) = split_sized(self.rest)?;
        self.rest = rest;
        Some(part)
    }

    fn split(&mut self, len: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(part)
    }
}

/// What [`append_sized`] appended, and what lies behind it; `None` if it does not end.
#[inline]
pub(super) fn split_sized(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = rest.split_first()?;
    match *len {
        LONG => {
            let (len, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(u32::from_le_bytes(*len) as usize)
        }
        REMOVED => None,
        len => rest.split_at_checked(usize::from(len)),
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type OwnedRow = (u16, Vec<u8>, Option<Vec<u8>>);

    fn stored(rows: &[OwnedRow]) -> Vec<Vec<u8>> {
        let mut log = LogWriter::new(TableId(3));
        log.begin(CheckpointId(9));
        for (group, key, value) in rows {
            let write = |bytes: &Vec<u8>| {
                let bytes = bytes.clone();
                move |out: &mut Vec<u8>| {
                    out.extend_from_slice(&bytes);
                    Ok::<(), ()>(())
                }
            };
            log.push(KeyGroup(*group), write(key), value.as_ref().map(write)).unwrap();
        }
        let blocks = log.take();
        blocks
            .iter()
            .map(|block| {
                let mut out = vec![0; block.stored_bytes()];
                block.store(&mut out);
                out
            })
            .collect()
    }

    fn walked(bytes: &[u8]) -> Result<Vec<OwnedRow>, String> {
        let mut block = StoredBlock::open(bytes, TableId(3), CheckpointId(9))?;
        let mut rows = Vec::new();
        while let Some(row) = block.next_row()? {
            rows.push((row.group.0, row.key.to_vec(), row.value.map(<[u8]>::to_vec)));
        }
        Ok(rows)
    }

    #[test]
    fn lengths_around_the_short_limit_come_back() {
        for len in [0, 1, 253, 254, 255, 256, 70_000] {
            let rows = [(7, vec![1; len], Some(vec![2; len])), (8, vec![3; len], None)];
            assert_eq!(walked(&stored(&rows)[0]).unwrap(), rows, "length {len}");
        }
    }

    #[test]
    fn block_of_another_place_is_refused() {
        let bytes = &stored(&[(1, vec![1], None)])[0];
        assert!(StoredBlock::open(bytes, TableId(4), CheckpointId(9)).is_err());
        assert!(StoredBlock::open(bytes, TableId(3), CheckpointId(8)).is_err());
    }

    proptest! {
        #[test]
        fn rows_come_back_in_order(rows in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..300), prop::option::of(prop::collection::vec(any::<u8>(), 0..300))), 1..40)) {
            let back: Vec<_> = stored(&rows).iter().flat_map(|block| walked(block).unwrap()).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_changed_byte_is_noticed(at in 0usize..1000, change in 1u8..) {
            let mut bytes = stored(&[(1, vec![1; 100], Some(vec![2; 300])), (2, vec![5], None)]).remove(0);
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert!(walked(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut block = StoredBlock { rows: 0, rest: &bytes };
            while let Ok(Some(_)) = block.next_row() {}
        }
    }
}
