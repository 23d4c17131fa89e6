//! What can be made of windows: aggregates, reductions, and functions over whole windows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Stream, WindowedStream};
use crate::model::{Data, Record};
use crate::operator::Chain;
use crate::operator::aggregate::{Aggregate, Reduced};
use crate::operator::window::contents::{Accumulated, AggregatedLater, Call, Listed, Pair, Processed};
use crate::operator::window::evictor::Evictor;
use crate::operator::window::trigger::TriggerFor;
use crate::operator::window::{
    Evicting, Evicts, Keying, TimeWindow, WindowAssigner, WindowError, WindowFunction, WindowKind,
};

/// Aggregates keep an accumulator, not the records.
impl<Z, T, A, R> WindowedStream<Z, T, A, R>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
{
    /// Gives the result of `aggregate` for each window that fires.
    ///
    /// # Shape
    /// `(key, result)`, or the result alone without keys; one out per window and key that fires.
    ///
    /// # State
    /// One accumulator per window and key. Windows that overlap share: one per pane and key, and a word per key.
    pub fn aggregate<G>(self, aggregate: G) -> Stream<impl Chain<Out = Z::Out<G::Out>> + use<Z, T, A, R, G>>
    where
        G: Aggregate<T>,
    {
        self.then_aggregating(aggregate.clone(), aggregate, |aggregate| Accumulated::new(aggregate, Pair::new()))
    }

    /// Merges the records of each window: `step` merges each record into what came before.
    ///
    /// # Shape
    /// As [`aggregate`](Self::aggregate). It must not matter in which groups records are merged: `step` is associative,
    /// and if records may come in any order, commutative.
    ///
    /// # State
    /// One record per window and key; of windows that overlap, per pane and key.
    pub fn reduce<F>(self, step: F) -> Stream<impl Chain<Out = Z::Out<T>> + use<Z, T, A, R, F>>
    where
        T: Clone + Serialize + DeserializeOwned,
        F: FnMut(&mut T, T) + Clone + Send + 'static,
    {
        self.aggregate(Reduced::new(step))
    }

    /// Gives what `function` makes of key, window and the result of `aggregate`, for each window that fires.
    ///
    /// # State
    /// As [`aggregate`](Self::aggregate).
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("clicks");
    /// let clicks = topology
    ///     .source("clicks", Script::new().record_at("ann", 100).record_at("ann", 900).record_at("ann", 1_100))
    ///     .key_by(|name| name.to_string())
    ///     .window("clicks per second", Tumbling::of(1.seconds()))
    ///     .aggregate_with(Count, |name, second, clicks| [format!("{name} {second}: {clicks}")])
    ///     .collect("lines");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(clicks.take(), ["ann [0, 1000): 2", "ann [1000, 2000): 1"]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn aggregate_with<G, F, I>(
        self,
        aggregate: G,
        function: F,
    ) -> Stream<impl Chain<Out = I::Item> + use<Z, T, A, R, G, F, I>>
    where
        G: Aggregate<T>,
        F: FnMut(&Z::Key, TimeWindow, G::Out) -> I + Clone + Send + 'static,
        I: IntoIterator<Item: Data> + 'static,
    {
        self.then_aggregating(aggregate.clone(), (aggregate, function), |(aggregate, function)| {
            Accumulated::new(aggregate, Call::new(function))
        })
    }

    /// As [`aggregate_with`](Self::aggregate_with), with a function that remembers things, and may fail.
    pub fn aggregate_then<G, F>(
        self,
        aggregate: G,
        function: F,
    ) -> Stream<impl Chain<Out = F::Out> + use<Z, T, A, R, G, F>>
    where
        G: Aggregate<T>,
        F: WindowFunction<Z::Key, G::Out>,
    {
        let remembers = remembers_windows::<Z, G::Out, F>();
        self.refuse(A::Kind::MERGES && remembers, WindowError::StateOfMergingWindows).then_aggregating(
            aggregate.clone(),
            (aggregate, function),
            |(aggregate, function)| Accumulated::new(aggregate, Processed::new(function)),
        )
    }

    /// Gives what `function` makes of key, window and the merger of the records, for each window that fires.
    ///
    /// # State
    /// As [`reduce`](Self::reduce).
    pub fn reduce_with<S, F, I>(
        self,
        step: S,
        function: F,
    ) -> Stream<impl Chain<Out = I::Item> + use<Z, T, A, R, S, F, I>>
    where
        T: Clone + Serialize + DeserializeOwned,
        S: FnMut(&mut T, T) + Clone + Send + 'static,
        F: FnMut(&Z::Key, TimeWindow, T) -> I + Clone + Send + 'static,
        I: IntoIterator<Item: Data> + 'static,
    {
        self.aggregate_with(Reduced::new(step), function)
    }
}

