//! Decides how manifests of completed checkpoints, and the counters of a job, are kept; names `redb`.

use std::path::{Path, PathBuf};

use millstream_actors::ids::{Attempt, CheckpointId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::database::begin_durable;
use super::opening::{guarded, open, refused};
use super::{StateError, StateOptions};

/// Checkpoint -> checksum and manifest.
const MANIFESTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("manifests");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const PROPERTIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("properties");

/// The last attempt begun.
const ATTEMPT: &str = "attempt";
/// The last checkpoint number that may have been used.
const CHECKPOINT: &str = "checkpoint";
/// Numbers set aside for checkpoints that are begun but never published.
const SET_ASIDE: u64 = 10_000;
const CACHE_BYTES: usize = 1 << 20;
const CRC_BYTES: usize = 4;

/// The database of manifests: which checkpoints are complete, and what numbers were used. All calls block.
pub struct ManifestDb {
    file: PathBuf,
    database: Database,
}

impl ManifestDb {
    pub(super) fn open(path: &Path, stem: &str, options: &StateOptions) -> Result<Self, StateError> {
        let database = guarded(path, || open(path, stem, options, CACHE_BYTES))?;
        let manifests = Self { file: path.to_owned(), database };
        if manifests.has_no_tables()? {
            manifests.write(|transaction| {
                transaction.open_table(MANIFESTS)?;
                transaction.open_table(COUNTERS)?;
                transaction.open_table(PROPERTIES)?;
                Ok(())
            })?;
        }
        Ok(manifests)
    }

    /// Keeps `manifest` durably: `checkpoint` is complete. Of the earlier ones, all but the newest `retain - 1` are
    /// forgotten. Gives the oldest that is kept.
    ///
    /// # Errors
    /// [`StateError::Database`] or [`StateError::Io`].
    pub fn publish(
        &self,
        checkpoint: CheckpointId,
        manifest: &[u8],
        retain: usize,
    ) -> Result<CheckpointId, StateError> {
        let mut stored = crc32fast::hash(manifest).to_le_bytes().to_vec();
        stored.extend_from_slice(manifest);
        self.write(|transaction| {
            let mut manifests = transaction.open_table(MANIFESTS)?;
            manifests.insert(checkpoint.0, stored.as_slice())?;
            let mut kept = Vec::new();
            for entry in manifests.iter()?.rev() {
                kept.push(entry?.0.value());
            }
            let old = kept.split_off(retain.clamp(1, kept.len()));
            for checkpoint in old {
                manifests.remove(checkpoint)?;
            }
            let mut counters = transaction.open_table(COUNTERS)?;
            raise(&mut counters, CHECKPOINT, checkpoint.0.saturating_add(SET_ASIDE))?;
            Ok(CheckpointId(kept.last().copied().unwrap_or(checkpoint.0)))
        })
    }

    /// The latest complete checkpoint and its manifest.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] if the manifest is damaged; those of the disk.
    pub fn latest(&self) -> Result<Option<(CheckpointId, Vec<u8>)>, StateError> {
        guarded(&self.file, || self.read_latest())
    }

    fn read_latest(&self) -> Result<Option<(CheckpointId, Vec<u8>)>, StateError> {
        let transaction = self.database.begin_read().map_err(refused(&self.file))?;
        let manifests = transaction.open_table(MANIFESTS).map_err(refused(&self.file))?;
        let Some((checkpoint, stored)) = manifests.last().map_err(refused(&self.file))? else { return Ok(None) };
        let checkpoint = checkpoint.value();
        let corrupt = |detail: &str| {
            StateError::corrupt(&self.file, "manifests", None, format!("checkpoint {checkpoint}: {detail}"))
        };
        let (crc, manifest) =
            stored.value().split_first_chunk::<CRC_BYTES>().ok_or_else(|| corrupt("shorter than its checksum"))?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(manifest) {
            return Err(corrupt("its checksum does not match"));
        }
        Ok(Some((CheckpointId(checkpoint), manifest.to_vec())))
    }

    /// Begins an attempt: its number was never used in this directory.
    ///
    /// # Errors
    /// [`StateError::Database`] or [`StateError::Io`].
    pub fn next_attempt(&self) -> Result<Attempt, StateError> {
        self.write(|transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let last = counters.get(ATTEMPT)?.map_or(0, |last| last.value());
            counters.insert(ATTEMPT, last + 1)?;
            Ok(Attempt(last + 1))
        })
    }

    /// The first number for the checkpoints of a new attempt: this one, and the numbers after it, were never used in this
    /// directory, as long as fewer than 10,000 checkpoints in a row are begun and not published.
    ///
    /// # Errors
    /// [`StateError::Database`] or [`StateError::Io`].
    pub fn next_checkpoint(&self) -> Result<CheckpointId, StateError> {
        self.write(|transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let next = counters.get(CHECKPOINT)?.map_or(1, |last| last.value() + 1);
            raise(&mut counters, CHECKPOINT, next + SET_ASIDE - 1)?;
            Ok(CheckpointId(next))
        })
    }

    /// Keeps a value under `name`, durably.
    ///
    /// # Errors
    /// [`StateError::Database`] or [`StateError::Io`].
    pub fn put_property(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.write(|transaction| {
            transaction.open_table(PROPERTIES)?.insert(name, bytes)?;
            Ok(())
        })
    }

    /// The value under `name`.
    ///
    /// # Errors
    /// [`StateError::Database`] or [`StateError::Io`].
    pub fn property(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        guarded(&self.file, || {
            let transaction = self.database.begin_read().map_err(refused(&self.file))?;
            let properties = transaction.open_table(PROPERTIES).map_err(refused(&self.file))?;
            let found = properties.get(name).map_err(refused(&self.file))?;
            Ok(found.map(|bytes| bytes.value().to_vec()))
        })
    }

    /// Forgets manifests and properties; the counters go on.
    pub(super) fn clear(&self) -> Result<(), StateError> {
        self.write(|transaction| {
            transaction.delete_table(MANIFESTS)?;
            transaction.delete_table(PROPERTIES)?;
            transaction.open_table(MANIFESTS)?;
            transaction.open_table(PROPERTIES)?;
            Ok(())
        })
    }

    fn has_no_tables(&self) -> Result<bool, StateError> {
        guarded(&self.file, || {
            let transaction = self.database.begin_read().map_err(refused(&self.file))?;
            Ok(transaction.list_tables().map_err(refused(&self.file))?.next().is_none())
        })
    }

    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StateError> {
        guarded(&self.file, || {
            let transaction = begin_durable(&self.database, &self.file)?;
            let done = work(&transaction).map_err(refused(&self.file))?;
            transaction.commit().map_err(refused(&self.file))?;
            Ok(done)
        })
    }
}

