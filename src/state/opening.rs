//! Decides how a database file is opened, and how what `redb` says becomes a `StateError`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use millstream_actors::error::panic_message;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use super::courteous_file::CourteousFile;
use super::{StateError, StateOptions};

/// Opens the database at `path`, or the backend that the options put in its place, creating it if need be.
pub(super) fn open(
    path: &Path,
    stem: &str,
    options: &StateOptions,
    cache_bytes: usize,
) -> Result<Database, StateError> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    let opened = match &options.backend {
        Some(factory) => {
            let backend = factory(stem).map_err(|source| StateError::io(path, source))?;
            empty_if_unborn(&*backend).map_err(|source| StateError::io(path, source))?;
            builder.create_with_backend(Boxed(backend))
        }
        None => {
            remove_if_unborn(path).map_err(|source| StateError::io(path, source))?;
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let file = file.map_err(|source| StateError::io(path, source))?;
            let opened = CourteousFile::new(file).and_then(|file| builder.create_with_backend(file));
            sync_directory(path)?;
            opened
        }
    };
    let mut database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StateError::Locked { path: path.to_owned() },
        other => refused(path)(other),
    })?;
    // The database trusts its pages while it reads them, and a damaged key is a key that is not there.
    if options.backend.is_none() && fs::metadata(path).is_ok_and(|file| file.len() <= options.verify_bytes) {
        database.check_integrity().map_err(refused(path))?;
    }
    Ok(database)
}

/// Turns an error of the database in `file` into a [`StateError`].
pub(super) fn refused<E: Into<redb::Error>>(file: &Path) -> impl Fn(E) -> StateError {
    move |error| match error.into() {
        redb::Error::Corrupted(detail) => StateError::corrupt(file, "", None, detail),
        redb::Error::Io(source) => StateError::io(file, source),
        other => StateError::Database { file: file.to_owned(), source: Arc::new(other) },
    }
}

/// Does `work` on the database in `file`. On some damaged pages the database panics: that is corruption like any other.
/// What `work` has touched must not be used after a failure.
pub(super) fn guarded<T>(file: &Path, work: impl FnOnce() -> Result<T, StateError>) -> Result<T, StateError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let detail = format!("the database cannot read it: {}", panic_message(payload.as_ref()));
        Err(StateError::corrupt(file, "", None, detail))
    })
}

/// Closes a database that has failed, whatever it makes of that.
pub(super) fn close(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Whether nothing was ever committed to the file at `path`.
pub(super) fn is_unborn(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(mut file) => {
            let mut magic = [0; MAGIC_BYTES];
            let is_long_enough = file.metadata()?.len() >= MAGIC_BYTES as u64;
            if is_long_enough {
                file.read_exact(&mut magic)?;
            }
            Ok(magic == [0; MAGIC_BYTES])
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes the entry of `path` in its directory durable.
fn sync_directory(path: &Path) -> Result<(), StateError> {
    let Some(directory) = path.parent() else { return Ok(()) };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| StateError::io(directory, source))
}

// A database writes its magic number after everything else was synced. A file without one was left by a process that
// died while it created the file: nothing was ever committed to it.

fn remove_if_unborn(path: &Path) -> io::Result<()> {
    if path.exists() && is_unborn(path)? {
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

fn empty_if_unborn(backend: &dyn StorageBackend) -> io::Result<()> {
    let mut magic = [0; MAGIC_BYTES];
    let len = backend.len()?;
    if len >= MAGIC_BYTES as u64 {
        backend.read(0, &mut magic)?;
    }
    if len > 0 && magic == [0; MAGIC_BYTES] {
        backend.set_len(0)?;
    }
    Ok(())
}

const MAGIC_BYTES: usize = 9;

/// Lets a boxed backend be given to the builder.
#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
