//! Limits how fast a source is read.

use std::sync::Arc;
use std::time::Duration;

use millstream_actors::ids::CheckpointId;
use millstream_actors::time::{Clock, Moment, TimeSignal};

use super::{ReadStatus, Source, SourceReader, SplitNumber, SplitProgress, SplitSchema, SplitSignal};
use crate::error::Result;
use crate::model::Record;
use crate::operator::{Emit, SideId, SubtaskContext};

/// Time that was not used is made up for, but no more of it than this.
const MOST_CATCH_UP: Duration = Duration::from_millis(100);

/// Records are handed out in portions, so that a high rate does not mean a wake-up per record.
const LEAST_WAIT: Duration = Duration::from_millis(1);

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Adds a limit of speed to every source.
pub trait RateLimit: Source + Sized {
    /// Reads at most `records_per_second`, by all subtasks together; 0 is no limit.
    ///
    /// # Units
    /// Machine time. Each subtask gets an equal part. A source that falls behind catches up with at most 100 ms worth
    /// of records at once.
    ///
    /// # Recovery
    /// As the source itself. The limit starts anew with each attempt.
    ///
    /// # Example
    /// ```
    /// use millstream::io::{Collection, RateLimit};
    ///
    /// let ticks = Collection::of(0..3_600).at_rate(1);
    /// # let _ = ticks;
    /// ```
    fn at_rate(self, records_per_second: u64) -> AtRate<Self> {
        AtRate { source: self, records_per_second }
    }
}

impl<S: Source> RateLimit for S {}

/// A source with a limit of speed; built by [`RateLimit::at_rate`].
pub struct AtRate<S> {
    source: S,
    records_per_second: u64,
}

impl<S: Source> Source for AtRate<S> {
    type Out = S::Out;
    type Split = S::Split;
    type Enumerator = S::Enumerator;
    type Reader = AtRateReader<S::Reader>;

    const SPLIT_SCHEMA: SplitSchema = S::SPLIT_SCHEMA;

    fn discover(&self, parallelism: u32) -> Result<S::Enumerator> {
        self.source.discover(parallelism)
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader> {
        let rate = Rate { records_per_second: self.records_per_second, share: context.parallelism.max(1) };
        let clock = Arc::clone(&context.clock);
        Ok(AtRateReader { reader: self.source.reader(context)?, clock, rate, began: None, given: 0 })
    }

    fn side_outputs(&self) -> Vec<SideId> {
        self.source.side_outputs()
    }
}

/// Reads what is due, inside one subtask.
pub struct AtRateReader<R> {
    reader: R,
    clock: Arc<dyn Clock>,
    rate: Rate,
    /// When record 0 was due.
    began: Option<Moment>,
    /// The number of the next record, counting those that were never made up for.
    given: u128,
}

/// Record k is due `k * share / records_per_second` seconds after record 0.
#[derive(Debug, Clone, Copy)]
struct Rate {
    records_per_second: u64,
    share: u32,
}

impl Rate {
    /// How many records are due when `elapsed` has passed.
    fn due(self, elapsed: Duration) -> u128 {
        1 + elapsed.as_nanos() * u128::from(self.records_per_second) / self.nanos_per_share()
    }

    /// When record `number` is due.
    fn due_at(self, number: u128) -> Duration {
        let nanos = (number * self.nanos_per_share()).div_ceil(u128::from(self.records_per_second.max(1)));
        let (seconds, nanos) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
        Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), nanos as u32)
    }

    fn nanos_per_share(self) -> u128 {
        NANOS_PER_SECOND * u128::from(self.share)
    }
}

/// Counts what passes.
struct Counting<'a, E> {
    out: &'a mut E,
    records: u128,
}

impl<T, E: Emit<T>> Emit<T> for Counting<'_, E> {
    #[inline(always)]
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.records += 1;
        self.out.emit(record)
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.out.signal(signal)
    }

    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        self.out.split(signal)
    }
}

impl<R: SourceReader> SourceReader for AtRateReader<R> {
    type Out = R::Out;
    type Split = R::Split;

    const PAUSES_SPLITS: bool = R::PAUSES_SPLITS;

    fn add_split(&mut self, number: SplitNumber, split: R::Split) -> Result<()> {
        self.reader.add_split(number, split)
    }