/// Raises a counter to `value`, unless it is higher.
fn raise(counters: &mut redb::Table<'_, &'static str, u64>, name: &str, value: u64) -> Result<(), redb::Error> {
    let found = counters.get(name)?.map_or(0, |found| found.value());
    counters.insert(name, value.max(found))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(directory: &Path) -> ManifestDb {
        ManifestDb::open(&directory.join("manifests.redb"), "manifests", &StateOptions::default()).unwrap()
    }

    #[test]
    fn latest_manifest_survives_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let oldest: Vec<u64> = (1..=4)
            .map(|n| manifests(directory.path()).publish(CheckpointId(n), &[n as u8; 3], 2).unwrap().0)
            .collect();
        assert_eq!(oldest, [1, 1, 2, 3]);
        let latest = manifests(directory.path()).latest().unwrap();
        assert_eq!(latest, Some((CheckpointId(4), vec![4; 3])));
    }

    #[test]
    fn numbers_never_repeat_not_even_after_clearing() {
        let directory = tempfile::tempdir().unwrap();
        let first = manifests(directory.path());
        let (attempt, checkpoint) = (first.next_attempt().unwrap(), first.next_checkpoint().unwrap());
        first.publish(CheckpointId(20_000), &[], 1).unwrap();
        first.clear().unwrap();
        assert_eq!(first.latest().unwrap(), None);
        drop(first);
        let second = manifests(directory.path());
        assert!(second.next_attempt().unwrap() > attempt);
        let next = second.next_checkpoint().unwrap();
        assert!(next > checkpoint && next > CheckpointId(20_000), "{next}");
    }

    #[test]
    fn properties_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        manifests(directory.path()).put_property("run", b"ab12").unwrap();
        assert_eq!(manifests(directory.path()).property("run").unwrap(), Some(b"ab12".to_vec()));
        assert_eq!(manifests(directory.path()).property("other").unwrap(), None);
    }
}
