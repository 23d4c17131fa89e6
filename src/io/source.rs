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

    /// For a reader that was given nothing: after which time it asks again. Until then it holds event time back for
    /// nobody. `None`, the default, says that the input has ended for it.
    fn ask_again(&self, reader: u32) -> Option<Duration> {
        let _ = reader;
        None
    }

    /// The size of the whole input, in the units in which readers count
    /// [`Counters::progress`](crate::operator::Counters::progress); `None` if it is unknown or endless.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// A split within its subtask: splits are numbered from 0, in the order in which the reader took them in its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SplitNumber(pub u64);

impl SplitNumber {
    /// The number of the split that is taken next.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a source says about its splits, between its records. Watermarks are kept per split, and follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitSignal {
    /// The reader has taken the split: it holds event time back, since it will be read, sooner or later.
    Taken(SplitNumber),
    /// The split is being read, and the records that follow are its records. A reader that waits for several splits at
    /// once says so of each of them, and once more whenever records follow that are of another split than those before.
    Reading(SplitNumber),
    /// Nothing more comes from the split.
    Finished(SplitNumber),
    /// The reader has finished its splits and has no other one for now: it holds event time back for nobody.
    Unassigned,
}

/// What a reader says after a call of [`SourceReader::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There may be more to read at once.
    More,
    /// Nothing to read before this much time has passed. Alarms are no finer than a millisecond: a reader that waits for
    /// less is asked again as soon as all others of its thread have had their turn, which keeps the thread busy.
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

    /// What people call `split`, in explanations of watermarks.
    ///
    /// A reader that gives names keeps its splits apart: from call to call of [`SourceReader::read`], it says by
    /// [`Emit::split`] which split it reads, and which ones it has finished, so that each split has a watermark of its
    /// own. With `None`, the default, all records of the subtask share one.
    fn split_name(&self, split: &Self::Split) -> Option<String> {
        let _ = split;
        None
    }

    /// The unfinished splits with the positions reached: everything read so far is before them, nothing else is.
    fn snapshot(&self) -> Vec<Self::Split>;
}
