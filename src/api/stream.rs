//! A stream of records, and the operators without state that fuse into its block.

use std::sync::{Arc, Mutex, PoisonError};

use millstream_actors::time::Timestamp;

use super::topology::{BlockMakers, Topology};
use crate::error::{BoxError, Result};
use crate::model::Data;
use crate::operator::event_time::{EventTime, IngestionTime, MakeGenerator, Watermarks};
use crate::operator::{
    BoxedChain, Chain, Filter, FlatMap, Inspect, Map, SubtaskContext, Then, TryFilter, TryFlatMap, TryInspect, TryMap,
};
use crate::plan::BlockShape;
use crate::runtime::OpenChain;

/// A stream of records on their way from a source to sinks.
///
/// `C` is what the stream's block does so far; write `Stream<impl Chain<Out = T>>` in signatures, or use
/// [`Stream::boxed`] where the type must be named.
///
/// User functions are `FnMut + Clone + Send + 'static`: each subtask has a clone of its own, made anew at every
/// restart. What a function remembers in its captured variables is therefore lost at a failure; state that must
/// survive belongs into keyed operators. A panic, or an error returned to a `try_` operator, fails the attempt, and the
/// job restarts from its latest checkpoint.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct Stream<C> {
    pub(super) topology: Topology,
    pub(super) block: usize,
    pub(super) open: OpenChain<C>,
}

/// A user's function, of which each subtask gets a clone.
pub(super) struct Prototype<F>(Mutex<F>);

impl<F: Clone> Prototype<F> {
    pub(super) fn new(function: F) -> Self {
        Self(Mutex::new(function))
    }

    pub(super) fn instance(&self) -> F {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<C: Chain> Stream<C> {
    pub(super) fn begin(topology: Topology, shape: BlockShape, makers: BlockMakers, open: OpenChain<C>) -> Self {
        let block = topology.draft().begin(shape, makers);
        Self { topology, block, open }
    }

    /// Puts an operator behind the chain.
    pub(super) fn then<O>(
        self,
        kind: &'static str,
        uid: Option<&str>,
        operator: impl Fn(&mut SubtaskContext) -> Result<O> + Send + Sync + 'static,
    ) -> Stream<Then<C, O>> {
        self.topology.draft().add(self.block, kind, uid);
        let open = self.open;
        let open = move |context: &mut SubtaskContext| Ok(Then::new(open(context)?, operator(context)?));
        Stream { topology: self.topology, block: self.block, open: Arc::new(open) }
    }

    /// Sets how many subtasks the present block has. The whole block runs with the last number that is set on it.
    pub fn parallelism(self, subtasks: u32) -> Self {
        self.topology.draft().set_parallelism(self.block, subtasks);
        self
    }

    /// Turns each record into exactly one other. Order is kept.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let doubled = topology.source("numbers", Collection::of([1, 2, 3])).map(|n| n * 2).collect("doubled");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(doubled.take(), [2, 4, 6]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map<U, F>(self, function: F) -> Stream<impl Chain<Out = U> + use<U, F, C>>
    where
        U: Data,
        F: FnMut(C::Out) -> U + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("map", None, move |_| Ok(Map::new(function.instance())))
    }

    /// Turns each record into exactly one other, or fails the attempt. Order is kept.
    pub fn try_map<U, X, F>(self, function: F) -> Stream<impl Chain<Out = U> + use<U, X, F, C>>
    where
        U: Data,
        X: Into<BoxError> + 'static,
        F: FnMut(C::Out) -> Result<U, X> + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("try_map", None, move |_| Ok(TryMap::new(function.instance())))
    }

    /// Keeps the records for which `predicate` is true. Order is kept; what is held back is counted as filtered.
    pub fn filter<F>(self, predicate: F) -> Stream<impl Chain<Out = C::Out> + use<F, C>>
    where
        F: FnMut(&C::Out) -> bool + Clone + Send + 'static,
    {
        let predicate = Prototype::new(predicate);
        self.then("filter", None, move |context| {
            Ok(Filter::new(predicate.instance(), context.counters.filtered.clone()))
        })
    }

    /// Keeps the records for which `predicate` is true, or fails the attempt. Order is kept.
    pub fn try_filter<X, F>(self, predicate: F) -> Stream<impl Chain<Out = C::Out> + use<X, F, C>>
    where
        X: Into<BoxError> + 'static,
        F: FnMut(&C::Out) -> Result<bool, X> + Clone + Send + 'static,
    {
        let predicate = Prototype::new(predicate);
        self.then("try_filter", None, move |context| {
            Ok(TryFilter::new(predicate.instance(), context.counters.filtered.clone()))
        })
    }

