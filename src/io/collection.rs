//! Reads what the program already has: a collection, or an iterator that can be made anew.

use std::sync::Arc;

use millstream_actors::ids::CheckpointId;
use serde::{Deserialize, Serialize};

use super::numbered::{self, MakeItem, NumberSplit, NumberedReader};
use super::{ReadStatus, Source, SourceReader, SplitNumber, SplitProgress, SplitQueue, SplitSchema};
use crate::error::{Error, Result};
use crate::metrics::{Counter, PROGRESS};
use crate::model::{Data, Record};
use crate::operator::{Emit, SubtaskContext};

/// Reads the items of a collection in memory.
///
/// # Shape
/// One record per item, without event time. The items are cut into one range per subtask; the order within a range is
/// kept, so one subtask keeps the order of the whole.
///
/// # Recovery
/// A position is the number of an item. A restart must find the same collection; one that has become shorter than the
/// snapshot says is an error.
///
/// # Example
/// ```
/// use millstream::io::Collection;
///
/// let words = Collection::of(["to", "be", "or", "not"]);
/// assert_eq!(words.len(), 4);
/// ```
pub struct Collection<T> {
    items: Items<T>,
}

impl<T: Data + Sync + Clone> Collection<T> {
    /// A source of `items`.
    pub fn of(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: Items(items.into_iter().collect()) }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.0.is_empty()
    }
}

/// The items of a [`Collection`], shared by its readers.
#[derive(Clone)]
pub struct Items<T>(Arc<[T]>);

impl<T: Data + Sync + Clone> MakeItem for Items<T> {
    type Item = T;

    #[inline]
    fn item(&self, number: u64) -> T {
        // The reader takes no split that goes beyond the last item.
        self.0[number as usize].clone()
    }
}

impl<T: Data + Sync + Clone> Source for Collection<T> {
    type Out = T;
    type Split = NumberSplit;
    type Enumerator = SplitQueue<NumberSplit>;
    type Reader = NumberedReader<Items<T>>;

    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("numbers", 1);

    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator> {
        Ok(numbered::ranges(self.len() as u64, parallelism))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader> {
        Ok(NumberedReader::new(self.items.clone(), self.len() as u64, context.counter(PROGRESS)))
    }
}

/// Reads the iterator that `make` gives, in one subtask.
///
/// # Shape
/// One record per item, in order, without event time. The iterator may be endless.
///
/// # Recovery
/// The position is the number of items taken. A restart makes the iterator anew and skips that many with `nth`, so it
/// must give the same items again.
///
/// # Errors
/// At run time, if the new iterator ends before the position of the snapshot.
///
/// # Example
/// ```
/// use millstream::io::from_iter;
///
/// let powers = from_iter(|| (0..64).map(|exponent| 1u64 << exponent));
/// # let _ = powers;
/// ```
pub fn from_iter<I, F>(make: F) -> IterSource<F>
where
    I: Iterator + Send + 'static,
    I::Item: Data,
    F: Fn() -> I + Clone + Send + Sync + 'static,
{
    IterSource { make }
}

/// Reads an iterator; built by [`from_iter`].
pub struct IterSource<F> {
    make: F,
}

/// The whole iterator, and how many items were taken from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IterSplit {
    taken: u64,
}

