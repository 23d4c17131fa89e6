//! A stream whose records have keys, and the operators that keep state per key.

use std::ops::AddAssign;
use std::sync::Arc;

use millstream_actors::time::Timespan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stream::Prototype;
use super::topology::BlockMakers;
use super::{ConnectedStreams, KeyedBroadcast, Stream, Topology};
use crate::error::Result;
use crate::model::{Data, Key, Keyed};
use crate::operator::{BatchHead, Chain, Dedup, Fold, KeyedProcess, MapWithState, Process, Reduce, States};
use crate::plan::{BlockShape, Exchange, Input, InputFrom};
use crate::runtime::BeforeExchange;

/// A stream whose records have keys: all records of a key are in one subtask.
///
/// Every operator here takes its uid first: the stable name under which its state lies in checkpoints.
///
/// # State
/// One row per key, kept until the job ends. A checkpoint writes the rows that changed since the one before.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct KeyedStream<K, T> {
    topology: Topology,
    /// The block whose one output the keyed records are.
    from: usize,
    parallelism: Option<u32>,
    /// What that block does with them before it sends them.
    pub(super) before: BeforeExchange<Keyed<K, T>>,
}

impl<K: Key, T: Data> KeyedStream<K, T> {
    /// The keyed output of the block `from`, which is closed.
    pub(super) fn new(topology: Topology, from: usize, before: BeforeExchange<Keyed<K, T>>) -> Self {
        Self { topology, from, parallelism: None, before }
    }

