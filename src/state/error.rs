//! Tells the failures of keyed state apart.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use millstream_actors::ids::{Attempt, CheckpointId};

use crate::model::{CodecError, KeyGroup};

/// Why keyed state could not be read or written.
///
/// It can be cloned, because a store that has met corruption gives the same answer to every later call.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// What is on disk cannot be trusted. The job must stop: another attempt would read the same bytes.
    #[error("{}:{}{} {detail}", file.display(), of_table(table), of_group(*key_group))]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// The table, empty if the damage is not in one.
        table: String,
        /// The key group, if the damage is in one.
        key_group: Option<KeyGroup>,
        /// What was found.
        detail: String,
    },
    /// A file or directory could not be read or written.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The database refused.
    #[error("{}: {source}", file.display())]
    Database {
        /// The database file.
        file: PathBuf,
        /// What the database said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Another process, or another `StateDir` of this one, works in the directory.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The locked file.
        path: PathBuf,
    },
    /// A key or value could not be encoded.
    #[error("table {table:?}: {source}")]
    Codec {
        /// The table.
        table: String,
        /// What the codec said.
        source: Arc<CodecError>,
    },
    /// Two tables of one store have the same name.
    #[error("table {table:?} is opened twice in {}", file.display())]
    TableTwice {
        /// The database file.
        file: PathBuf,
        /// The name.
        table: String,
    },
    /// A later opening of the same store has taken over; nothing was changed.
    #[error("attempt {attempt} is fenced off by attempt {by}")]
    Fenced {
        /// The attempt that came too late.
        attempt: Attempt,
        /// The attempt that the store belongs to.
        by: Attempt,
    },
    /// An earlier job failed, and what it was to write is lost: the next attempt begins at a checkpoint.
    #[error("{} was closed after an earlier failure", file.display())]
    Closed {
        /// The database file.
        file: PathBuf,
    },
    /// A later checkpoint was persisted first; nothing was changed.
    #[error("checkpoint {checkpoint} comes after checkpoint {by} was persisted")]
    Superseded {
        /// The checkpoint that came too late.
        checkpoint: CheckpointId,
        /// The checkpoint that was persisted.
        by: CheckpointId,
    },
    /// The checkpoint to restore is not in the store.
    #[error("{}: checkpoint {checkpoint} is not in it, the newest is {newest:?}", file.display())]
    Missing {
        /// The database file.
        file: PathBuf,
        /// The wanted checkpoint.
        checkpoint: CheckpointId,
        /// The newest one there is.
        newest: Option<CheckpointId>,
    },
    /// The file was written for other key groups.
    #[error("{}: expected key groups {expected}, found {found}", file.display())]
    Groups {
        /// The database file.
        file: PathBuf,
        /// What the job wants.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// The file was written in another version of the format.
    #[error("{}: expected state format {expected}, found {found}", file.display())]
    Format {
        /// The database file.
        file: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version of this library.
        expected: u32,
    },
    /// A table or generation number has run out. A restart begins to count anew.
    #[error("table {table:?} has run out of {what}")]
    Exhausted {
        /// The table.
        table: String,
        /// What there is no more of.
        what: &'static str,
    },
}

fn of_table(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!(" table {table:?}:") }
}

fn of_group(group: Option<KeyGroup>) -> String {
    group.map_or_else(String::new, |group| format!(" key group {}:", group.0))
}

impl StateError {
    #[cold]
    pub(crate) fn corrupt(file: &Path, table: &str, key_group: Option<KeyGroup>, detail: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), table: table.to_owned(), key_group, detail: detail.into() }
    }

    #[cold]
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source: Arc::new(source) }
    }
}

/// Remembers the first error after which a store and its tables must not go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latch(Arc<OnceLock<StateError>>);

impl Latch {
    /// Fails with the remembered error, if there is one.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Remembers `error`, unless there is an earlier one, and gives it back.
    #[cold]
    pub(crate) fn set(&self, error: StateError) -> StateError {
        self.0.get_or_init(|| error).clone()
    }

    /// Remembers the error of `result` if it says that the state cannot be trusted.
    pub(crate) fn watch<T>(&self, result: Result<T, StateError>) -> Result<T, StateError> {
        result.map_err(|error| if matches!(error, StateError::Corrupt { .. }) { self.set(error) } else { error })
    }
}
