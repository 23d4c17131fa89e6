//! Makes records up from their number: input for tests, examples and measurements.

use super::numbered::{self, MakeItem, NumberSplit, NumberedReader};
use super::{Source, SplitMix64, SplitQueue, SplitSchema};
use crate::error::Result;
use crate::metrics::PROGRESS;
use crate::model::Data;
use crate::operator::SubtaskContext;

/// Calls a function with each number from 0.
///
/// # Shape
/// One record per number, without event time. With parallelism P, split s makes the records of s, s + P, s + 2 P, … in
/// this order.
///
/// # Recovery
/// A position is the next number. A replay makes equal records if the function depends on nothing but its arguments.
///
/// # Example
/// ```
/// use millstream::io::Generator;
///
/// let squares = Generator::new(1_000, |n| n * n);
/// let dice = Generator::seeded(42, 1_000, |_, random| 1 + random.below(6));
/// let ticks = Generator::endless(|n| n);
/// # let _ = (squares, dice, ticks);
/// ```
pub struct Generator<M> {
    make: M,
    count: u64,
}

/// Calls a function with the number.
#[derive(Clone)]
pub struct FromNumber<F>(F);

/// Calls a function with the number and random numbers of its own.
#[derive(Clone)]
pub struct FromSeed<F> {
    seed: u64,
    function: F,
}

impl<F> Generator<FromNumber<F>> {
    /// The records of the numbers below `count`.
    pub fn new<T: Data>(count: u64, function: F) -> Self
    where
        F: Fn(u64) -> T + Clone + Send + Sync + 'static,
    {
        Self { make: FromNumber(function), count }
    }

    /// Records without end.
    pub fn endless<T: Data>(function: F) -> Self
    where
        F: Fn(u64) -> T + Clone + Send + Sync + 'static,
    {
        Self::new(u64::MAX, function)
    }
}

impl<F> Generator<FromSeed<F>> {
    /// The records of the numbers below `count`, from random numbers; without end if `count` is `u64::MAX`.
    ///
    /// The random numbers depend on `seed` and the record's number only, not on the parallelism or on restarts.
    pub fn seeded<T: Data>(seed: u64, count: u64, function: F) -> Self
    where
        F: Fn(u64, &mut SplitMix64) -> T + Clone + Send + Sync + 'static,
    {
        Self { make: FromSeed { seed, function }, count }
    }
}

impl<T: Data, F: Fn(u64) -> T + Clone + Send + Sync + 'static> MakeItem for FromNumber<F> {
    type Item = T;

    #[inline(always)]
    fn item(&self, number: u64) -> T {
        (self.0)(number)
    }
}

impl<T: Data, F: Fn(u64, &mut SplitMix64) -> T + Clone + Send + Sync + 'static> MakeItem for FromSeed<F> {
    type Item = T;

    #[inline(always)]
    fn item(&self, number: u64) -> T {
        (self.function)(number, &mut SplitMix64::of_item(self.seed, number))
    }
}

impl<M: MakeItem> Source for Generator<M> {
    type Out = M::Item;
    type Split = NumberSplit;
    type Enumerator = SplitQueue<NumberSplit>;
    type Reader = NumberedReader<M>;

    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("numbers", 1);

    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator> {
        Ok(numbered::strided(self.count, parallelism))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader> {
        Ok(NumberedReader::new(self.make.clone(), self.count, context.counter(PROGRESS)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::driver::{Reading, context};
    use crate::io::{SourceReader, SplitEnumerator, SplitNumber};
    use crate::model::Record;

    proptest! {
        #[test]
        fn every_number_is_made_once(count in 0u64..200, parallelism in 1u32..6, steps in Reading::steps()) {
            let reading = Reading::of(&Generator::new(count, |n| n), parallelism, &steps);
            prop_assert_eq!((reading.total, reading.progress), (Some(count), count));
            prop_assert_eq!(reading.sorted(), (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn random_numbers_do_not_depend_on_parallelism_or_restarts(parallelism in 1u32..6, steps in Reading::steps()) {
            let source = Generator::seeded(7, 100, |n, random| (n, random.next_u64()));
            let expected = (0..100).map(|n| (n, SplitMix64::of_item(7, n).next_u64())).collect::<Vec<_>>();
            prop_assert_eq!(Reading::of(&source, parallelism, &steps).sorted(), expected);
        }
    }

    #[test]
    fn numbers_are_dealt_in_turn() {
        let source = Generator::endless(|n| n);
        let mut splits = source.discover(3).unwrap();
        assert_eq!(splits.total(), None);
        let mut reader = source.reader(&mut context(1, 3)).unwrap();
        reader.add_split(SplitNumber(0), splits.next_split(1).unwrap().unwrap()).unwrap();
        let mut out: Vec<Record<u64>> = Vec::new();
        reader.read(4, &mut out).unwrap();
        assert_eq!(out.iter().map(|record| record.value).collect::<Vec<_>>(), [1, 4, 7, 10]);
    }
}
