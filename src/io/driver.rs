//! Drives sources and sinks in tests the way a subtask does, restarts included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_actors::ids::{Attempt, CheckpointId};
use millstream_actors::time::{Clock, Moment, Timestamp};
use proptest::prelude::*;

use super::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber};
use crate::error::Result;
use crate::metrics::{FAILED, PROGRESS};
use crate::model::{self, Record};
use crate::operator::SubtaskContext;

/// A clock that a test sets.
#[derive(Default)]
pub(in crate::io) struct ManualClock {
    micros: AtomicU64,
}

impl ManualClock {
    pub(in crate::io) fn advance(&self, distance: Duration) {
        self.micros.fetch_add(distance.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::after_start(Duration::from_micros(self.micros.load(Ordering::Relaxed)))
    }

    fn started_at(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

pub(in crate::io) fn context(index: u32, parallelism: u32) -> SubtaskContext {
    attempt(1, index, parallelism)
}

pub(in crate::io) fn attempt(attempt: u64, index: u32, parallelism: u32) -> SubtaskContext {
    SubtaskContext::new(index, parallelism, Attempt(attempt), "run", Arc::new(ManualClock::default()))
}

/// One step of a reading: how many records to read at most, and whether to restart from a snapshot afterwards.
#[derive(Debug, Clone, Copy)]
pub(in crate::io) struct ReadStep {
    limit: usize,
    restarts: bool,
}

/// What all subtasks of a source have read together.
#[derive(Debug)]
pub(in crate::io) struct Reading<T> {
    pub(in crate::io) records: Vec<T>,
    pub(in crate::io) total: Option<u64>,
    pub(in crate::io) progress: u64,
    pub(in crate::io) failed: u64,
}

/// Read one record, restart, and so on.
pub(in crate::io) const ONE_BY_ONE: [ReadStep; 1] = [ReadStep { limit: 1, restarts: true }];

impl Reading<()> {
    /// Steps to repeat for as long as there is input.
    pub(in crate::io) fn steps() -> impl Strategy<Value = Vec<ReadStep>> {
        let step = (1usize..40, any::<bool>()).prop_map(|(limit, restarts)| ReadStep { limit, restarts });
        prop::collection::vec(step, 1..8)
    }
}

impl<T> Reading<T> {
    /// Reads `source` to its end, step by step, the subtasks of `contexts` in turn.
    pub(in crate::io) fn within<S>(source: &S, contexts: &mut [SubtaskContext], steps: &[ReadStep]) -> Result<Self>
    where
        S: Source<Out = T>,
    {
        let mut splits = source.discover(contexts.len() as u32)?;
        let total = splits.total();
        let mut readers = contexts.iter_mut().map(|context| source.reader(context)).collect::<Result<Vec<_>>>()?;
        let mut out: Vec<Record<T>> = Vec::new();
        let mut working = readers.len();
        let mut turns = (0..readers.len()).cycle();
        let mut finished = vec![false; readers.len()];
        let mut numbers = (0..).map(SplitNumber);
        let mut next_number = || numbers.next().expect("there is no last number");
        for step in steps.iter().cycle() {
            let turn = turns.next().expect("a cycle");
            let before = out.len();
            let status = readers[turn].read(step.limit, &mut out)?;
            assert!(out.len() - before <= step.limit, "more records than asked for");
            if status == ReadStatus::SplitsFinished && !finished[turn] {
                match splits.next_split(turn as u32)? {
                    Some(split) => readers[turn].add_split(next_number(), split)?,
                    None => (finished[turn], working) = (true, working - 1),
                }
            }
            if working == 0 {
                break;
            }
            if step.restarts {
                splits = through_bytes(&splits);
                let snapshot = readers[turn].snapshot(CheckpointId(1))?;
                readers[turn] = source.reader(&mut contexts[turn])?;
                for split in &snapshot {
                    readers[turn].add_split(next_number(), through_bytes(split))?;
                }
            }
        }
        for reader in &mut readers {
            assert!(reader.snapshot(CheckpointId(2))?.is_empty(), "a finished reader keeps splits");
        }
        let sum = |count: fn(&SubtaskContext) -> u64| contexts.iter().map(count).sum();
        Ok(Self {
            records: out.into_iter().map(|record| record.value).collect(),
            total,
            progress: sum(|context| context.metrics.durable().total(PROGRESS)),
            failed: sum(|context| context.metrics.durable().total(FAILED)),
        })
    }

    pub(in crate::io) fn of<S: Source<Out = T>>(source: &S, parallelism: u32, steps: &[ReadStep]) -> Self {
        let mut contexts = (0..parallelism).map(|index| context(index, parallelism)).collect::<Vec<_>>();
        Self::within(source, &mut contexts, steps).expect("the source can be read")
    }

    /// Reads `source` in large steps without restarts.
    pub(in crate::io) fn plain<S: Source<Out = T>>(source: &S) -> Result<Self> {
        Self::within(source, &mut [context(0, 1)], &[ReadStep { limit: 1_000, restarts: false }])
    }

    pub(in crate::io) fn sorted(mut self) -> Vec<T>
    where
        T: Ord,
    {
        self.records.sort();
        self.records
    }
}

fn through_bytes<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    model::decode(&model::encode(value).unwrap()).unwrap()
}
