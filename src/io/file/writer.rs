//! Writes the hidden files of one subtask.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_actors::ids::CheckpointId;

use super::part::sync_directory;
use super::{Encode, Part};
use crate::error::{Error, Result};
use crate::io::{Prepared, SinkWriter};
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// Records go to the file in pieces of this size.
const WRITE_BYTES: usize = 256 * 1024;

/// Full files beyond this number are closed until the barrier: a process may not keep any number of files open.
const MOST_OPEN_FILES: usize = 16;

/// Writes records to hidden files, inside one subtask.
pub struct FileWriter<T, E: Encode<T>> {
    directory: Arc<PathBuf>,
    roll_at_bytes: u64,
    /// The next file.
    pub(super) next: Part,
    encoder: E,
    pub(super) current: Option<OpenPart>,
    /// Files of the current transaction that are full.
    full: Vec<OpenPart>,
    takes: PhantomData<fn(T)>,
}

/// A file that belongs to no checkpoint yet.
pub(super) struct OpenPart {
    part: Part,
    path: PathBuf,
    pub(super) file: Option<File>,
    bytes: u64,
}

impl<T: Data, E: Encode<T>> FileWriter<T, E> {
    pub(super) fn new(directory: Arc<PathBuf>, roll_at_bytes: u64, context: &SubtaskContext) -> Self {
        let SubtaskContext { attempt, index: subtask, .. } = *context;
        let next = Part { run: context.run.to_string(), attempt, subtask, number: 0 };
        let (current, full) = (None, Vec::new());
        Self { directory, roll_at_bytes, next, encoder: E::default(), current, full, takes: PhantomData }
    }

    fn begin_file(&mut self) -> Result<()> {
        let path = self.directory.join(self.next.hidden_name(E::EXTENSION));
        let taken = || Error::other(format!("{}: another sink writes to this directory", path.display()));
        if self.directory.join(self.next.finished_name(E::EXTENSION)).exists() {
            return Err(taken());
        }
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => Error::io(&path, error),
        })?;
        self.current = Some(OpenPart { part: self.next.clone(), path, file: Some(file), bytes: 0 });
        self.next.number += 1;
        self.encoder.start_file();
        Ok(())
    }

    /// Hands the buffer to the file, and ends the file if it is full.
    fn write_out(&mut self) -> Result<()> {
        let Some(OpenPart { path, file: Some(file), bytes, .. }) = &mut self.current else { return Ok(()) };
        let encoded = self.encoder.encoded();
        file.write_all(encoded).map_err(|error| Error::io(path, error))?;
        *bytes += encoded.len() as u64;
        let is_full = *bytes >= self.roll_at_bytes;
        self.encoder.clear();
        if is_full {
            self.end_file();
        }
        Ok(())
    }

    fn end_file(&mut self) {
        if let Some(mut ended) = self.current.take() {
            if self.full.len() >= MOST_OPEN_FILES {
                ended.file = None;
            }
            self.full.push(ended);
        }
    }
}

impl<T: Data, E: Encode<T>> SinkWriter for FileWriter<T, E> {
    type In = T;
    type Transaction = Part;

    fn write(&mut self, record: Record<T>) -> Result<()> {
        if self.current.is_none() {
            self.begin_file()?;
        }
        let Some(current) = &self.current else { return Ok(()) };
        if let Err(error) = self.encoder.encode(&record.value) {
            return Err(Error::other(format!("{}: a record cannot be encoded: {error}", current.path.display())));
        }
        let encoded = self.encoder.encoded().len();
        if encoded >= WRITE_BYTES || current.bytes + encoded as u64 >= self.roll_at_bytes {
            self.write_out()?;
        }
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<Part>> {
        self.write_out()?;
        self.end_file();
        // From here on the files belong to a checkpoint, and only a committer may remove them.
        let ended = std::mem::take(&mut self.full);
        if ended.is_empty() {
            return Ok(Prepared { transactions: Vec::new(), seal: None });
        }
        let transactions = ended.iter().map(|ended| ended.part.clone()).collect();
        let directory = Arc::clone(&self.directory);
        let seal = move || {
            ended.into_iter().try_for_each(OpenPart::sync)?;
            sync_directory(&directory)
        };
        Ok(Prepared { transactions, seal: Some(Box::new(seal)) })
    }
}

impl OpenPart {
    /// Makes the content survive a power failure.
    fn sync(self) -> Result<()> {
        let file = self.file.map_or_else(|| OpenOptions::new().write(true).open(&self.path), Ok);
        file.and_then(|file| file.sync_all()).map_err(|error| Error::io(&self.path, error))
    }
}

impl<T, E: Encode<T>> Drop for FileWriter<T, E> {
    /// Removes what belongs to no checkpoint. What remains if that fails is removed when the next attempt opens.
    fn drop(&mut self) {
        for OpenPart { path, file, .. } in self.full.drain(..).chain(self.current.take()) {
            drop(file);
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "cannot remove an uncommitted file");
            }
        }
    }
}
