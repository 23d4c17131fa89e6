//! Two keyed streams before one operator.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stream::Prototype;
use super::topology::BlockMakers;
use super::{KeyedStream, Stream, Topology};
use crate::error::Result;
use crate::model::{Data, Key};
use crate::operator::{
    BothKeyed, Bounds, Chain, CoProcess, EitherHead, IntervalJoin, OfEither, Process, SideOutput, States,
};
use crate::plan::{BlockShape, Input, PlanError};

/// Two streams whose records have keys of one type: an operator sees those of a key together.
///
/// The watermark of the operator is the lower one of the two.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct ConnectedStreams<K, L, R> {
    topology: Topology,
    inputs: Vec<Input>,
    parallelism: Option<u32>,
    left: PhantomData<fn() -> (K, L)>,
    right: PhantomData<fn() -> (K, R)>,
}

impl<K: Key, L: Data, R: Data> ConnectedStreams<K, L, R> {
    pub(super) fn new(left: KeyedStream<K, L>, right: KeyedStream<K, R>) -> Self {
        let parallelism = left.wanted_parallelism().or(right.wanted_parallelism());
        let inputs = vec![left.input(), right.input()];
        Self { topology: left.topology(), inputs, parallelism, left: PhantomData, right: PhantomData }
    }

    /// Sets how many subtasks the block of the operator has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { parallelism: Some(subtasks), ..self }
    }

    /// Begins the block of the operator, which keeps state under `uid`.
    pub(super) fn begin(self, uid: &str) -> Stream<EitherHead<BothKeyed<K, L, R>>> {
        let shape = BlockShape { inputs: self.inputs, parallelism: self.parallelism, ..BlockShape::default() };
        let stream = Stream::begin(self.topology, shape, BlockMakers::default(), Arc::new(|_| Ok(EitherHead::new())));
        stream.topology.draft().keeps_state(stream.block, uid);
        stream
    }

    /// Hands the records of both streams to a function of the user, with the state and the timers of their key.
    ///
    /// # Shape
    /// Whatever the function emits.
    ///
    /// # State
    /// What `open` declares. It is called once per subtask and attempt, and makes the function.
    ///
    /// # Recovery
    /// As [`KeyedStream::process`].
    pub fn process<P, F>(self, uid: &str, open: F) -> Stream<impl Chain<Out = P::Out> + use<K, L, R, P, F>>
    where
        P: CoProcess<K, L, R>,
        F: Fn(&mut States<'_, K>) -> Result<P> + Send + Sync + 'static,
    {
        let name = uid.to_owned();
        self.begin(uid).then("co_process", Some(uid), move |context| {
            Process::open(&name, context, |states| Ok(OfEither::new(open(states)?)))
        })
    }

    /// Joins the records of a key whose event times lie within `bounds` of each other.
    ///
    /// # Shape
    /// One record per pair, at the later of the two times. In what order pairs come is left open.
    ///
    /// # State
    /// Every record, until the watermark says that nothing to join it with is still to come.
    ///
    /// # Errors
    /// [`PlanError::EmptyInterval`](crate::plan::PlanError::EmptyInterval) if the lower bound lies behind the upper one. At
    /// run time, if a record has no event time.
    ///
    /// # Recovery
    /// A snapshot holds the records that wait. A pair is emitted once.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// use millstream::operator::Bounds;
    /// use millstream::testing::{Script, TopologyDriver};
    ///
    /// let topology = Topology::new("matches");
    /// let orders = topology.source("orders", Collection::of(Vec::<u32>::new())).key_by(|order| *order);
    /// let payments = topology.source("payments", Collection::of(Vec::<u32>::new())).key_by(|order| *order);
    /// orders
    ///     .connect(payments)
    ///     .interval_join("paid in time", Bounds::between(Timespan::ZERO, 60.seconds()))
    ///     .apply(|order, _payment| *order)
    ///     .collect("paid");
    ///
    /// let mut driver = TopologyDriver::new(&topology)?;
    /// driver.push_at("orders", 7u32, 1_000)?;
    /// driver.push_at("payments", 7u32, 31_000)?;
    /// driver.push_at("payments", 7u32, 99_000)?; // too late for the order
    /// assert_eq!(driver.output::<u32>("paid"), [7]);
    /// # let _ = Script::<u32>::new();
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn interval_join(self, uid: &str, bounds: Bounds) -> IntervalJoined<K, L, R> {
        IntervalJoined { streams: self, uid: uid.to_owned(), bounds, late_left: None, late_right: None }
    }
}

/// An interval join that still lacks its function.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct IntervalJoined<K, L, R> {
    streams: ConnectedStreams<K, L, R>,
    uid: String,
    bounds: Bounds,
    late_left: Option<SideOutput<L>>,
    late_right: Option<SideOutput<R>>,
}

impl<K, L, R> IntervalJoined<K, L, R>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    R: Data + Serialize + DeserializeOwned,
{
    /// Puts left records that come at or behind the watermark into `side`. They are counted as late in any case.
    pub fn late_left_to(self, side: &SideOutput<L>) -> Self {
        Self { late_left: Some(side.clone()), ..self }
    }

    /// Puts right records that come at or behind the watermark into `side`. They are counted as late in any case.
    pub fn late_right_to(self, side: &SideOutput<R>) -> Self {
        Self { late_right: Some(side.clone()), ..self }
    }

    /// Emits what `join` makes of each pair.
    pub fn apply<O, F>(self, join: F) -> Stream<impl Chain<Out = O> + use<K, L, R, O, F>>
    where
        O: Data,
        F: FnMut(&L, &R) -> O + Clone + Send + 'static,
    {
        let Self { streams, uid, bounds, late_left, late_right } = self;
        let join = Prototype::new(join);
        let mut stream = streams.begin(&uid);
        if bounds.lower > bounds.upper {
            stream.topology.draft().mistake(PlanError::EmptyInterval {
                uid: uid.clone(),
                lower: bounds.lower,
                upper: bounds.upper,
            });
        }
        if let Some(side) = &late_left {
            stream = stream.fills(side);
        }
        if let Some(side) = &late_right {
            stream = stream.fills(side);
        }
        let name = uid.clone();
        stream.then("interval_join", Some(&uid), move |context| {
            Process::open(&name, context, |states| {
                let late = (
                    late_left.as_ref().map(|side| states.side(side)),
                    late_right.as_ref().map(|side| states.side(side)),
                );
                Ok(OfEither::new(IntervalJoin::open(&name, bounds, join.instance(), late, states)?))
            })
        })
    }
}