/// With an evictor, aggregates are made of the records that it leaves, when the window fires.
impl<Z, T, A, R, E> WindowedStream<Z, T, A, R, Evicting<E>>
where
    Z: Keying,
    T: Data + Clone + Serialize + DeserializeOwned,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    E: Evictor<T>,
{
    /// Gives the result of `aggregate` for what the evictor leaves of each window that fires.
    ///
    /// # Shape
    /// `(key, result)`, or the result alone without keys. A window of which nothing is left gives nothing.
    pub fn aggregate<G>(self, aggregate: G) -> Stream<impl Chain<Out = Z::Out<G::Out>> + use<Z, T, A, R, E, G>>
    where
        G: Aggregate<T>,
    {
        let parts = (self.evicts.clone(), aggregate);
        self.then(parts, |(evicts, aggregate)| Listed::new(evicts, AggregatedLater::new(aggregate, Pair::new())))
    }

    /// Merges the records that the evictor leaves of each window.
    pub fn reduce<F>(self, step: F) -> Stream<impl Chain<Out = Z::Out<T>> + use<Z, T, A, R, E, F>>
    where
        F: FnMut(&mut T, T) + Clone + Send + 'static,
    {
        self.aggregate(Reduced::new(step))
    }

    /// Gives what `function` makes of key, window and the result of `aggregate` for what the evictor leaves.
    pub fn aggregate_with<G, F, I>(
        self,
        aggregate: G,
        function: F,
    ) -> Stream<impl Chain<Out = I::Item> + use<Z, T, A, R, E, G, F, I>>
    where
        G: Aggregate<T>,
        F: FnMut(&Z::Key, TimeWindow, G::Out) -> I + Clone + Send + 'static,
        I: IntoIterator<Item: Data> + 'static,
    {
        let parts = (self.evicts.clone(), aggregate, function);
        self.then(parts, |(evicts, aggregate, function)| {
            Listed::new(evicts, AggregatedLater::new(aggregate, Call::new(function)))
        })
    }
}

/// Functions over whole windows keep the records one by one.
impl<Z, T, A, R, V> WindowedStream<Z, T, A, R, V>
where
    Z: Keying,
    T: Data + Clone + Serialize + DeserializeOwned,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    V: Evicts<T>,
{
    /// Gives what `function` makes of key, window and records, for each window that fires.
    ///
    /// # Shape
    /// Any number out per window and key that fires. Records are in the order in which they came; in windows that overlap
    /// or merge, those parts are that were kept apart, and the parts are in the order of time.
    ///
    /// # State
    /// All records of open windows. Of windows that overlap, each record once.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("temperatures");
    /// let spreads = topology
    ///     .source("readings", Script::new().record_at(12, 0).record_at(19, 10).record_at(15, 20))
    ///     .window_all("spread per second", Tumbling::of(1.seconds()))
    ///     .apply(|_, _, readings| {
    ///         let values = || readings.iter().map(|reading| reading.value);
    ///         values().max().zip(values().min()).map(|(high, low)| high - low)
    ///     })
    ///     .collect("spreads");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(spreads.take(), [7]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn apply<F, I>(self, function: F) -> Stream<impl Chain<Out = I::Item> + use<Z, T, A, R, V, F, I>>
    where
        F: FnMut(&Z::Key, TimeWindow, &[Record<T>]) -> I + Clone + Send + 'static,
        I: IntoIterator<Item: Data> + 'static,
    {
        let parts = (self.evicts.clone(), function);
        self.then(parts, |(evicts, function)| Listed::new(evicts, Call::new(function)))
    }

    /// As [`apply`](Self::apply), with a function that remembers things, and may fail.
    pub fn process<F>(self, function: F) -> Stream<impl Chain<Out = F::Out> + use<Z, T, A, R, V, F>>
    where
        F: WindowFunction<Z::Key, [Record<T>]>,
    {
        let parts = (self.evicts.clone(), function);
        let remembers = remembers_windows::<Z, [Record<T>], F>();
        self.refuse(A::Kind::MERGES && remembers, WindowError::StateOfMergingWindows)
            .then(parts, |(evicts, function)| Listed::new(evicts, Processed::new(function)))
    }
}

/// Whether a function remembers something of each window.
fn remembers_windows<Z: Keying, I: ?Sized, F: WindowFunction<Z::Key, I>>() -> bool {
    size_of::<F::WindowState>() > 0
}
