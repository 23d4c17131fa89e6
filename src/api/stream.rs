//! A stream of records, and the operators without state that fuse into its block.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::topology::{BlockMakers, Topology};
use crate::error::{BoxError, Result};
use crate::metrics::FILTERED;
use crate::model::Data;
use crate::operator::{
    AsyncMap, AsyncMapOperator, BoxedChain, Chain, Filter, FlatMap, Inspect, Map, OperatorStates, ProcessStream,
    SideOutput, StreamProcess, SubtaskContext, Then, TryFilter, TryFlatMap, TryInspect, TryMap,
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
        let (open, uid) = (self.open, uid.map(Arc::<str>::from));
        let open = move |context: &mut SubtaskContext| {
            let chain = open(context)?;
            if let Some(uid) = &uid {
                context.uid = Arc::clone(uid);
            }
            Ok(Then::new(chain, operator(context)?))
        };
        Stream { topology: self.topology, block: self.block, open: Arc::new(open) }
    }

    /// Sets how many subtasks the present block has. The whole block runs with the last number that is set on it.
    pub fn parallelism(self, subtasks: u32) -> Self {
        self.topology.draft().set_parallelism(self.block, subtasks);
        self
    }

    /// Says that an operator of the present block emits into `side`, so that the topology can have a stream of it.
    /// Operators that take side outputs as options say so themselves.
    pub fn fills<S: Data>(self, side: &SideOutput<S>) -> Self {
        self.topology.draft().fills(self.block, side.id());
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
        self.then("filter", None, move |context| Ok(Filter::new(predicate.instance(), context.counter(FILTERED))))
    }

    /// Keeps the records for which `predicate` is true, or fails the attempt. Order is kept.
    pub fn try_filter<X, F>(self, predicate: F) -> Stream<impl Chain<Out = C::Out> + use<X, F, C>>
    where
        X: Into<BoxError> + 'static,
        F: FnMut(&C::Out) -> Result<bool, X> + Clone + Send + 'static,
    {
        let predicate = Prototype::new(predicate);
        self.then("try_filter", None, move |context| {
            Ok(TryFilter::new(predicate.instance(), context.counter(FILTERED)))
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

    /// Hands each record to a function of the user, with states of the subtask at hand.
    ///
    /// # Shape
    /// Whatever the function emits, with the event times that it gives. What it emits when it hears a watermark goes before
    /// the watermark.
    ///
    /// # State
    /// What `open` declares. It is called once per subtask and attempt, and makes the function. The states lie in memory,
    /// and each snapshot holds all of them.
    ///
    /// # Recovery
    /// A snapshot holds the states. What the function emitted after it is emitted again.
    ///
    /// # Example
    /// Pairs of neighbours; the first of a pair waits in a state:
    /// ```
    /// use millstream::model::Record;
    /// use millstream::operator::{Emit, OperatorList, StreamContext, StreamProcess};
    /// use millstream::prelude::*;
    ///
    /// struct Pairs {
    ///     waiting: OperatorList<u64>,
    /// }
    ///
    /// impl StreamProcess<u64> for Pairs {
    ///     type Out = (u64, u64);
    ///
    ///     fn on_record<E: Emit<(u64, u64)>>(
    ///         &mut self,
    ///         record: Record<u64>,
    ///         context: &mut StreamContext<'_>,
    ///         out: &mut E,
    ///     ) -> Result<()> {
    ///         match context.list(self.waiting).pop() {
    ///             Some(first) => out.emit(Record { value: (first, record.value), time: record.time }),
    ///             None => Ok(context.list(self.waiting).push(record.value)),
    ///         }
    ///     }
    /// }
    ///
    /// let topology = Topology::new("pairs");
    /// let pairs = topology
    ///     .source("numbers", Collection::of(1..=4))
    ///     .process("pairs", |states| Ok(Pairs { waiting: states.list("waiting")? }))
    ///     .collect("results");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(pairs.take(), [(1, 2), (3, 4)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn process<P, F>(self, uid: &str, open: F) -> Stream<impl Chain<Out = P::Out> + use<P, F, C>>
    where
        P: StreamProcess<C::Out>,
        F: Fn(&mut OperatorStates<'_>) -> Result<P> + Send + Sync + 'static,
    {
        let name = uid.to_owned();
        self.then("process", Some(uid), move |context| ProcessStream::open(&name, context, &open))
    }

    /// Calls an asynchronous function for each record, a hundred at a time, and emits the results in the order of the
    /// records. [`Stream::map_async_with`] has the choices.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// async fn population(city: String) -> Result<u64, std::io::Error> {
    ///     Ok(city.len() as u64 * 100_000) // a call to some service
    /// }
    ///
    /// let populations = topology
    ///     .source("cities", Collection::of(["Ulm".to_owned(), "Bonn".to_owned()]))
    ///     .map_async("population", population)
    ///     .collect("populations");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(populations.take(), [300_000, 400_000]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map_async<U, X, F, R>(self, uid: &str, function: F) -> Stream<impl Chain<Out = U> + use<U, X, F, R, C>>
    where
        C::Out: Clone + Serialize + DeserializeOwned,
        U: Data,
        X: Into<BoxError> + Send + 'static,
        F: FnMut(C::Out) -> R + Clone + Send + 'static,
        R: Future<Output = Result<U, X>> + Send + 'static,
    {
        self.map_async_with(uid, AsyncMap::ordered(function))
    }

    /// Calls an asynchronous function for each record, many at a time, and emits the results.
    ///
    /// # Shape
    /// One result per record, in order or as they come. Watermarks keep their place among the records.
    ///
    /// # State
    /// The records whose results are not emitted yet, at most the capacity per subtask.
    ///
    /// # Errors
    /// An error that is not tried again, or a timeout without something to emit in its place, fails the attempt.
    ///
    /// # Recovery
    /// A snapshot holds these records, not their results: after a failure the function is called for them again, first.
    /// So what it does in the outside world may be done more than once.
    ///
    /// The futures run on the thread of the subtask, inside a Tokio runtime with timers.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// use std::time::Duration;
    ///
    /// use millstream::operator::Retries;
    ///
    /// # let topology = Topology::new("doc");
    /// async fn lookup(customer: u32) -> Result<String, std::io::Error> {
    ///     Ok(format!("customer {customer}"))
    /// }
    ///
    /// let calls = AsyncMap::unordered(lookup)
    ///     .capacity(20)
    ///     .timeout(Duration::from_secs(5))
    ///     .on_timeout(|customer| format!("unknown {customer}"))
    ///     .retries(Retries::fixed(3, Duration::from_millis(100)));
    /// let names = topology.source("customers", Collection::of([1, 2])).map_async_with("names", calls).collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(names.take().len(), 2);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn map_async_with<U, X, F, R>(
        self,
        uid: &str,
        map: AsyncMap<C::Out, U, X, F>,
    ) -> Stream<impl Chain<Out = U> + use<U, X, F, R, C>>
    where
        C::Out: Clone + Serialize + DeserializeOwned,
        U: Data,
        X: Into<BoxError> + Send + 'static,
        F: FnMut(C::Out) -> R + Clone + Send + 'static,
        R: Future<Output = Result<U, X>> + Send + 'static,
    {
        let (map, name) = (Prototype::new(map), uid.to_owned());
        self.then("map_async", Some(uid), move |context| AsyncMapOperator::open(&name, map.instance(), context))
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