    /// Sets how many subtasks the block of the keyed operator has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { parallelism: Some(subtasks), ..self }
    }

    /// Puts the records of two keyed streams before one operator, which sees those of a key together. Both must have keys of
    /// one type.
    pub fn connect<U: Data>(self, other: KeyedStream<K, U>) -> ConnectedStreams<K, T, U> {
        ConnectedStreams::new(self, other)
    }

    /// Puts the records of this stream before one operator with all records of `broadcast`, which every subtask hears:
    /// with rules, with limits, with what else is small and holds for all keys.
    ///
    /// Event time is that of the slower of the two: a broadcast stream without end needs `event_time` with `idle_after`, if
    /// timers, or anything behind the operator, wait for watermarks.
    pub fn connect_broadcast<C>(self, broadcast: Stream<C>) -> KeyedBroadcast<K, T, C::Out>
    where
        C: Chain<Out: Clone>,
    {
        KeyedBroadcast::new(&self, &broadcast)
    }

    /// The edge along which the records come.
    pub(super) fn input(&self) -> Input {
        let from = InputFrom::Main { block: self.from, output: 0 };
        Input { from, exchange: Some(Exchange::KeyGroup) }
    }

    pub(super) fn topology(&self) -> Topology {
        self.topology.clone()
    }

    pub(super) fn wanted_parallelism(&self) -> Option<u32> {
        self.parallelism
    }

    /// Begins the block of the keyed operator, which keeps state under `uid`.
    pub(super) fn begin(self, uid: &str) -> Stream<BatchHead<Keyed<K, T>>> {
        self.begin_with(uid)
    }

    /// The same for an operator that asks of the records only which keys they have: their values do not travel.
    fn begin_with_keys(self, uid: &str) -> Stream<BatchHead<Keyed<K, ()>>> {
        self.before.keys_only();
        self.begin_with(uid)
    }

    fn begin_with<V: Data>(self, uid: &str) -> Stream<BatchHead<Keyed<K, V>>> {
        let shape = BlockShape { inputs: vec![self.input()], parallelism: self.parallelism, ..BlockShape::default() };
        let stream = Stream::begin(self.topology, shape, BlockMakers::default(), Arc::new(|_| Ok(BatchHead::new())));
        stream.topology.draft().keeps_state(stream.block, uid);
        stream
    }

    /// Hands each record to a function of the user, with the state and the timers of its key.
    ///
    /// # Shape
    /// Whatever the function emits, with the event times that it gives.
    ///
    /// # State
    /// What `open` declares. It is called once per subtask and attempt, and makes the function.
    ///
    /// # Recovery
    /// A snapshot holds the states and the timers. Timers that were due and had not fired fire after the restart.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// use millstream::model::Record;
    /// use millstream::operator::{Emit, KeyContext, KeyedProcess, ValueState};
    ///
    /// /// Says by how much each reading of a sensor differs from the one before.
    /// struct Change {
    ///     last: ValueState<i64>,
    /// }
    ///
    /// impl KeyedProcess<String, (String, i64)> for Change {
    ///     type Out = (String, i64);
    ///
    ///     fn on_record<E: Emit<Self::Out>>(
    ///         &mut self,
    ///         record: Record<(String, i64)>,
    ///         context: &mut KeyContext<'_, String>,
    ///         out: &mut E,
    ///     ) -> Result<()> {
    ///         let (sensor, reading) = record.value;
    ///         let before = context.value(self.last).take()?;
    ///         context.value(self.last).set(reading)?;
    ///         before.map_or(Ok(()), |before| out.emit(Record { value: (sensor, reading - before), time: record.time }))
    ///     }
    /// }
    /// # let _ = std::marker::PhantomData::<Change>;
    /// ```
    pub fn process<P, F>(self, uid: &str, open: F) -> Stream<impl Chain<Out = P::Out> + use<K, T, P, F>>
    where
        P: KeyedProcess<K, T>,
        F: Fn(&mut States<'_, K>) -> Result<P> + Send + Sync + 'static,
    {
        let name = uid.to_owned();
        self.begin(uid).then("process", Some(uid), move |context| Process::open(&name, context, &open))
    }

    /// Turns each record into exactly one other, with a state of its key at hand that begins as `S::default()`.
    ///
    /// # State
    /// One `S` per key, kept until the job ends.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let numbered = topology
    ///     .source("words", Collection::of(["tea", "cup", "tea"]))
    ///     .key_by(|word| word.to_string())
    ///     .map_with_state("numbered", |seen: &mut u32, word| {
    ///         *seen += 1;
    ///         format!("{word} {seen}")
    ///     })
    ///     .collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(numbered.take(), ["tea 1", "cup 1", "tea 2"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map_with_state<S, U, F>(self, uid: &str, function: F) -> Stream<impl Chain<Out = U> + use<K, T, S, U, F>>
    where
        S: Data + Default + Serialize + DeserializeOwned,
        U: Data,
        F: FnMut(&mut S, T) -> U + Clone + Send + 'static,
    {
        let (prototype, name) = (Prototype::new(function), uid.to_owned());
        self.begin(uid).then("map_with_state", Some(uid), move |context| {
            Ok(MapWithState::new(context.table(&name)?, prototype.instance()))
        })
    }

    /// Lets a record through unless one of its key was let through less than `retain` before, in event time.
    ///
    /// # State
    /// One time per key, from a record that was let through until the watermark is `retain` behind it.
    ///
    /// # Errors
    /// At run time, if a record has no event time.
    pub fn dedup(self, uid: &str, retain: Timespan) -> Stream<impl Chain<Out = T> + use<K, T>> {
        let name = uid.to_owned();
        self.begin(uid).then("dedup", Some(uid), move |context| {
            Process::open(&name, context, |states| Dedup::open(&name, retain, states))
        })
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
        fold_as("fold", uid, self.begin(uid), start, step)
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
        let (prototype, name) = (Prototype::new(step), uid.to_owned());
        self.begin(uid)
            .then("reduce", Some(uid), move |context| Ok(Reduce::new(context.table(&name)?, prototype.instance())))
    }

    /// Counts the records of each key, from 1, and emits the count after each. Keys travel alone: their values are dropped in
    /// the subtask that sends them.
    pub fn count(self, uid: &str) -> Stream<impl Chain<Out = (K, u64)> + use<K, T>> {
        fold_as("count", uid, self.begin_with_keys(uid), 0, |count: &mut u64, ()| *count += 1)
    }

    /// Sums what `value_of` gives for the records of each key, and emits the sum so far after each.
    ///
    /// Integers overflow as `+=` does: a panic in debug builds, which fails the attempt.
    pub fn sum<N, F>(self, uid: &str, mut value_of: F) -> Stream<impl Chain<Out = (K, N)> + use<K, T, N, F>>
    where
        N: Data + Clone + Default + AddAssign + Serialize + DeserializeOwned,
        F: FnMut(&T) -> N + Clone + Send + 'static,
    {
        fold_as("sum", uid, self.begin(uid), N::default(), move |sum: &mut N, record| *sum += value_of(&record))
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
        fold_as(kind, uid, self.begin(uid), None, step)
            .flat_map(|(key, best): (K, Option<N>)| best.map(|best| (key, best)))
    }
}

/// Ends the block that `stream` begins with an accumulator per key.
fn fold_as<K: Key, T: Data, A, F>(
    kind: &'static str,
    uid: &str,
    stream: Stream<BatchHead<Keyed<K, T>>>,
    start: A,
    step: F,
) -> Stream<impl Chain<Out = (K, A)> + use<K, T, A, F>>
where
    A: Data + Clone + Serialize + DeserializeOwned,
    F: FnMut(&mut A, T) + Clone + Send + 'static,
{
    let (prototype, name) = (Prototype::new((start, step)), uid.to_owned());
    stream.then(kind, Some(uid), move |context| {
        let (start, step) = prototype.instance();
        Ok(Fold::new(context.table(&name)?, start, step))
    })
}
