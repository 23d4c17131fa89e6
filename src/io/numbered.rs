//! Reads items that can be made from their number alone.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use millstream_actors::ids::CheckpointId;
use serde::{Deserialize, Serialize};

use super::{ReadStatus, SourceReader, SplitNumber, SplitProgress, SplitQueue, SplitSignal};
use crate::error::{Error, Result};
use crate::metrics::Counter;
use crate::model::{Data, Record};
use crate::operator::Emit;

/// Makes the item of a number: the same item for the same number, whenever it is asked.
pub trait MakeItem: Clone + Send + Sync + 'static {
    /// What it makes.
    type Item: Data;

    /// The item of `number`.
    fn item(&self, number: u64) -> Self::Item;
}

/// The numbers `next`, `next + step`, … below `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberSplit {
    next: u64,
    step: NonZeroU64,
    end: u64,
}

impl NumberSplit {
    fn left(&self) -> u64 {
        self.end.saturating_sub(self.next).div_ceil(self.step.get())
    }
}

/// Deals the numbers below `count` in turn: split s of P has s, s + P, s + 2 P, ….
pub(super) fn strided(count: u64, parallelism: u32) -> SplitQueue<NumberSplit> {
    let step = NonZeroU64::new(parallelism.into()).unwrap_or(NonZeroU64::MIN);
    let total = (count < u64::MAX).then_some(count);
    SplitQueue::one_each((0..step.get()).map(|next| NumberSplit { next, step, end: count }), total)
}

/// Cuts the numbers below `count` into one range per subtask.
pub(super) fn ranges(count: u64, parallelism: u32) -> SplitQueue<NumberSplit> {
    let splits = u128::from(parallelism.max(1));
    let start = |split: u128| (u128::from(count) * split / splits) as u64;
    let range = |split| NumberSplit { next: start(split), step: NonZeroU64::MIN, end: start(split + 1) };
    SplitQueue::one_each((0..splits).map(range), Some(count))
}

/// Reads the items of numbers, split after split.
pub struct NumberedReader<M> {
    make: M,
    count: u64,
    splits: VecDeque<(SplitNumber, NumberSplit)>,
    progress: Counter,
}

impl<M: MakeItem> NumberedReader<M> {
    pub(super) fn new(make: M, count: u64, progress: Counter) -> Self {
        Self { make, count, splits: VecDeque::new(), progress }
    }
}

impl<M: MakeItem> SourceReader for NumberedReader<M> {
    type Out = M::Item;
    type Split = NumberSplit;

    fn add_split(&mut self, number: SplitNumber, split: NumberSplit) -> Result<()> {
        if split.end > self.count {
            let (end, count) = (split.end, self.count);
            return Err(Error::other(format!("a split ends at item {end}, but the source has {count} items")));
        }
        self.splits.push_back((number, split));
        Ok(())
    }

    #[inline]
    fn read<E: Emit<M::Item>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let mut room = limit as u64;
        while let Some((number, split)) = self.splits.front_mut() {
            let number = *number;
            out.split(SplitSignal::Reading(number))?;
            let records = split.left().min(room);
            let (mut next, step) = (split.next, split.step.get());
            for _ in 0..records {
                out.emit(Record::new(self.make.item(next)))?;
                next = next.saturating_add(step);
            }
            split.next = next;
            self.progress.add(records);
            room -= records;
            if split.left() > 0 {
                return Ok(ReadStatus::More);
            }
            self.splits.pop_front();
            out.split(SplitSignal::Finished(number))?;
        }
        Ok(ReadStatus::SplitsFinished)
    }

    fn split_name(&self, split: &NumberSplit) -> Option<String> {
        let NumberSplit { next, step, end } = split;
        // Nothing of the position: a split keeps its name.
        Some(match step.get() {
            1 => format!("numbers below {end}"),
            step => format!("numbers {} of every {step}", next % step),
        })
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<NumberSplit>> {
        Ok(self.splits.iter().map(|(_, split)| split.clone()).collect())
    }

    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<NumberSplit>> {
        let position = self.splits.iter().position(|(number, _)| *number == split);
        Ok(position.and_then(|position| self.splits.remove(position)).map(|(_, split)| split))
    }

    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        let (_, split) = self.splits.iter().find(|(number, _)| *number == split)?;
        let lag = (split.end < u64::MAX).then(|| format!("{} numbers", split.left()));
        Some(SplitProgress { position: format!("number {}", split.next), lag })
    }
}
