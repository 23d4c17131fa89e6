//! Decides how folded rows lie in the base, and reads them; names `redb`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use millstream_actors::ids::CheckpointId;
use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, TableDefinition};

use super::changelog::TableId;
use super::opening::{guarded, refused};
use super::{Latch, StateError};
use crate::model::KeyGroup;

/// Where a block lies: table, checkpoint, position among the blocks of both.
pub(super) type BlockKey = (u16, u64, u32);

/// Key of a row -> checksum and value.
pub(super) const BASE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("base");
/// Blocks of changed rows.
pub(super) const CHANGELOG: TableDefinition<'_, BlockKey, &[u8]> = TableDefinition::new("changelog");
/// Checkpoint -> rows that it logged.
pub(super) const CHECKPOINTS: TableDefinition<'_, u64, u64> = TableDefinition::new("checkpoints");
/// Name of a table -> its number.
pub(super) const TABLES: TableDefinition<'_, &str, u16> = TableDefinition::new("tables");
/// Number of a table -> how many rows the base has of it.
pub(super) const BASE_ROWS: TableDefinition<'_, u16, u64> = TableDefinition::new("base_rows");
/// Number of a table and the common beginning of encoded keys -> how many rows the base has of them.
pub(super) const BASE_PARTS: TableDefinition<'_, (u16, &[u8]), u64> = TableDefinition::new("base_parts");
/// Format and key groups.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Bytes of a base key before the key's own: table and key group, both big endian so that they sort.
pub(super) const PREFIX_BYTES: usize = 4;
/// Bytes of the number of a table in it.
pub(super) const TABLE_BYTES: usize = 2;
/// Bytes of a base value before the value's own.
pub(super) const CRC_BYTES: usize = 4;

/// Starts a base key.
pub(super) fn begin_key(table: TableId, group: KeyGroup, out: &mut Vec<u8>) {
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&group.0.to_be_bytes());
}

/// The checksum of a base row.
pub(super) fn row_checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

/// A row of the base.
pub(super) struct StoredRow<'a> {
    whole_key: &'a [u8],
    stored: &'a [u8],
}

impl<'a> StoredRow<'a> {
    /// The key's own encoding.
    pub(super) fn key(&self) -> &'a [u8] {
        self.whole_key.get(PREFIX_BYTES..).unwrap_or_default()
    }

    /// The key in the base.
    pub(super) fn whole_key(&self) -> &'a [u8] {
        self.whole_key
    }

    /// The encoded value.
    ///
    /// # Errors
    /// In words, if the row is damaged.
    pub(super) fn value(&self) -> Result<&'a [u8], String> {
        check_value(self.whole_key, self.stored)
    }
}

/// A row as a range gives it.
type Entry<K, V> = (AccessGuard<'static, K>, AccessGuard<'static, V>);

/// The database as it was after one commit.
pub struct Snapshot {
    file: PathBuf,
    latch: Latch,
    base: ReadOnlyTable<&'static [u8], &'static [u8]>,
    changelog: ReadOnlyTable<BlockKey, &'static [u8]>,
    parts: ReadOnlyTable<(u16, &'static [u8]), u64>,
}

impl Snapshot {
    pub(super) fn new(file: &Path, latch: Latch, transaction: &ReadTransaction) -> Result<Self, StateError> {
        let refused = refused::<redb::TableError>(file);
        Ok(Self {
            file: file.to_owned(),
            latch,
            base: transaction.open_table(BASE).map_err(&refused)?,
            changelog: transaction.open_table(CHANGELOG).map_err(&refused)?,
            parts: transaction.open_table(BASE_PARTS).map_err(&refused)?,
        })
    }

