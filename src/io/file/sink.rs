//! Writes records to files, each exactly once.

use std::fmt::Display;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::part::create_directory;
use super::{CsvEncoder, Encode, FileCommitter, FileWriter, JsonEncoder, LineEncoder, Part};
use crate::error::Result;
use crate::io::Sink;
use crate::model::Data;
use crate::operator::SubtaskContext;

const DEFAULT_ROLL_BYTES: u64 = 128 * 1024 * 1024;

/// Writes records to the files of a directory.
///
/// # Shape
/// One line per record. Each subtask writes files of its own, `part-RUN-ATTEMPT-SUBTASK-NUMBER.EXTENSION`, and begins
/// a new one after each checkpoint and when one has reached [`roll_at_bytes`](Self::roll_at_bytes). No records, no
/// file. The directory is made if it is missing. Files of other runs stay beside the new ones, unless
/// [`replace_existing`](Self::replace_existing) is given. One directory is for one sink: two sinks of one format in one
/// directory fail.
///
/// # Errors
/// At run time, if the directory cannot be made or written, a record cannot be encoded, the disk is full, or a file of
/// a checkpoint was removed by somebody else before it was committed.
///
/// # Recovery
/// Exactly once. A file is hidden (`.….uncommitted`) until the checkpoint behind it is complete, and durable before
/// that; then it gets its name, and does not change any more. What was written since the checkpoint to which a restart
/// returns is removed. Programs that read the directory must leave out hidden files, as
/// [`FileSource`](super::FileSource) does.
///
/// # Example
/// ```
/// use millstream::io::FileSink;
///
/// #[derive(serde::Serialize)]
/// struct Total { taxi: u32, fares: f64 }
///
/// let totals = FileSink::<Total, _>::json_lines("out/totals").replace_existing();
/// let words = FileSink::<String, _>::lines("out/words").roll_at_bytes(1024 * 1024);
/// # let _ = (totals, words, Total { taxi: 1, fares: 2.0 });
/// ```
pub struct FileSink<T, E = LineEncoder> {
    directory: Arc<PathBuf>,
    roll_at_bytes: u64,
    replaces_existing: bool,
    writes: PhantomData<fn(T) -> E>,
}

impl<T: Data + Display> FileSink<T, LineEncoder> {
    /// Each record as a line of text, into `*.txt`. A text with a newline in it takes several lines.
    pub fn lines(directory: impl Into<PathBuf>) -> Self {
        Self::encoded(directory.into())
    }
}

impl<T: Data + Serialize> FileSink<T, JsonEncoder> {
    /// Each record as a line of JSON, into `*.jsonl`.
    pub fn json_lines(directory: impl Into<PathBuf>) -> Self {
        Self::encoded(directory.into())
    }
}

impl<T: Data + Serialize> FileSink<T, CsvEncoder> {
    /// Each record as a row, into `*.csv`; each file begins with a header. Tuples have no names, so no header.
    pub fn csv(directory: impl Into<PathBuf>) -> Self {
        Self::encoded(directory.into())
    }
}

impl<T: Data, E: Encode<T>> FileSink<T, E> {
    fn encoded(directory: PathBuf) -> Self {
        Self {
            directory: Arc::new(directory),
            roll_at_bytes: DEFAULT_ROLL_BYTES,
            replaces_existing: false,
            writes: PhantomData,
        }
    }

    /// Ends a file when it has at least `bytes`, by default 128 MiB.
    #[must_use]
    pub fn roll_at_bytes(mut self, bytes: u64) -> Self {
        self.roll_at_bytes = bytes;
        self
    }

    /// Removes what other runs wrote, hidden or not, when a run starts from nothing. Files that no sink of this format
    /// wrote are left alone.
    #[must_use]
    pub fn replace_existing(mut self) -> Self {
        self.replaces_existing = true;
        self
    }
}

impl<T: Data, E: Encode<T>> Sink for FileSink<T, E> {
    type In = T;
    type Transaction = Part;
    type Writer = FileWriter<T, E>;
    type Committer = FileCommitter;

    fn committer(&self, context: &SubtaskContext) -> Result<FileCommitter> {
        create_directory(&self.directory)?;
        let committer = FileCommitter::new(Arc::clone(&self.directory), E::EXTENSION, context);
        if self.replaces_existing && context.restored.is_none() {
            committer.remove_other_runs()?;
        }
        Ok(committer)
    }

    fn writer(&self, context: &mut SubtaskContext) -> Result<FileWriter<T, E>> {
        Ok(FileWriter::new(Arc::clone(&self.directory), self.roll_at_bytes, context))
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
