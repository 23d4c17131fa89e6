//! A source that emits each record when it is due, as closely as it can: for the measurement of latencies.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use millstream::actors::ids::CheckpointId;
use millstream::io::{ReadStatus, Source, SourceReader, SplitNumber, SplitQueue};
use millstream::model::Record;
use millstream::operator::{Emit, SubtaskContext};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// The most records between two looks at the clock.
const PORTION: usize = 64;
/// The longest wait if nothing is due.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_micros(50);

/// The start of the measurement: the first look of the first reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start(Arc<OnceLock<Instant>>);

impl Start {
    /// Nanoseconds since the start.
    #[inline]
    pub(crate) fn elapsed_nanos(&self) -> u64 {
        self.0.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }
}

/// Number `number` is due `number / rate` seconds after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) records: u64,
    pub(crate) rate: NonZeroU64,
}

impl Schedule {
    /// The numbers below this, the first third, 10 s of 30 s by default, are not measured.
    pub(crate) fn warm_up(self) -> u64 {
        self.records / 3
    }

    #[inline(always)]
    pub(crate) fn due_nanos(self, number: u64) -> u64 {
        (u128::from(number) * 1_000_000_000 / u128::from(self.rate.get())) as u64
    }
}

/// A number, when it was due and when it was emitted, in nanoseconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ping {
    pub(crate) number: u64,
    pub(crate) due: u64,
    pub(crate) emitted: u64,
}

/// The source.
pub(crate) struct WhenDue {
    pub(crate) schedule: Schedule,
    pub(crate) start: Start,
}

/// Every so many numbers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Numbers {
    next: u64,
    step: u64,
}

impl Source for WhenDue {
    type Out = Ping;
    type Split = Numbers;
    type Enumerator = SplitQueue<Numbers>;
    type Reader = WhenDueReader;

    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator> {
        let step = u64::from(parallelism);
        Ok(SplitQueue::new((0..step).map(|next| Numbers { next, step }), Some(self.schedule.records)))
    }

    fn reader(&self, _context: &mut SubtaskContext) -> Result<WhenDueReader> {
        Ok(WhenDueReader { schedule: self.schedule, start: self.start.clone(), split: None })
    }
}

/// Reads one split at a time.
pub(crate) struct WhenDueReader {
    schedule: Schedule,
    start: Start,
    split: Option<Numbers>,
}

impl SourceReader for WhenDueReader {
    type Out = Ping;
    type Split = Numbers;

    fn add_split(&mut self, _number: SplitNumber, split: Numbers) -> Result<()> {
        self.split = Some(split);
        Ok(())
    }

    fn read<E: Emit<Ping>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let schedule = self.schedule;
        let Some(split) = self.split.as_mut().filter(|split| split.next < schedule.records) else {
            self.split = None;
            return Ok(ReadStatus::SplitsFinished);
        };
        let emitted = self.start.elapsed_nanos();
        for _ in 0..limit.min(PORTION) {
            let due = schedule.due_nanos(split.next);
            if split.next >= schedule.records {
                return Ok(ReadStatus::More);
            }
            if due > emitted {
                return Ok(ReadStatus::Wait(Duration::from_nanos(due - emitted).min(LONGEST_WAIT)));
            }
            out.emit(Record::new(Ping { number: split.next, due, emitted }))?;
            split.next += split.step;
        }
        Ok(ReadStatus::More)
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<Numbers>> {
        Ok(self.split.into_iter().collect())
    }
}
