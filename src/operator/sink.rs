//! Writes records into a sink and carries its transactions through checkpoints: the two-phase commit.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use millstream_actors::ids::CheckpointId;
use millstream_actors::sabotage::Sabotage;

use super::small_state::PARALLELISM;
use super::{BlockingJob, Emit, Event, Operator, PartVisitor, StateKind, SubtaskContext, TransactionalOutput};
use crate::error::{Error, Result};
use crate::io::{Capture, Committer, Sink, SinkWriter};
use crate::metrics::{Counter, RECORDS_OUT};
use crate::model::Record;

/// Transactions that are sealed and not known to be committed, each with the checkpoint it belongs to.
const PENDING: StateKind<'_> = StateKind::split("pending transactions");

/// The files of these transactions.
const FILES: StateKind<'_> = StateKind::split("files of transactions");

/// Transactions that are sealed and not known to be committed, by the checkpoint they belong to.
type Pending<T> = BTreeMap<CheckpointId, Vec<T>>;

/// The end of a block: takes records, gives none. A test may have put memory in the place of the sink.
pub struct SinkOperator<S: Sink>(Outlet<S>);

enum Outlet<S: Sink> {
    Own(TwoPhase<S>),
    Captured(TwoPhase<Capture<S::In>>),
}

impl<S: Sink> SinkOperator<S> {
    /// Commits the transactions of the snapshot, aborts all others that earlier attempts left, and opens the writer.
    ///
    /// # Errors
    /// If the output cannot be reached, or a commit fails: the job then restarts and tries again.
    pub(crate) fn open(uid: &str, sink: &S, context: &mut SubtaskContext) -> Result<Self> {
        let captured = context.surroundings.captures_of(uid).map(|captures| captures.of::<S::In>(uid));
        Ok(Self(match captured {
            None => Outlet::Own(TwoPhase::open(uid, sink, context)?),
            Some(memory) => {
                let memory = memory.map_err(|_| Error::other(format!("two outputs are called '{uid}'")))?;
                Outlet::Captured(TwoPhase::open(uid, &memory, context)?)
            }
        }))
    }
}

impl<S: Sink> Operator for SinkOperator<S> {
    type In = S::In;
    type Out = Infallible;

    #[inline(always)]
    fn on_record<E: Emit<Infallible>>(&mut self, record: Record<S::In>, _out: &mut E) -> Result<()> {
        match &mut self.0 {
            Outlet::Own(writes) => writes.write(record),
            Outlet::Captured(writes) => writes.write(record),
        }
    }

    fn on_event<E: Emit<Infallible>>(&mut self, event: Event, _out: &mut E) -> Result<()> {
        match &mut self.0 {
            Outlet::Own(writes) => writes.on_event(event),
            Outlet::Captured(writes) => writes.on_event(event),
        }
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        match &mut self.0 {
            Outlet::Own(writes) => writes.parts(visitor),
            Outlet::Captured(writes) => writes.parts(visitor),
        }
    }
}

/// Carries the transactions of a sink from their writer to their commit.
struct TwoPhase<S: Sink> {
    uid: Arc<str>,
    parallelism: u32,
    writer: S::Writer,
    committer: Arc<S::Committer>,
    /// Shared with commits on the pool, which take out what they have committed.
    pending: Arc<Mutex<Pending<S::Transaction>>>,
    records_out: Counter,
    sabotage: Option<Sabotage>,
}

impl<S: Sink> TwoPhase<S> {
    fn open(uid: &str, sink: &S, context: &mut SubtaskContext) -> Result<Self> {
        context.uid = uid.into();
        let committer = sink.committer(context)?;
        let restored = context.restored_state::<(CheckpointId, S::Transaction)>(uid, PENDING)?;
        let committed = restored.into_iter().map(|(_, transaction)| transaction).collect::<Vec<_>>();
        if !committed.is_empty() {
            committer.commit(&committed)?;
        }
        let mut left = committer.list_pending()?;
        left.retain(|transaction| !committed.contains(transaction));
        if !left.is_empty() {
            committer.abort(&left)?;
        }
        let writer = sink.writer(context)?;
        let (records_out, sabotage) = (context.counter(RECORDS_OUT), context.sabotage);
        let (uid, parallelism, committer) = (Arc::clone(&context.uid), context.parallelism, Arc::new(committer));
        Ok(Self { uid, parallelism, writer, committer, pending: Arc::default(), records_out, sabotage })
    }

    #[inline(always)]
    fn write(&mut self, record: Record<S::In>) -> Result<()> {
        self.records_out.add(1);
        self.writer.write(record)
    }

    fn on_event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::ProcessingTime(now) if self.writer.due().is_some_and(|due| due <= now) => self.writer.on_time(now),
            Event::Woken => self.writer.woken(),
            _ => Ok(()),
        }
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.output(self);
        visitor.small_state(&self.uid, PARALLELISM, &mut |elements| elements.put(&self.parallelism));
        visitor.small_state(&self.uid, PENDING, &mut |elements| {
            if self.sabotage == Some(Sabotage::DropPendingTransactions) {
                return Ok(());
            }
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let transactions = pending.iter().flat_map(|(checkpoint, of)| of.iter().map(move |one| (checkpoint, one)));
            transactions.into_iter().try_for_each(|transaction| elements.put(&transaction))
        });
        visitor.small_state(&self.uid, FILES, &mut |elements| {
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let files = pending.values().flatten().flat_map(|transaction| self.committer.files(transaction));
            files.into_iter().try_for_each(|file| elements.put(&file))
        });
        visitor.due(&mut || Ok(self.writer.due()));
        visitor.room(&mut || self.writer.room());
    }
}

impl<S: Sink> TransactionalOutput for TwoPhase<S> {
    fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }

    fn prepare(&mut self, checkpoint: CheckpointId, seals: &mut Vec<BlockingJob>) -> Result<()> {
        let prepared = self.writer.prepare(checkpoint)?;
        seals.extend(prepared.seal);
        if self.sabotage == Some(Sabotage::CommitEarly) {
            let (committer, transactions) = (Arc::clone(&self.committer), prepared.transactions.clone());
            seals.push(Box::new(move || committer.commit(&transactions)));
        }
        if !prepared.transactions.is_empty() {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.insert(checkpoint, prepared.transactions);
        }
        Ok(())
    }

    fn completed(&mut self, checkpoint: CheckpointId, commits: &mut Vec<BlockingJob>) -> Result<()> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let due = pending.range(..=checkpoint).map(|(id, of)| (*id, of.clone())).collect::<Pending<_>>();
        drop(pending);
        if !due.is_empty() {
            let (committer, pending) = (Arc::clone(&self.committer), Arc::clone(&self.pending));
            commits.push(Box::new(move || {
                for (checkpoint, transactions) in due {
                    committer.commit(&transactions)?;
                    pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&checkpoint);
                }
                Ok(())
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
