//! Drops records: for measurements, and for streams that matter for their side effects only.

use std::marker::PhantomData;

use millstream_actors::ids::CheckpointId;

use super::{NoTransactions, Prepared, Sink, SinkWriter};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// Drops each record. The runtime counts them all the same.
pub struct Discard<T> {
    takes: PhantomData<fn(T)>,
}

impl<T: Data> Discard<T> {
    /// A sink that drops everything.
    #[must_use]
    pub fn new() -> Self {
        Self { takes: PhantomData }
    }
}

impl<T: Data> Default for Discard<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Data> Sink for Discard<T> {
    type In = T;
    type Transaction = ();
    type Writer = Self;
    type Committer = NoTransactions;

    fn committer(&self, _context: &SubtaskContext) -> Result<NoTransactions> {
        Ok(NoTransactions)
    }

    fn writer(&self, _context: &mut SubtaskContext) -> Result<Self> {
        Ok(Self::new())
    }
}

impl<T: Data> SinkWriter for Discard<T> {
    type In = T;
    type Transaction = ();

    #[inline(always)]
    fn write(&mut self, _record: Record<T>) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<()>> {
        Ok(NoTransactions::prepared())
    }
}
