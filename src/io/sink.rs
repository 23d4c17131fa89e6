//! What a sink is: a writer per subtask, and a committer that makes transactions visible.

use std::fmt::Debug;

use millstream_actors::ids::CheckpointId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::{BlockingJob, SubtaskContext};

/// A kind of output.
///
/// # Recovery
/// Two-phase commit: at the barrier of checkpoint n the writer seals what it wrote into transactions, which become part
/// of the checkpoint; when n is complete they are committed. After a failure the transactions of the restored
/// checkpoint are committed (once more, if they had been), and all others that are found are aborted.
pub trait Sink: Send + Sync + 'static {
    /// What it writes.
    type In: Data;
    /// What becomes visible as a whole.
    type Transaction: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + 'static;
    /// Writes, inside one subtask.
    type Writer: SinkWriter<In = Self::In, Transaction = Self::Transaction>;
    /// Makes transactions visible.
    type Committer: Committer<Transaction = Self::Transaction>;

    /// Makes the committer of one subtask. Called before [`Self::writer`]. May block.
    ///
    /// # Errors
    /// If the output cannot be reached.
    fn committer(&self, context: &SubtaskContext) -> Result<Self::Committer>;

    /// Makes the writer of one subtask, after transactions of earlier attempts were committed or aborted. May block.
    ///
    /// # Errors
    /// If the writer cannot be set up.
    fn writer(&self, context: &mut SubtaskContext) -> Result<Self::Writer>;
}

/// Writes records, inside one subtask. Called on an actor's thread: a call must not block for longer than a file write.
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

    /// Hears that there is nothing to write for now. Sinks without transactions make visible what they hold back.
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
}

/// The transactions of one checkpoint.
pub struct Prepared<T> {
    /// The transactions; empty if nothing was written.
    pub transactions: Vec<T>,
    /// Blocking work after which they survive a power failure; done before the checkpoint completes.
    pub seal: Option<BlockingJob>,
}

/// Makes transactions visible, or takes them back. Called where it may block.
pub trait Committer: Send + Sync + 'static {
    /// What it commits.
    type Transaction;

    /// Makes `transactions` visible. Must succeed when they were committed before.
    ///
    /// # Errors
    /// If they cannot be committed now; the job fails, restarts and tries again.
    fn commit(&self, transactions: &[Self::Transaction]) -> Result<()>;

    /// Removes `transactions` without a trace.
    ///
    /// # Errors
    /// If they cannot be removed.
    fn abort(&self, transactions: &[Self::Transaction]) -> Result<()>;

    /// The transactions of this sink that earlier attempts began and nobody committed, as far as this subtask answers
    /// for them.
    ///
    /// # Errors
    /// If the output cannot be listed.
    fn list_pending(&self) -> Result<Vec<Self::Transaction>>;
}
