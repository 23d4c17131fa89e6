//! What a sink is: a writer per subtask, and a committer that makes transactions visible.

use std::fmt::Debug;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SinkWriter;
use crate::error::Result;
use crate::model::Data;
use crate::operator::SubtaskContext;

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
    /// A sink that names what it leaves outside by subtask answers for those of subtasks that are no more:
    /// [`SubtaskContext::restored_parallelism`] says how many there were in the checkpoint to begin from.
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

    /// The files on this machine without which `transaction` cannot be committed, if it has any. They are named in the
    /// checkpoints that the transaction is part of, so that whoever copies such a checkpoint copies them too, and nobody
    /// removes them before it is committed. No file of a transaction changes once the checkpoint is durable.
    fn files(&self, transaction: &Self::Transaction) -> Vec<PathBuf> {
        let _ = transaction;
        Vec::new()
    }
}
