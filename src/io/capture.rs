//! Keeps what a job writes in memory, with the fate of each record, in the place of its sinks.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::ids::{Attempt, CheckpointId};
use millstream_actors::time::{Clock, Moment};
use serde::{Deserialize, Serialize};

use super::{Committer, Prepared, Sink, SinkWriter};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// The captured outputs of a job, by uid. Clones are the same outputs.
#[derive(Clone, Default)]
pub(crate) struct Captures(Arc<Mutex<BTreeMap<String, Output>>>);

struct Output {
    memory: Box<dyn Any + Send>,
    of: &'static str,
}

/// One record that was written to a sink, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<T> {
    /// The record.
    pub record: Record<T>,
    /// The subtask that wrote it.
    pub subtask: u32,
    /// The attempt in which it was written.
    pub attempt: Attempt,
    /// When it was written.
    pub at: Moment,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a record that was written to a sink with transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// No barrier came behind it.
    Open,
    /// Its transaction was sealed, and neither committed nor aborted.
    Sealed(CheckpointId),
    /// It became visible with the checkpoint.
    Committed(CheckpointId),
    /// Its transaction was taken back.
    Aborted(CheckpointId),
}

/// The memory of one captured output.
pub(crate) struct Capture<T>(Arc<Mutex<Place<T>>>);

impl<T> Clone for Capture<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Place<T> {
    written: Vec<Written<T>>,
    sealed: BTreeMap<Sealed, Vec<usize>>,
    /// In the order in which they became visible.
    committed: Vec<usize>,
}

/// The name of records that become visible together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sealed {
    attempt: Attempt,
    subtask: u32,
    checkpoint: CheckpointId,
}

impl Captures {
    /// The memory of the output `uid`.
    ///
    /// # Errors
    /// If it holds records of another type: its name.
    pub(crate) fn of<T: Data>(&self, uid: &str) -> Result<Capture<T>, &'static str> {
        let mut outputs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Output { memory: Box::new(Capture::<T>::new()), of: std::any::type_name::<T>() };
        let output = outputs.entry(uid.to_owned()).or_insert_with(new);
        output.memory.downcast_ref::<Capture<T>>().cloned().ok_or(output.of)
    }

    /// The same, for a test that names what it reads.
    ///
    /// # Panics
    /// If it holds records of another type.
    pub(crate) fn read<T: Data>(&self, uid: &str) -> Capture<T> {
        let wanted = std::any::type_name::<T>();
        self.of(uid).unwrap_or_else(|of| panic!("output '{uid}' has records of type {of}, not {wanted}"))
    }
}

impl<T> Capture<T> {
    fn new() -> Self {
        let (written, sealed, committed) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(Place { written, sealed, committed })))
    }

    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record that belongs to no transaction. A replay keeps it again.
    pub(crate) fn keep(&self, record: Record<T>) {
        let mut place = self.lock();
        let index = place.written.len();
        let (subtask, attempt, at) = (0, Attempt(0), Moment::ZERO);
        place.written.push(Written { record, subtask, attempt, at, fate: Fate::Open });
        place.committed.push(index);
    }
}

impl<T: Clone> Capture<T> {
    /// What was written, in order, whatever became of it.
    pub(crate) fn written(&self) -> Vec<Written<T>> {
        self.lock().written.clone()
    }

    /// What is visible, in the order in which it became so.
    pub(crate) fn committed(&self) -> Vec<Record<T>> {
        let place = self.lock();
        place.committed.iter().map(|index| place.written[*index].record.clone()).collect()
    }
}

impl<T: Data> Sink for Capture<T> {
    type In = T;
    type Transaction = Sealed;
    type Writer = CaptureWriter<T>;
    type Committer = CaptureCommitter<T>;

    fn committer(&self, context: &SubtaskContext) -> Result<CaptureCommitter<T>> {
        Ok(CaptureCommitter { place: self.clone(), index: context.index, parallelism: context.parallelism })
    }

    fn writer(&self, context: &mut SubtaskContext) -> Result<CaptureWriter<T>> {
        let (attempt, subtask, clock) = (context.attempt, context.index, Arc::clone(&context.clock));
        Ok(CaptureWriter { place: self.clone(), attempt, subtask, clock, open: Vec::new() })
    }
}

/// Writes into memory, inside one subtask.
pub(crate) struct CaptureWriter<T> {
    place: Capture<T>,
    attempt: Attempt,
    subtask: u32,
    clock: Arc<dyn Clock>,
    open: Vec<usize>,
}

impl<T: Data> SinkWriter for CaptureWriter<T> {
    type In = T;
    type Transaction = Sealed;

    fn write(&mut self, record: Record<T>) -> Result<()> {
        let mut place = self.place.lock();
        self.open.push(place.written.len());
        let (attempt, subtask, at) = (self.attempt, self.subtask, self.clock.now());
        place.written.push(Written { record, subtask, attempt, at, fate: Fate::Open });
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared<Sealed>> {
        if self.open.is_empty() {
            return Ok(Prepared { transactions: Vec::new(), seal: None });
        }
        let sealed = Sealed { attempt: self.attempt, subtask: self.subtask, checkpoint };
        let mut place = self.place.lock();
        for index in &self.open {
            place.written[*index].fate = Fate::Sealed(checkpoint);
        }
        place.sealed.insert(sealed.clone(), std::mem::take(&mut self.open));
        Ok(Prepared { transactions: vec![sealed], seal: None })
    }
}

/// Makes captured records visible.
pub(crate) struct CaptureCommitter<T> {
    place: Capture<T>,
    index: u32,
    parallelism: u32,
}

impl<T: Data> Committer for CaptureCommitter<T> {
    type Transaction = Sealed;

    fn commit(&self, transactions: &[Sealed]) -> Result<()> {
        let mut place = self.place.lock();
        for transaction in transactions {
            // One that is not sealed was committed before.
            for index in place.sealed.remove(transaction).into_iter().flatten() {
                place.written[index].fate = Fate::Committed(transaction.checkpoint);
                place.committed.push(index);
            }
        }
        Ok(())
    }

    fn abort(&self, transactions: &[Sealed]) -> Result<()> {
        let mut place = self.place.lock();
        for transaction in transactions {
            for index in place.sealed.remove(transaction).into_iter().flatten() {
                place.written[index].fate = Fate::Aborted(transaction.checkpoint);
            }
        }
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<Sealed>> {
        let place = self.place.lock();
        let answers_for = |sealed: &&Sealed| sealed.subtask % self.parallelism == self.index;
        Ok(place.sealed.keys().filter(answers_for).cloned().collect())
    }
}
