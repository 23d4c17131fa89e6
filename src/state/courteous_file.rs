//! Decides in which pieces a database file is written, so that others get the core between them; names `redb`.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

use super::courtesy::offer_core;

/// Bytes written between two offers of the core: some tens of microseconds of work.
const PIECE: usize = 64 << 10;

/// A database file whose writers [offer their core](offer_core) to others between pieces of their work.
#[derive(Debug)]
pub(super) struct CourteousFile {
    file: FileBackend,
    /// Bytes written since the last offer.
    written: AtomicUsize,
}

impl CourteousFile {
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, written: AtomicUsize::new(0) })
    }
}

impl StorageBackend for CourteousFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        offer_core();
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut at = offset;
        for piece in data.chunks(PIECE) {
            self.file.write(at, piece)?;
            at += piece.len() as u64;
            // Two writers at once may both offer, or wait a piece longer: that is all that depends on it.
            if self.written.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() >= PIECE {
                self.written.store(0, Ordering::Relaxed);
                offer_core();
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_read_as_a_whole() {
        let file = CourteousFile::new(tempfile::tempfile().expect("there is room for a file")).expect("it is a file");
        let data = (0..3 * PIECE + 17).map(|at| (at % 251) as u8).collect::<Vec<_>>();
        file.set_len(100 + data.len() as u64).expect("there is room");
        file.write(100, &data).expect("there is room");
        file.write(0, &[]).expect("nothing fits anywhere");
        file.sync_data().expect("the disk is there");
        let mut read = vec![0; data.len()];
        file.read(100, &mut read).expect("it was written");
        assert!(read == data, "the bytes are those that were written");
    }
}
