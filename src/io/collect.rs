//! Collects records in memory, exactly once: the sink of tests and of programs that use their results themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::ids::{Attempt, CheckpointId};
use serde::{Deserialize, Serialize};

use super::{Committer, Prepared, Sink, SinkWriter};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// Puts each record into memory that a [`Collected`] reads.
///
/// # Recovery
/// Exactly once within the process: records are visible when the checkpoint behind them is complete, and a replay makes
/// none visible twice. When another process resumes the job, what this one collected is not there.
///
/// # Example
/// ```
/// use millstream::io::Collect;
///
/// let (sink, totals) = Collect::<u64>::new();
/// assert!(totals.is_empty());
/// # let _ = sink;
/// ```
pub struct Collect<T> {
    place: Arc<Mutex<Place<T>>>,
}

/// What a [`Collect`] sink has made visible. Clones read the same memory.
pub struct Collected<T> {
    place: Arc<Mutex<Place<T>>>,
}

struct Place<T> {
    /// Written, but the checkpoint is not known to be complete.
    staged: BTreeMap<Staged, Vec<T>>,
    committed: Vec<T>,
}

/// The name of records that become visible together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Staged {
    run: String,
    attempt: Attempt,
    subtask: u32,
    checkpoint: CheckpointId,
}

impl<T: Data> Collect<T> {
    /// A sink, and the reading end of what it collects.
    #[must_use]
    pub fn new() -> (Self, Collected<T>) {
        let place = Arc::new(Mutex::new(Place { staged: BTreeMap::new(), committed: Vec::new() }));
        (Self { place: Arc::clone(&place) }, Collected { place })
    }
}

impl<T> Collected<T> {
    /// Takes the records that became visible since the last call. Records of one subtask are in order.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.place).committed)
    }

    /// A copy of the visible records.
    #[must_use]
    pub fn snapshot(&self) -> Vec<T>
    where
        T: Clone,
    {
        lock(&self.place).committed.clone()
    }

    /// How many records are visible.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.place).committed.len()
    }

    /// Whether none is visible.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self { place: Arc::clone(&self.place) }
    }
}

impl<T> fmt::Debug for Collected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T: Data> Sink for Collect<T> {
    type In = T;
    type Transaction = Staged;
    type Writer = CollectWriter<T>;
    type Committer = CollectCommitter<T>;

    fn committer(&self, context: &SubtaskContext) -> Result<CollectCommitter<T>> {
        let SubtaskContext { index, parallelism, .. } = *context;
        Ok(CollectCommitter { place: Arc::clone(&self.place), run: context.run.to_string(), index, parallelism })
    }

    fn writer(&self, context: &mut SubtaskContext) -> Result<CollectWriter<T>> {
        let (place, run) = (Arc::clone(&self.place), context.run.to_string());
        Ok(CollectWriter { place, run, attempt: context.attempt, subtask: context.index, written: Vec::new() })
    }
}

/// Collects records, inside one subtask.
pub struct CollectWriter<T> {
    place: Arc<Mutex<Place<T>>>,
    run: String,
    attempt: Attempt,
    subtask: u32,
    written: Vec<T>,
}

impl<T: Data> SinkWriter for CollectWriter<T> {
    type In = T;
    type Transaction = Staged;

    #[inline]
    fn write(&mut self, record: Record<T>) -> Result<()> {
        self.written.push(record.value);
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared<Staged>> {
        if self.written.is_empty() {
            return Ok(Prepared { transactions: Vec::new(), seal: None });
        }
        let staged = Staged { run: self.run.clone(), attempt: self.attempt, subtask: self.subtask, checkpoint };
        lock(&self.place).staged.insert(staged.clone(), std::mem::take(&mut self.written));
        Ok(Prepared { transactions: vec![staged], seal: None })
    }
}

/// Makes staged records visible.
pub struct CollectCommitter<T> {
    place: Arc<Mutex<Place<T>>>,
    run: String,
    index: u32,
    parallelism: u32,
}

impl<T: Data> Committer for CollectCommitter<T> {
    type Transaction = Staged;

    fn commit(&self, transactions: &[Staged]) -> Result<()> {
        let mut place = lock(&self.place);
        for transaction in transactions {
            // One that is not staged was committed before.
            if let Some(records) = place.staged.remove(transaction) {
                place.committed.extend(records);
            }
        }
        Ok(())
    }

    fn abort(&self, transactions: &[Staged]) -> Result<()> {
        let mut place = lock(&self.place);
        transactions.iter().for_each(|transaction| drop(place.staged.remove(transaction)));
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<Staged>> {
        let place = lock(&self.place);
        let answers_for = |staged: &&Staged| staged.run == self.run && staged.subtask % self.parallelism == self.index;
        Ok(place.staged.keys().filter(answers_for).cloned().collect())
    }
}

fn lock<T>(place: &Mutex<Place<T>>) -> MutexGuard<'_, Place<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::driver::attempt;

    fn open(sink: &Collect<u32>, number: u64) -> (CollectCommitter<u32>, CollectWriter<u32>) {
        let mut context = attempt(number, 0, 1);
        (sink.committer(&context).unwrap(), sink.writer(&mut context).unwrap())
    }

    fn write(writer: &mut CollectWriter<u32>, value: u32, checkpoint: u64) -> Vec<Staged> {
        writer.write(Record::new(value)).unwrap();
        writer.prepare(CheckpointId(checkpoint)).unwrap().transactions
    }

    #[test]
    fn records_are_visible_once_their_checkpoint_is_complete() {
        let (sink, collected) = Collect::new();
        let (committer, mut writer) = open(&sink, 1);
        let (zero, one) = (write(&mut writer, 42, 0), write(&mut writer, 43, 1));
        let _two = write(&mut writer, 44, 2);
        assert!(collected.is_empty());
        committer.commit(&zero).unwrap();
        committer.commit(&one).unwrap();
        assert_eq!(collected.snapshot(), [42, 43]);
        assert_eq!(committer.list_pending().unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_visible_twice_after_a_failure() {
        let (sink, collected) = Collect::new();
        let (committer, mut writer) = open(&sink, 1);
        let (zero, one) = (write(&mut writer, 42, 0), write(&mut writer, 43, 1));
        committer.commit(&zero).unwrap();
        let _lost = write(&mut writer, 44, 2);

        let (committer, mut writer) = open(&sink, 2);
        committer.commit(&[zero, one].concat()).unwrap();
        committer.abort(&committer.list_pending().unwrap()).unwrap();
        committer.commit(&write(&mut writer, 44, 3)).unwrap();
        assert_eq!(collected.take(), [42, 43, 44]);
        assert_eq!(committer.list_pending().unwrap(), []);
        assert!(collected.is_empty());
    }

    #[test]
    fn checkpoint_without_records_has_no_transaction() {
        let (_, mut writer) = open(&Collect::new().0, 1);
        assert_eq!(writer.prepare(CheckpointId(1)).unwrap().transactions, []);
    }

    #[test]
    fn transactions_of_removed_subtasks_are_answered_for() {
        let (sink, _collected) = Collect::new();
        for index in 0..4 {
            write(&mut sink.writer(&mut attempt(1, index, 4)).unwrap(), index, 1);
        }
        let listed = |index| sink.committer(&attempt(2, index, 2)).unwrap().list_pending().unwrap();
        let subtasks = |index| listed(index).iter().map(|staged| staged.subtask).collect::<Vec<_>>();
        assert_eq!((subtasks(0), subtasks(1)), (vec![0, 2], vec![1, 3]));
    }
}
