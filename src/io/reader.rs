//! What a reader does with the splits of one subtask, and how it is woken.

use std::time::Duration;

use millstream_actors::ids::CheckpointId;

use super::SplitNumber;
use crate::error::{Error, Result};
use crate::operator::Emit;

/// Reads splits, inside one subtask.
///
/// It is called on an actor's thread, one call at a time: no call may block for longer than a file read. What blocks
/// longer belongs on the blocking pool, which
/// [`SubtaskContext::blocking`](crate::operator::SubtaskContext::blocking) leads to.
///
/// # Waiting
/// A reader that has nothing to read says for how long, or that something will wake it, and it is not called again
/// before that. It may be called earlier; then it says so again. What wakes it is a clone of
/// [`SubtaskContext::wake`](crate::operator::SubtaskContext::wake), on any thread, at any time: a wake-up that comes while
/// the reader is being called, or before it waits, is not lost. So a reader looks for input first, and waits only if there
/// is none.
///
/// ```
/// use std::sync::{Arc, Mutex, mpsc};
/// use std::thread;
///
/// use millstream::actors::ids::CheckpointId;
/// use millstream::io::{ReadStatus, Source, SourceReader, SplitNumber, SplitQueue};
/// use millstream::model::Record;
/// use millstream::operator::{Emit, SubtaskContext, Wake};
/// use millstream::prelude::*;
///
/// /// What another thread pushes; it wakes whoever reads.
/// #[derive(Clone, Default)]
/// struct Inbox(Arc<Mutex<(Vec<u64>, bool, Wake)>>);
///
/// impl Inbox {
///     fn push(&self, number: Option<u64>) {
///         let mut inbox = self.0.lock().unwrap();
///         inbox.0.extend(number);
///         inbox.1 = number.is_none();
///         inbox.2.wake();
///     }
/// }
///
/// struct InboxReader {
///     inbox: Inbox,
///     has_split: bool,
/// }
///
/// impl SourceReader for InboxReader {
///     type Out = u64;
///     type Split = ();
///
///     fn add_split(&mut self, _number: SplitNumber, (): ()) -> Result<()> {
///         self.has_split = true;
///         Ok(())
///     }
///
///     fn read<E: Emit<u64>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
///         let mut inbox = self.inbox.0.lock().unwrap();
///         if !self.has_split || inbox.1 && inbox.0.is_empty() {
///             self.has_split = false;
///             return Ok(ReadStatus::SplitsFinished);
///         }
///         let records = limit.min(inbox.0.len());
///         inbox.0.drain(..records).try_for_each(|number| out.emit(Record::new(number)))?;
///         Ok(if records == limit { ReadStatus::More } else { ReadStatus::UntilWoken })
///     }
///
///     fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<()>> {
///         Ok(self.has_split.then_some(()).into_iter().collect())
///     }
/// }
///
/// impl Source for Inbox {
///     type Out = u64;
///     type Split = ();
///     type Enumerator = SplitQueue<()>;
///     type Reader = InboxReader;
///
///     fn discover(&self, _parallelism: u32) -> Result<SplitQueue<()>> {
///         Ok(SplitQueue::new([()], None))
///     }
///
///     fn reader(&self, context: &mut SubtaskContext) -> Result<InboxReader> {
///         self.0.lock().unwrap().2 = context.wake.clone();
///         Ok(InboxReader { inbox: self.clone(), has_split: false })
///     }
/// }
///
/// let (inbox, topology) = (Inbox::default(), Topology::new("pushed"));
/// let (seen, arrives) = mpsc::channel();
/// topology.source("inbox", inbox.clone()).for_each("seen", move |number| seen.send(number).unwrap());
/// let mut job = topology.start(JobOptions::new().parallelism(1))?;
/// for number in 0..3 {
///     inbox.push(Some(number));
///     assert_eq!(arrives.recv(), Ok(number));
/// }
/// thread::spawn(move || inbox.push(None)).join().unwrap();
/// assert_eq!(job.wait()?.records_in, 3);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// # Recovery
/// [`Self::snapshot`] gives the unfinished splits with their positions; after a failure a new reader is given them by
/// [`Self::add_split`].
pub trait SourceReader: Send + 'static {
    /// What it reads.
    type Out;
    /// What it reads from.
    type Split;

    /// Whether it can pause one of its splits and go on with the others; see [`Self::pause_split`].
    const PAUSES_SPLITS: bool = false;

    /// Takes one more split: a new one, or one from a checkpoint, with the position reached in it. From now on it is
    /// called `number`.
    ///
    /// # Errors
    /// If the split cannot be opened, or its position cannot be reached.
    fn add_split(&mut self, number: SplitNumber, split: Self::Split) -> Result<()>;

    /// Reads at most `limit` records into `out`.
    ///
    /// # Errors
    /// If the input cannot be read or decoded, and whatever `out` returns.
    fn read<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus>;

    /// The unfinished splits with the positions reached, as they belong to `checkpoint`: everything read so far is
    /// before them, nothing else is.
    ///
    /// # Errors
    /// If a position cannot be told.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<Self::Split>>;

    /// What people call `split`, in explanations of watermarks, and its enumerator, when it takes one back. No two splits
    /// of a source have the same name, and a split keeps its name, whatever its position.
    ///
    /// A reader that gives names keeps its splits apart: from call to call of [`SourceReader::read`], it reports by
    /// [`Emit::split`] which split it reads, and which ones it has finished, so that each split has a watermark of its
    /// own. With `None`, the default, all records of the subtask share one.
    fn split_name(&self, split: &Self::Split) -> Option<String> {
        let _ = split;
        None
    }

    /// Gives a split back, with the position reached in it, because another reader is to go on with it. Nothing more is
    /// read from it. `None` if nothing of it is left.
    ///
    /// # Errors
    /// By default: the reader cannot do it.
    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<Self::Split>> {
        Err(Error::other(format!("this kind of reader cannot give back split {}", split.0)))
    }

    /// Reads nothing from `split` until it is told to go on with it; the other splits are read meanwhile. A reader
    /// whose other splits have nothing to read waits as it always does: it is called when a split goes on.
    ///
    /// Called only if [`Self::PAUSES_SPLITS`] says that the reader can do it, for splits that are too far ahead of their
    /// group (see [`Watermarks::aligned`](crate::operator::event_time::Watermarks::aligned)). A reader that cannot is not
    /// called while all of its splits are too far ahead.
    ///
    /// # Errors
    /// If the split cannot be paused, or resumed.
    fn pause_split(&mut self, split: SplitNumber, is_paused: bool) -> Result<()> {
        let _ = (split, is_paused);
        Ok(())
    }

    /// `checkpoint` is complete: what was read before `positions`, which it gave at [`Self::snapshot`], will never be read
    /// again. That is the time to acknowledge it to whoever keeps it for the job.
    ///
    /// # Recovery
    /// Not every complete checkpoint is reported: a later one includes those before it, and after a failure the positions
    /// that come by [`Self::add_split`] are those of a complete one.
    ///
    /// # Errors
    /// If the job must not go on without it. What only serves people, such as committed offsets, is better logged.
    fn checkpoint_complete(&mut self, checkpoint: CheckpointId, positions: &[Self::Split]) -> Result<()> {
        let _ = (checkpoint, positions);
        Ok(())
    }

    /// How far it is in `split`, for people. Asked from time to time, and at each snapshot. `None`, the default, says
    /// nothing.
    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        let _ = split;
        None
    }
}

/// What a reader reports after a call of [`SourceReader::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There may be more to read at once.
    More,
    /// Nothing to read before this much time has passed, or something wakes the reader. On Linux, readers sleep to the
    /// microsecond; elsewhere alarms are no finer than a millisecond, and a reader that waits for less is called again as
    /// soon as all others of its thread have had their turn, which keeps the thread busy.
    Wait(Duration),
    /// Nothing to read before something wakes the reader; see [`SourceReader`].
    UntilWoken,
    /// All splits so far are finished: another one is needed.
    SplitsFinished,
}

/// How far a reader is in one split, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SplitProgress {
    /// The position, such as `offset 1200`.
    pub position: String,
    /// How much is left to read, such as `300 records`, as far as the reader knows.
    pub lag: Option<String>,
}
