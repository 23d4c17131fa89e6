//! What a source is: splits of the input, an enumerator that hands them out, readers that read them.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::model::Data;
use crate::operator::{Emit, SideId, SubtaskContext};

/// A kind of input.
///
/// The input is cut into splits. One enumerator per source hands them to readers that ask; each subtask of the source
/// has one reader.
///
/// # Recovery
/// A checkpoint holds the enumerator (with the splits not yet handed out) and, per reader, its unfinished splits with
/// the position reached in each. After a failure readers get these splits back and read on from there.
pub trait Source: Send + Sync + 'static {
    /// What it reads.
    type Out: Data;
    /// A part of the input together with the position reached in it.
    type Split: Serialize + DeserializeOwned + Send + 'static;
    /// Hands out the splits.
    type Enumerator: SplitEnumerator<Split = Self::Split>;
    /// Reads splits, inside one subtask.
    type Reader: SourceReader<Out = Self::Out, Split = Self::Split>;

    /// Looks at the input and cuts it into splits, when a run starts from nothing. May block.
    ///
    /// # Errors
    /// If the input cannot be found or looked at.
    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator>;

    /// Makes the reader of one subtask. May block.
    ///
    /// # Errors
    /// If the reader cannot be set up.
    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader>;

    /// The side outputs that its readers fill.
    fn side_outputs(&self) -> Vec<SideId> {
        Vec::new()
    }
}

/// Hands out the splits of one source. Its serialized form is its part of a checkpoint.
pub trait SplitEnumerator: Serialize + DeserializeOwned + Send + 'static {
    /// What it hands out.
    type Split;

    /// The next split for subtask `reader`, or `None` when nothing is left for it.
    ///
    /// # Errors
    /// If the next split cannot be determined.
    fn next_split(&mut self, reader: u32) -> Result<Option<Self::Split>>;

    /// The size of the whole input, in the units in which readers count
    /// [`Counters::progress`](crate::operator::Counters::progress); `None` if it is unknown or endless.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// What a reader says after a call of [`SourceReader::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There may be more to read at once.
    More,
    /// Nothing to read before this much time has passed.
    Wait(Duration),
    /// All splits so far are finished: another one is needed.
    SplitsFinished,
}

/// Reads splits, inside one subtask. Called on an actor's thread: a call must not block for longer than a file read.
pub trait SourceReader: Send + 'static {
    /// What it reads.
    type Out;
    /// What it reads from.
    type Split;

    /// Takes one more split: a new one, or one from a checkpoint, with the position reached in it.
    ///
    /// # Errors
    /// If the split cannot be opened, or its position cannot be reached.
    fn add_split(&mut self, split: Self::Split) -> Result<()>;

    /// Reads at most `limit` records into `out`.
    ///
    /// # Errors
    /// If the input cannot be read or decoded, and whatever `out` returns.
    fn read<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus>;

    /// The unfinished splits with the positions reached: everything read so far is before them, nothing else is.
    fn snapshot(&self) -> Vec<Self::Split>;
}
