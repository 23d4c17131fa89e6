//! Decides what lies in a state directory: one database per subtask with keyed state, and one of manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use millstream_actors::ids::{Attempt, CheckpointId};

use super::database::{DatabaseFile, Files};
use super::manifest::ManifestDb;
use super::opening::is_unborn;
use super::store::{Store, StorePlace};
use super::{Latch, StateError, StateOptions};
use crate::model::{KeyGroupRange, MaxParallelism};

const EXTENSION: &str = "redb";
const MANIFESTS: &str = "manifests";

/// The directory of one job's state. Clones share it; it is released when the last one is gone.
#[derive(Clone)]
pub struct StateDir(Arc<Inner>);

struct Inner {
    path: PathBuf,
    options: StateOptions,
    /// Its lock is the lock of the directory.
    manifests: ManifestDb,
    /// Files stay open across attempts, so that a restart inside the process takes milliseconds.
    files: Mutex<Files>,
}

impl StateDir {
    /// Opens the directory at `path`, creating it if need be. Blocks.
    ///
    /// # Errors
    /// [`StateError::Locked`] if another process works in it; [`StateError::Corrupt`] if it holds stores but no manifests,
    /// or damaged ones; [`StateError::Io`] or [`StateError::Database`] if it cannot
    /// be read and written.
    pub fn open(path: &Path, options: StateOptions) -> Result<Self, StateError> {
        if options.backend.is_none() {
            fs::create_dir_all(path).map_err(|source| StateError::io(path, source))?;
        }
        refuse_without_manifests(path, &options)?;
        let manifests = ManifestDb::open(&file_path(path, MANIFESTS), MANIFESTS, &options)?;
        Ok(Self(Arc::new(Inner { path: path.to_owned(), options, manifests, files: Mutex::default() })))
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The manifests of completed checkpoints.
    #[must_use]
    pub fn manifests(&self) -> &ManifestDb {
        &self.0.manifests
    }

    /// Opens the store `stem` at checkpoint `restore`, or empty, for `attempt`. Blocks; waits for a job of an earlier
    /// opening that is running. Jobs of earlier openings that run later change nothing.
    ///
    /// # Errors
    /// [`StateError::Fenced`] if a later attempt has the store; [`StateError::Missing`] if it does not hold the
    /// checkpoint; [`StateError::Groups`] if it was written for other key groups; [`StateError::Format`];
    /// [`StateError::Corrupt`]; those of the disk.
    pub fn store(
        &self,
        stem: &str,
        attempt: Attempt,
        restore: Option<CheckpointId>,
        groups: KeyGroupRange,
        max: MaxParallelism,
    ) -> Result<Store, StateError> {
        let file = self.file(stem);
        let latch = Latch::default();
        let opened = file.take_over(attempt, restore, groups, max, &latch)?;
        let memory_bytes = self.0.options.memory_bytes;
        let place = StorePlace { file, latch, memory_bytes, groups, max, restored: restore };
        Ok(Store::new(place, opened.fence, opened.tables, opened.snapshot))
    }

    /// Forgets all state: empties the stores that are open, removes the files of the others, and all manifests. The
    /// numbers of attempts and checkpoints go on.
    ///
    /// # Errors
    /// [`StateError::Io`] or [`StateError::Database`].
    pub fn clear(&self) -> Result<(), StateError> {
        // Manifests first: a checkpoint without a manifest is never restored, one without its rows would be.
        self.0.manifests.clear()?;
        let files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.values().try_for_each(|file| file.empty())?;
        let unreadable = |source| StateError::io(&self.0.path, source);
        for entry in fs::read_dir(&self.0.path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(MANIFESTS);
            let is_store = path.extension().is_some_and(|extension| extension == EXTENSION) && stem != MANIFESTS;
            if is_store && !files.contains_key(stem) {
                fs::remove_file(&path).map_err(|source| StateError::io(&path, source))?;
            }
        }
        Ok(())
    }

    fn file(&self, stem: &str) -> Arc<DatabaseFile> {
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let path = file_path(&self.0.path, &escape(stem));
            Arc::new(DatabaseFile::new(path, stem, self.0.options.clone()))
        };
        files.entry(stem.to_owned()).or_insert_with(open).clone()
    }
}

/// The manifests are made before any store: stores without manifests are what is left of a job whose manifests are lost.
/// To begin from nothing would repeat what that job has committed.
fn refuse_without_manifests(directory: &Path, options: &StateOptions) -> Result<(), StateError> {
    let manifests = file_path(directory, MANIFESTS);
    if options.backend.is_some() || !is_unborn(&manifests).map_err(|source| StateError::io(&manifests, source))? {
        return Ok(());
    }
    let unreadable = |source| StateError::io(directory, source);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let store = entry.map_err(unreadable)?.path();
        if store.extension().is_some_and(|extension| extension == EXTENSION) && store != manifests {
            let detail = format!(
                "it is missing or empty, but {} is there: the checkpoints of a job are lost; remove the directory to begin \
                 anew",
                store.display()
            );
            return Err(StateError::corrupt(&manifests, "", None, detail));
        }
    }
    Ok(())
}

fn file_path(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}.{EXTENSION}"))
}

/// A stem may hold anything; in a file name, what is not plain is written as `%` and two digits.
fn escape(stem: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let mut name = String::new();
    for byte in stem.bytes() {
        if plain(byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    if name == MANIFESTS { format!("%{name}") } else { name }
}