    /// Turns each record into any number of others. Order is kept, and that of the others within each.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let letters = topology
    ///     .source("words", Collection::of(["ab", "", "c"]))
    ///     .flat_map(|word| word.chars().collect::<Vec<_>>())
    ///     .collect("letters");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(letters.take(), ['a', 'b', 'c']);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn flat_map<I, F>(self, function: F) -> Stream<impl Chain<Out = I::Item> + use<I, F, C>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: FnMut(C::Out) -> I + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("flat_map", None, move |_| Ok(FlatMap::new(function.instance())))
    }

    /// Turns each record into any number of others, or fails the attempt. Order is kept.
    pub fn try_flat_map<I, X, F>(self, function: F) -> Stream<impl Chain<Out = I::Item> + use<I, X, F, C>>
    where
        I: IntoIterator<Item: Data> + 'static,
        X: Into<BoxError> + 'static,
        F: FnMut(C::Out) -> Result<I, X> + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("try_flat_map", None, move |_| Ok(TryFlatMap::new(function.instance())))
    }

    /// Shows each record to `function`. Records, and their order, stay as they are. A replay shows records again.
    pub fn inspect<F>(self, function: F) -> Stream<impl Chain<Out = C::Out> + use<F, C>>
    where
        F: FnMut(&C::Out) + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("inspect", None, move |_| Ok(Inspect::new(function.instance())))
    }

    /// Shows each record to `function`, which may fail the attempt.
    pub fn try_inspect<X, F>(self, function: F) -> Stream<impl Chain<Out = C::Out> + use<X, F, C>>
    where
        X: Into<BoxError> + 'static,
        F: FnMut(&C::Out) -> Result<(), X> + Clone + Send + 'static,
    {
        let function = Prototype::new(function);
        self.then("try_inspect", None, move |_| Ok(TryInspect::new(function.instance())))
    }

    /// Gives each record its event time, and the stream its watermarks.
    ///
    /// # Shape
    /// Each record as it is, in order. Its event time is what `time_of` gives: a [`Timestamp`], whole milliseconds since
    /// the Unix epoch, or a [`SystemTime`](std::time::SystemTime). With [`Timestamp::NONE`] the record has no event time,
    /// and says nothing about that of the stream. Watermarks that come from before are dropped, but for the end of event
    /// time, which follows the end of the input.
    ///
    /// In the block of a source, before any exchange, each split has watermarks of its own, and the lowest of them is
    /// said. So stand as close to the source as possible: behind an exchange, records of several splits are mixed.
    ///
    /// # Errors
    /// Lengths of time that cannot be, and a group behind an exchange, are mistakes of the plan:
    /// [`PlanError::EventTime`](crate::plan::PlanError::EventTime).
    ///
    /// # Recovery
    /// Nothing of it is in a snapshot. After a restart, watermarks begin with the records that follow.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let orders = topology
    ///     .source("orders", Collection::of([("tea", 1_000), ("cup", 1_500)]))
    ///     .event_time(Watermarks::bounded_out_of_order(5.seconds()).idle_after(30.seconds()), |order| order.1)
    ///     .collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// # assert_eq!(orders.take().len(), 2);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// # Source
    /// `docs/semantics.md`, section 10; `docs/event-time.md`.
    pub fn event_time<M, R, F>(
        self,
        watermarks: Watermarks<M>,
        time_of: F,
    ) -> Stream<impl Chain<Out = C::Out> + use<M, R, F, C>>
    where
        M: MakeGenerator<C::Out>,
        R: Into<Timestamp> + 'static,
        F: FnMut(&C::Out) -> R + Clone + Send + 'static,
    {
        self.topology.draft().check_event_time(self.block, &watermarks);
        let prototype = Prototype::new((watermarks, time_of));
        self.then("event_time", None, move |context| {
            let (watermarks, time_of) = prototype.instance();
            Ok(EventTime::open(&watermarks, time_of, context))
        })
    }

    /// Gives each record the processing time of its arrival as event time, and the stream watermarks that follow the
    /// clock, whether records come or not.
    ///
    /// # Shape
    /// Each record as it is, in order. The clock is read once for up to 512 records. Nothing is ever late before the next
    /// exchange, and no input holds the watermark back by being quiet.
    ///
    /// # Recovery
    /// Records that are read again have the time of that reading.
    pub fn ingestion_time(self) -> Stream<impl Chain<Out = C::Out> + use<C>> {
        self.then("ingestion_time", None, |context| Ok(IngestionTime::open(context)))
    }

    /// Forgets the type of the chain, so that the stream's type can be named: `Stream<BoxedChain<T>>`.
    ///
    /// Costs one indirect call per run of records, and a copy of each record.
    pub fn boxed(self) -> Stream<BoxedChain<C::Out>> {
        let open = self.open;
        let open = move |context: &mut SubtaskContext| Ok(BoxedChain::new(open(context)?));
        Stream { topology: self.topology, block: self.block, open: Arc::new(open) }
    }
}
