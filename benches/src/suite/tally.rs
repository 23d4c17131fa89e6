//! A sink that counts results and sums their hashes, exactly once: what a failure lets be written again counts once.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream::actors::ids::CheckpointId;
use millstream::io::{Committer, Prepared, Sink, SinkWriter};
use millstream::model::{Data, Record};
use millstream::operator::SubtaskContext;
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// The sink; `hash` gives the hash of a result.
pub(crate) struct Tally<T, F> {
    hash: F,
    total: Total,
    takes: PhantomData<fn(T)>,
}

/// What all subtasks have committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Total(Arc<Mutex<Sums>>);

#[derive(Debug, Default)]
struct Sums {
    checksum: u64,
    results: u64,
    /// Transactions that may come again.
    committed: BTreeSet<(u32, CheckpointId)>,
}

/// The results of one subtask between two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    subtask: u32,
    checkpoint: CheckpointId,
    checksum: u64,
    results: u64,
}

impl<T: Data, F: Fn(&T) -> u64 + Clone + Send + Sync + 'static> Tally<T, F> {
    /// A sink, and the place where its sums appear.
    pub(crate) fn of(hash: F) -> (Self, Total) {
        let total = Total::default();
        (Self { hash, total: total.clone(), takes: PhantomData }, total)
    }
}

impl Total {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wrapping sum of all hashes.
    pub(crate) fn checksum(&self) -> u64 {
        self.sums().checksum
    }

    /// How many results there were.
    pub(crate) fn results(&self) -> u64 {
        self.sums().results
    }
}

impl<T: Data, F: Fn(&T) -> u64 + Clone + Send + Sync + 'static> Sink for Tally<T, F> {
    type In = T;
    type Transaction = Part;
    type Writer = TallyWriter<T, F>;
    type Committer = Total;

    fn committer(&self, _context: &SubtaskContext) -> Result<Total> {
        Ok(self.total.clone())
    }

    fn writer(&self, context: &mut SubtaskContext) -> Result<Self::Writer> {
        let (hash, subtask) = (self.hash.clone(), context.index);
        Ok(TallyWriter { hash, subtask, checksum: 0, results: 0, takes: PhantomData })
    }
}

/// Sums in one subtask.
pub(crate) struct TallyWriter<T, F> {
    hash: F,
    subtask: u32,
    checksum: u64,
    results: u64,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, F: Fn(&T) -> u64 + Send + 'static> SinkWriter for TallyWriter<T, F> {
    type In = T;
    type Transaction = Part;

    #[inline(always)]
    fn write(&mut self, record: Record<T>) -> Result<()> {
        self.checksum = self.checksum.wrapping_add((self.hash)(&record.value));
        self.results += 1;
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared<Part>> {
        let part = Part { subtask: self.subtask, checkpoint, checksum: self.checksum, results: self.results };
        (self.checksum, self.results) = (0, 0);
        Ok(Prepared { transactions: vec![part], seal: None })
    }
}

impl Committer for Total {
    type Transaction = Part;

    fn commit(&self, parts: &[Part]) -> Result<()> {
        let mut sums = self.sums();
        for part in parts {
            if sums.committed.insert((part.subtask, part.checkpoint)) {
                sums.checksum = sums.checksum.wrapping_add(part.checksum);
                sums.results += part.results;
            }
        }
        Ok(())
    }

    fn abort(&self, _parts: &[Part]) -> Result<()> {
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<Part>> {
        Ok(Vec::new())
    }
}
