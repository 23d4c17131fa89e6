//! What a writer does with the records of one subtask, and when it takes no more of them.

use millstream_actors::ids::CheckpointId;
use millstream_actors::time::Timestamp;

use crate::error::Result;
use crate::model::Record;
use crate::operator::BlockingJob;

/// Writes records, inside one subtask.
///
/// It is called on an actor's thread, one call at a time: no call may block for longer than a file write. What blocks
/// longer belongs on the blocking pool, which
/// [`SubtaskContext::blocking`](crate::operator::SubtaskContext::blocking) leads to.
pub trait SinkWriter: Send + 'static {
    /// What it writes.
    type In;
    /// What it seals records into.
    type Transaction;

    /// Writes one record into the current transaction.
    ///
    /// # Errors
    /// If the output fails.
    fn write(&mut self, record: Record<Self::In>) -> Result<()>;

    /// There is nothing to write for now, or a barrier is about to come. Sinks without transactions make visible what they
    /// keep in buffers. One that keeps batches for a while does so by [`Self::due`].
    ///
    /// # Errors
    /// If the output fails.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the current transactions: they belong to `checkpoint` and are not written to any more.
    ///
    /// # Errors
    /// If the output fails.
    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared<Self::Transaction>>;

    /// How many records it takes now. At 0 its subtask takes no more input, and those upstream feel it; it goes on when the
    /// writer is woken or its time has come, and there is room then.
    ///
    /// # Units
    /// Records that enter the writer's block. Operators before it in its block may make more of each, and what they make
    /// must be taken all the same. By default there is always room.
    ///
    /// # Errors
    /// None, but a writer in whose place room comes only with a checkpoint waits for ever: the barrier may be behind the
    /// records that find no room.
    fn room(&mut self) -> usize {
        usize::MAX
    }

    /// The processing time at which it wants [`Self::on_time`] to be called; `None`, the default, if it waits for none.
    /// Asked after each run slice.
    fn due(&mut self) -> Option<Timestamp> {
        None
    }

    /// Processing time has come as far as it waited for: `now` is at or after [`Self::due`], which must be later, or `None`,
    /// from then on.
    ///
    /// # Errors
    /// If the output fails.
    fn on_time(&mut self, now: Timestamp) -> Result<()> {
        let _ = now;
        Ok(())
    }

    /// Somebody has called [`SubtaskContext::wake`](crate::operator::SubtaskContext::wake), such as blocking work that has
    /// ended. May be called without a reason.
    ///
    /// # Errors
    /// If the output fails.
    fn woken(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The transactions of one checkpoint.
pub struct Prepared<T> {
    /// The transactions; empty if nothing was written.
    pub transactions: Vec<T>,
    /// Blocking work after which they survive a power failure; done before the checkpoint completes. It must not wait for
    /// other work on the pool, but may do such work itself, if it has not begun.
    pub seal: Option<BlockingJob>,
}