    fn read<E: Emit<R::Out>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        if self.rate.records_per_second == 0 {
            return self.reader.read(limit, out);
        }
        let now = self.clock.now();
        let elapsed = now.since(*self.began.get_or_insert(now));
        let due = self.rate.due(elapsed);
        self.given = self.given.max(due.saturating_sub(self.rate.due(MOST_CATCH_UP)));
        let allowed = due.saturating_sub(self.given);
        let mut counting = Counting { out, records: 0 };
        if allowed > 0 {
            let limit = limit.min(usize::try_from(allowed).unwrap_or(usize::MAX));
            let status = self.reader.read(limit, &mut counting)?;
            self.given += counting.records;
            if status != ReadStatus::More || counting.records < allowed {
                return Ok(status);
            }
        }
        let next = self.rate.due_at(self.given).saturating_sub(elapsed);
        Ok(ReadStatus::Wait(next.max(LEAST_WAIT)))
    }

    fn split_name(&self, split: &R::Split) -> Option<String> {
        self.reader.split_name(split)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<R::Split>> {
        self.reader.snapshot(checkpoint)
    }

    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<R::Split>> {
        self.reader.remove_split(split)
    }

    fn pause_split(&mut self, split: SplitNumber, is_paused: bool) -> Result<()> {
        self.reader.pause_split(split, is_paused)
    }

    fn checkpoint_complete(&mut self, checkpoint: CheckpointId, positions: &[R::Split]) -> Result<()> {
        self.reader.checkpoint_complete(checkpoint, positions)
    }

    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        self.reader.progress(split)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::driver::{ManualClock, Reading, context};
    use crate::io::{Collection, Generator, SplitEnumerator};

    /// A reader of an endless source, alone with its clock.
    fn reader(rate: u64, index: u32, parallelism: u32) -> (impl SourceReader<Out = u64>, Arc<ManualClock>) {
        let source = Generator::endless(|n| n).at_rate(rate);
        let clock = Arc::new(ManualClock::default());
        let mut context = context(index, parallelism);
        context.clock = clock.clone();
        let mut reader = source.reader(&mut context).unwrap();
        reader
            .add_split(SplitNumber(0), source.discover(parallelism).unwrap().next_split(index).unwrap().unwrap())
            .unwrap();
        (reader, clock)
    }

    fn read(reader: &mut impl SourceReader<Out = u64>, limit: usize) -> (usize, ReadStatus) {
        let mut out: Vec<Record<u64>> = Vec::new();
        let status = reader.read(limit, &mut out).unwrap();
        (out.len(), status)
    }

    const fn wait(millis: u64) -> ReadStatus {
        ReadStatus::Wait(Duration::from_millis(millis))
    }

    #[test]
    fn records_come_one_by_one_when_they_are_due() {
        let (mut reader, clock) = reader(8, 1, 2);
        assert_eq!(read(&mut reader, 10), (1, wait(250)));
        assert_eq!(read(&mut reader, 10), (0, wait(250)));
        clock.advance(Duration::from_millis(249));
        assert_eq!(read(&mut reader, 10), (0, wait(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(read(&mut reader, 10), (1, wait(250)));
    }

    #[test]
    fn what_is_due_is_read_within_the_limit() {
        let (mut reader, clock) = reader(1_000_000, 0, 1);
        assert_eq!(read(&mut reader, 10), (1, wait(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(read(&mut reader, 600), (600, ReadStatus::More));
        assert_eq!(read(&mut reader, 600), (400, wait(1)));
    }

    #[test]
    fn no_more_than_a_short_time_is_caught_up() {
        let (mut reader, clock) = reader(1_000, 0, 1);
        assert_eq!(read(&mut reader, 1_000).0, 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(read(&mut reader, 1_000), (101, wait(1)));
    }

    #[test]
    fn low_rates_keep_time() {
        let (mut reader, clock) = reader(1, 0, 3);
        assert_eq!(read(&mut reader, 1_000), (1, wait(3_000)));
        clock.advance(Duration::from_secs(3));
        assert_eq!(read(&mut reader, 1_000), (1, wait(3_000)));
        clock.advance(Duration::from_secs(300));
        assert_eq!(read(&mut reader, 1_000), (1, wait(3_000)));
    }

    proptest! {
        #[test]
        fn no_limit_reads_everything_at_once(items in 0u64..100, steps in Reading::steps()) {
            let source = Collection::of(0..items).at_rate(0);
            prop_assert_eq!(Reading::of(&source, 1, &steps).records, (0..items).collect::<Vec<_>>());
        }

        #[test]
        fn rate_is_kept_over_time(rate in 1u64..50_000, parallelism in 1u32..5, pauses in prop::collection::vec(0u64..100_000, 1..50)) {
            let (mut reader, clock) = reader(rate, 0, parallelism);
            let mut records = read(&mut reader, usize::MAX).0 as u128;
            for pause in &pauses {
                clock.advance(Duration::from_micros(*pause));
                records += read(&mut reader, usize::MAX).0 as u128;
            }
            let micros = u128::from(pauses.iter().sum::<u64>());
            prop_assert_eq!(records, 1 + micros * u128::from(rate) / (1_000_000 * u128::from(parallelism)));
        }
    }
}
