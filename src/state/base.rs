//! Decides how folded rows lie in the base, and reads them; names `redb`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use millstream_actors::ids::CheckpointId;
use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, TableDefinition};

use super::changelog::TableId;
use super::opening::{guarded, refused};
use super::pack::Pack;
use super::{Latch, StateError};
use crate::model::KeyGroup;

/// Where a block lies: table, checkpoint, position among the blocks of both.
pub(super) type BlockKey = (u16, u64, u32);

/// Key of a [`Pack`] -> its checksum and rows.
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

/// Starts a base key.
pub(super) fn begin_key(table: TableId, group: KeyGroup, out: &mut Vec<u8>) {
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&group.0.to_be_bytes());
}

/// A row of the base.
pub(super) struct StoredRow<'a> {
    /// The key in the base.
    pub(super) whole_key: &'a [u8],
    /// The encoded value.
    pub(super) value: &'a [u8],
}

impl<'a> StoredRow<'a> {
    /// The key's own encoding.
    pub(super) fn key(&self) -> &'a [u8] {
        self.whole_key.get(PREFIX_BYTES..).unwrap_or_default()
    }
}

/// An entry as a range gives it.
type Entry<K, V> = (AccessGuard<'static, K>, AccessGuard<'static, V>);
/// A pack as the base gives it, with its key.
type StoredPack = Entry<&'static [u8], &'static [u8]>;

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
        let Some((pack_key, stored)) = self.pack_of(key)? else { return Ok(None) };
        let found = Pack::open(pack_key.value(), stored.value()).and_then(|pack| pack.find(key));
        let used = found.and_then(|value| value.map(use_value).transpose());
        used.map_err(|detail| self.corrupt(table, group_of(key), detail))
    }

    /// The pack that has the row under `key`, a whole base key, if the base has it.
    fn pack_of(&self, key: &[u8]) -> Result<Option<StoredPack>, StateError> {
        let refused = refused::<redb::StorageError>(&self.file);
        let group = key.get(..PREFIX_BYTES).unwrap_or(key);
        let mut packs = self.latch.watch(guarded(&self.file, || self.base.range(group..=key).map_err(&refused)))?;
        self.next(|| packs.next_back())
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
        let first = self.pack_of(from)?;
        let first = first.as_ref().map_or(from, |(key, _)| key.value());
        let mut packs = self.latch.watch(guarded(&self.file, || self.base.range(first..).map_err(&refused)))?;
        while let Some((key, stored)) = self.next(|| packs.next())? {
            let (key, stored) = (key.value(), stored.value());
            // All rows of a pack have the table and the group of its key.
            let of_all = prefix.len().min(PREFIX_BYTES);
            if key.get(..of_all) != Some(&prefix[..of_all]) {
                break;
            }
            let visited = Pack::open(key, stored).and_then(|pack| {
                pack.visit(|whole_key, value| {
                    if whole_key < from {
                        return ControlFlow::Continue(());
                    }
                    if !whole_key.starts_with(prefix) {
                        return ControlFlow::Break(Ok(true));
                    }
                    match visit(StoredRow { whole_key, value }) {
                        Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                        Ok(ControlFlow::Break(())) => ControlFlow::Break(Ok(false)),
                        Err(detail) => ControlFlow::Break(Err(detail)),
                    }
                })
            });
            let ended = match visited {
                Ok(ControlFlow::Continue(())) => continue,
                Ok(ControlFlow::Break(ended)) => ended,
                Err(detail) => Err(detail),
            };
            return ended.map_err(|detail| self.corrupt(table, group_of(key), detail));
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

/// The key group of a whole base key.
pub(super) fn group_of(key: &[u8]) -> Option<KeyGroup> {
    let group = key.get(TABLE_BYTES..PREFIX_BYTES)?;
    Some(KeyGroup(u16::from_be_bytes([group[0], group[1]])))
}