    /// Hands the value under `key`, a whole base key, to `use_value`, whose error is what is wrong with the value.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] if the row is damaged or `use_value` says so; latched.
    pub(super) fn get<T>(
        &self,
        table: &str,
        key: &[u8],
        use_value: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, StateError> {
        let found = self.latch.watch(guarded(&self.file, || {
            let found = self.base.get(key).map_err(refused(&self.file))?;
            // The first look at the value is where a damaged page shows.
            let _ = found.as_ref().map(|found| found.value().len());
            Ok(found)
        }))?;
        let Some(found) = found else { return Ok(None) };
        let checked = check_value(key, found.value()).and_then(use_value);
        checked.map(Some).map_err(|detail| self.corrupt(table, group_of(key), detail))
    }

    /// Hands the rows whose base keys begin with `prefix` to `visit`, in their order and beginning at the base key `from`,
    /// until it breaks off; its error is what is wrong with the row. Whether all were handed to it.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] if a row is damaged or `visit` says so; latched.
    pub(super) fn range(
        &self,
        table: &str,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(StoredRow<'_>) -> Result<ControlFlow<()>, String>,
    ) -> Result<bool, StateError> {
        let refused = refused::<redb::StorageError>(&self.file);
        let range = guarded(&self.file, || self.base.range(from..).map_err(&refused));
        let mut range = self.latch.watch(range)?;
        while let Some((key, stored)) = self.next(|| range.next())? {
            let (whole_key, stored) = (key.value(), stored.value());
            if !whole_key.starts_with(prefix) {
                break;
            }
            let visited = visit(StoredRow { whole_key, stored });
            if visited.map_err(|detail| self.corrupt(table, group_of(whole_key), detail))?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands the beginnings of keys whose rows the base counts in `table` to `visit`, and the counts; the error of `visit`
    /// is what is wrong with the beginning.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] if `visit` says so; latched.
    pub(super) fn parts(
        &self,
        table: TableId,
        name: &str,
        mut visit: impl FnMut(&[u8], u64) -> Result<(), String>,
    ) -> Result<(), StateError> {
        let refused = refused::<redb::StorageError>(&self.file);
        let range = guarded(&self.file, || self.parts.range((table.0, &[][..])..).map_err(&refused));
        let mut range = self.latch.watch(range)?;
        while let Some((part, rows)) = self.next(|| range.next())? {
            let (of, part) = part.value();
            if of != table.0 {
                break;
            }
            visit(part, rows.value()).map_err(|detail| self.corrupt(name, None, detail))?;
        }
        Ok(())
    }

    /// Hands each block of `table` up to `through` to `visit`, newest first.
    ///
    /// # Errors
    /// Those of `visit`, and of the database.
    pub(super) fn blocks(
        &self,
        table: TableId,
        through: CheckpointId,
        mut visit: impl FnMut(CheckpointId, &[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let refused = refused::<redb::StorageError>(&self.file);
        let wanted = (table.0, 0, 0)..=(table.0, through.0, u32::MAX);
        let range = guarded(&self.file, || self.changelog.range(wanted).map_err(&refused));
        let mut range = self.latch.watch(range)?;
        while let Some((place, bytes)) = self.next(|| range.next_back())? {
            visit(CheckpointId(place.value().1), bytes.value())?;
        }
        Ok(())
    }

    /// The next entry of a range, looked at once.
    fn next<K: redb::Key, V: redb::Value>(
        &self,
        next: impl FnOnce() -> Option<Result<Entry<K, V>, redb::StorageError>>,
    ) -> Result<Option<Entry<K, V>>, StateError> {
        self.latch.watch(guarded(&self.file, || {
            let entry = next().transpose().map_err(refused(&self.file))?;
            let _ = entry.as_ref().map(|(key, value)| drop((key.value(), value.value())));
            Ok(entry)
        }))
    }

    /// The latched error that says what is wrong in `table`.
    #[cold]
    pub(super) fn corrupt(&self, table: &str, group: Option<KeyGroup>, detail: String) -> StateError {
        self.latch.set(StateError::corrupt(&self.file, table, group, detail))
    }
}

fn check_value<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], String> {
    let Some((crc, value)) = stored.split_first_chunk::<CRC_BYTES>() else {
        return Err(format!("a row of {} bytes is shorter than its checksum", stored.len()));
    };
    let (crc, computed) = (u32::from_le_bytes(*crc), row_checksum(key, value));
    if crc == computed { Ok(value) } else { Err(format!("expected row checksum {crc:08x}, found {computed:08x}")) }
}

fn group_of(key: &[u8]) -> Option<KeyGroup> {
    let group = key.get(2..PREFIX_BYTES)?;
    Some(KeyGroup(u16::from_be_bytes([group[0], group[1]])))
}
