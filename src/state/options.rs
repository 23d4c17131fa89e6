//! Decides what can be set about keyed state; names `redb` for the seam below the databases.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;

/// Opens the storage of the database with the given file stem, in place of a file.
pub type BackendFactory = Arc<dyn Fn(&str) -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// What can be set about keyed state.
#[derive(Clone)]
pub struct StateOptions {
    /// The memory, in bytes, that the rows of one store may take before clean ones are evicted. Default 512 MiB.
    pub memory_bytes: usize,
    /// The memory, in bytes, of the page cache of one database. Default 16 MiB.
    pub cache_bytes: usize,
    /// The size, in bytes, up to which a database file is read and checked as a whole when the process opens it. In a
    /// larger one, damage to pages that index others may go unnoticed: what they led to looks as if it had never been.
    /// The check takes about a second per GiB, once per process.
    /// Default 256 MiB.
    pub verify_bytes: u64,
    /// Storage in place of files; for tests that crash it. Default none.
    pub backend: Option<BackendFactory>,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, cache_bytes: 16 << 20, verify_bytes: 256 << 20, backend: None }
    }
}

impl fmt::Debug for StateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateOptions")
            .field("memory_bytes", &self.memory_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("verify_bytes", &self.verify_bytes)
            .field("backend", &self.backend.is_some())
            .finish()
    }
}