impl<I, F> Source for IterSource<F>
where
    I: Iterator + Send + 'static,
    I::Item: Data,
    F: Fn() -> I + Clone + Send + Sync + 'static,
{
    type Out = I::Item;
    type Split = IterSplit;
    type Enumerator = SplitQueue<IterSplit>;
    type Reader = IterReader<I, F>;

    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("items taken", 1);

    fn discover(&self, _parallelism: u32) -> Result<Self::Enumerator> {
        Ok(SplitQueue::new([IterSplit { taken: 0 }], None))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader> {
        Ok(IterReader { make: self.make.clone(), open: None, progress: context.counter(PROGRESS) })
    }
}

/// Takes items from an iterator.
pub struct IterReader<I, F> {
    make: F,
    open: Option<(I, u64)>,
    progress: Counter,
}

impl<I, F> SourceReader for IterReader<I, F>
where
    I: Iterator + Send + 'static,
    I::Item: Data,
    F: Fn() -> I + Send + 'static,
{
    type Out = I::Item;
    type Split = IterSplit;

    fn add_split(&mut self, _number: SplitNumber, split: IterSplit) -> Result<()> {
        let mut items = (self.make)();
        if let Some(last) = split.taken.checked_sub(1) {
            let last = usize::try_from(last).ok().and_then(|last| items.nth(last));
            last.ok_or_else(|| {
                Error::other(format!("the iterator ends before item {}, which was read before", split.taken))
            })?;
        }
        self.open = Some((items, split.taken));
        Ok(())
    }

    #[inline]
    fn read<E: Emit<I::Item>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let Some((items, taken)) = &mut self.open else { return Ok(ReadStatus::SplitsFinished) };
        for records in 0..limit as u64 {
            let Some(item) = items.next() else {
                self.progress.add(records);
                self.open = None;
                return Ok(ReadStatus::SplitsFinished);
            };
            *taken += 1;
            out.emit(Record::new(item))?;
        }
        self.progress.add(limit as u64);
        Ok(ReadStatus::More)
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<IterSplit>> {
        Ok(self.open.iter().map(|(_, taken)| IterSplit { taken: *taken }).collect())
    }

    fn remove_split(&mut self, _split: SplitNumber) -> Result<Option<IterSplit>> {
        Ok(self.open.take().map(|(_, taken)| IterSplit { taken }))
    }

    fn progress(&self, _split: SplitNumber) -> Option<SplitProgress> {
        self.open.as_ref().map(|(_, taken)| SplitProgress { position: format!("item {taken}"), lag: None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::driver::{Reading, context};

    proptest! {
        #[test]
        fn every_item_is_read_once_in_the_order_of_its_range(
            items in 0usize..200, parallelism in 1u32..6, steps in Reading::steps(),
        ) {
            let all = (0..items).collect::<Vec<_>>();
            let reading = Reading::of(&Collection::of(all.clone()), parallelism, &steps);
            prop_assert_eq!(reading.total, Some(items as u64));
            prop_assert_eq!(reading.progress, items as u64);
            prop_assert!(parallelism > 1 || reading.records == all);
            prop_assert_eq!(reading.sorted(), all);
        }

        #[test]
        fn an_iterator_is_read_once_in_order(items in 0usize..200, steps in Reading::steps()) {
            let reading = Reading::of(&from_iter(move || 0..items), 3, &steps);
            prop_assert_eq!(reading.records, (0..items).collect::<Vec<_>>());
        }
    }

    #[test]
    fn collection_shorter_than_its_snapshot_is_refused() {
        let mut reader = Collection::of(0..9u8).reader(&mut context(0, 1)).unwrap();
        reader.add_split(SplitNumber(0), only_split(&Collection::of(0..9u8))).unwrap();
        let split = reader.snapshot(CheckpointId(1)).unwrap();
        let mut reader = Collection::of(0..8u8).reader(&mut context(0, 1)).unwrap();
        let error = reader.add_split(SplitNumber(0), split[0].clone()).unwrap_err();
        assert_eq!(error.to_string(), "a split ends at item 9, but the source has 8 items");
    }

    #[test]
    fn iterator_shorter_than_its_snapshot_is_refused() {
        let mut reader = from_iter(|| 0..3).reader(&mut context(0, 1)).unwrap();
        assert!(reader.add_split(SplitNumber(0), IterSplit { taken: 3 }).is_ok());
        let error = reader.add_split(SplitNumber(1), IterSplit { taken: 4 }).unwrap_err();
        assert_eq!(error.to_string(), "the iterator ends before item 4, which was read before");
    }

    fn only_split<S: Source>(source: &S) -> S::Split {
        crate::io::SplitEnumerator::next_split(&mut source.discover(1).unwrap(), 0).unwrap().unwrap()
    }
}
