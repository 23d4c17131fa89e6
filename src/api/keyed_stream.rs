//! A stream whose records have keys, and the operators that keep state per key.

use std::ops::AddAssign;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Stream;
use super::stream::Prototype;
use crate::model::{Data, Key, Keyed};
use crate::operator::{BatchHead, Chain, Fold, Reduce};

/// A stream whose records have keys: all records of a key are in one subtask.
///
/// Every operator here takes its uid first: the stable name under which its state lies in checkpoints.
///
/// # State
/// One row per key, kept until the job ends. A checkpoint writes the rows that changed since the one before.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct KeyedStream<K, T> {
    pub(super) stream: Stream<BatchHead<Keyed<K, T>>>,
}

impl<K: Key, T: Data> KeyedStream<K, T> {
    pub(super) fn new(stream: Stream<BatchHead<Keyed<K, T>>>) -> Self {
        Self { stream }
    }

    /// Sets how many subtasks the block of the keyed operator has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { stream: self.stream.parallelism(subtasks) }
    }

    /// Keeps an accumulator per key, changed by `step` with each record of the key, and emits it after each.
    ///
    /// # Shape
    /// `(key, accumulator)`, one out per record in, in the order of the key's records.
    ///
    /// # State
    /// One accumulator per key, which starts as a clone of `start`.
    ///
    /// # Recovery
    /// A snapshot holds the accumulators. Results that were emitted after it are emitted again.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let longest = topology
    ///     .source("words", Collection::of(["an", "apple", "bad", "bet"]))
    ///     .key_by(|word| word.chars().next())
    ///     .fold("longest", 0, |longest, word| *longest = word.len().max(*longest))
    ///     .collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(longest.take().len(), 4);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn fold<A, F>(self, uid: &str, start: A, step: F) -> Stream<impl Chain<Out = (K, A)> + use<K, T, A, F>>
    where
        A: Data + Clone + Serialize + DeserializeOwned,
        F: FnMut(&mut A, T) + Clone + Send + 'static,
    {
        self.fold_as("fold", uid, start, step)
    }

    fn fold_as<A, F>(
        self,
        kind: &'static str,
        uid: &str,
        start: A,
        step: F,
    ) -> Stream<impl Chain<Out = (K, A)> + use<K, T, A, F>>
    where
        A: Data + Clone + Serialize + DeserializeOwned,
        F: FnMut(&mut A, T) + Clone + Send + 'static,
    {
        self.stream.topology.draft().keeps_state(self.stream.block, uid);
        let (prototype, name) = (Prototype::new((start, step)), uid.to_owned());
        self.stream.then(kind, Some(uid), move |context| {
            let (start, step) = prototype.instance();
            Ok(Fold::new(context.table(&name)?, start, step))
        })
    }

    /// Combines the records of each key: `step` merges each record into what came before, and the result so far is
    /// emitted after each. The first record of a key is emitted as it is.
    ///
    /// # State
    /// One record per key.
    pub fn reduce<F>(self, uid: &str, step: F) -> Stream<impl Chain<Out = (K, T)> + use<K, T, F>>
    where
        T: Clone + Serialize + DeserializeOwned,
        F: FnMut(&mut T, T) + Clone + Send + 'static,
    {
        self.stream.topology.draft().keeps_state(self.stream.block, uid);
        let (prototype, name) = (Prototype::new(step), uid.to_owned());
        self.stream
            .then("reduce", Some(uid), move |context| Ok(Reduce::new(context.table(&name)?, prototype.instance())))
    }

    /// Counts the records of each key, from 1, and emits the count after each.
    pub fn count(self, uid: &str) -> Stream<impl Chain<Out = (K, u64)> + use<K, T>> {
        self.fold_as("count", uid, 0, |count: &mut u64, _| *count += 1)
    }

    /// Sums what `value_of` gives for the records of each key, and emits the sum so far after each.
    ///
    /// Integers overflow as `+=` does: a panic in debug builds, which fails the attempt.
    pub fn sum<N, F>(self, uid: &str, mut value_of: F) -> Stream<impl Chain<Out = (K, N)> + use<K, T, N, F>>
    where
        N: Data + Clone + Default + AddAssign + Serialize + DeserializeOwned,
        F: FnMut(&T) -> N + Clone + Send + 'static,
    {
        self.fold_as("sum", uid, N::default(), move |sum: &mut N, record| *sum += value_of(&record))
    }

    /// Keeps the smallest of what `value_of` gives for the records of each key, and emits it after each.
    pub fn min<N, F>(self, uid: &str, value_of: F) -> Stream<impl Chain<Out = (K, N)> + use<K, T, N, F>>
    where
        N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
        F: FnMut(&T) -> N + Clone + Send + 'static,
    {
        self.extreme("min", uid, value_of, |new, old| new < old)
    }

    /// Keeps the greatest of what `value_of` gives for the records of each key, and emits it after each.
    pub fn max<N, F>(self, uid: &str, value_of: F) -> Stream<impl Chain<Out = (K, N)> + use<K, T, N, F>>
    where
        N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
        F: FnMut(&T) -> N + Clone + Send + 'static,
    {
        self.extreme("max", uid, value_of, |new, old| new > old)
    }

    fn extreme<N, F>(
        self,
        kind: &'static str,
        uid: &str,
        mut value_of: F,
        wins: fn(&N, &N) -> bool,
    ) -> Stream<impl Chain<Out = (K, N)> + use<K, T, N, F>>
    where
        N: Data + Clone + PartialOrd + Serialize + DeserializeOwned,
        F: FnMut(&T) -> N + Clone + Send + 'static,
    {
        let step = move |best: &mut Option<N>, record: T| {
            let new = value_of(&record);
            if best.as_ref().is_none_or(|old| wins(&new, old)) {
                *best = Some(new);
            }
        };
        self.fold_as(kind, uid, None, step).flat_map(|(key, best): (K, Option<N>)| best.map(|best| (key, best)))
    }
}
