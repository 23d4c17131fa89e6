//! A stream before one operator with another stream of which every subtask hears all records.

use std::marker::PhantomData;
use std::sync::Arc;

use super::topology::BlockMakers;
use super::{KeyedStream, Stream, Topology};
use crate::error::Result;
use crate::model::{Data, Key, Keyed};
use crate::operator::{
    Apart, BroadcastProcess, BroadcastStates, Chain, EitherHead, KeyedBroadcastProcess, OperatorStates,
    ProcessBroadcast, ProcessKeyedBroadcast,
};
use crate::plan::{BlockShape, Exchange, Input, InputFrom};

/// A keyed stream and a broadcast one before one operator. Made by
/// [`KeyedStream::connect_broadcast`](crate::KeyedStream::connect_broadcast).
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct KeyedBroadcast<K, T, B> {
    meeting: Met<Keyed<K, T>, B>,
}

/// A stream and a broadcast one before one operator. Made by
/// [`Stream::connect_broadcast`](crate::Stream::connect_broadcast).
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct Broadcast<T, B> {
    meeting: Met<T, B>,
}

/// Two inputs that meet.
struct Met<L, R> {
    topology: Topology,
    inputs: Vec<Input>,
    parallelism: Option<u32>,
    holds: PhantomData<fn() -> (L, R)>,
}

impl<L: Data, R: Data + Clone> Met<L, R> {
    /// The `first` input, and all of `broadcast`.
    fn new<C: Chain<Out = R>>(topology: Topology, first: Input, broadcast: &Stream<C>) -> Self {
        let block = broadcast.broadcast_output();
        let second = Input { from: InputFrom::Main { block, output: 0 }, exchange: Some(Exchange::Broadcast) };
        Self { topology, inputs: vec![first, second], parallelism: None, holds: PhantomData }
    }

    fn begin(self) -> Stream<EitherHead<Apart<L, R>>> {
        let shape = BlockShape { inputs: self.inputs, parallelism: self.parallelism, ..BlockShape::default() };
        Stream::begin(self.topology, shape, BlockMakers::default(), Arc::new(|_| Ok(EitherHead::new())))
    }
}

impl<K: Key, T: Data, B: Data + Clone> KeyedBroadcast<K, T, B> {
    pub(super) fn new<C: Chain<Out = B>>(keyed: &KeyedStream<K, T>, broadcast: &Stream<C>) -> Self {
        let meeting = Met::new(keyed.topology(), keyed.input(), broadcast);
        Self { meeting: Met { parallelism: keyed.wanted_parallelism(), ..meeting } }
    }

    /// Sets how many subtasks the block of the operator has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { meeting: Met { parallelism: Some(subtasks), ..self.meeting } }
    }

    /// Hands the records of both streams to a function of the user: those of a key with the states and the timers of the
    /// key, those that are broadcast with the broadcast maps.
    ///
    /// # Shape
    /// Whatever the function emits. What it emits for a broadcast record, each subtask emits.
    ///
    /// # State
    /// What `open` declares. It is called once per subtask and attempt, and makes the function. Broadcast maps lie in the
    /// memory of each subtask, and each subtask's part of a snapshot holds all of them.
    ///
    /// # Recovery
    /// A snapshot holds the states, the broadcast maps and the timers.
    ///
    /// # Example
    /// ```
    /// use millstream::model::Record;
    /// use millstream::operator::{
    ///     BroadcastState, Emit, KeyContext, KeyedBroadcastContext, KeyedBroadcastProcess, ReducingState,
    /// };
    /// use millstream::prelude::*;
    /// use millstream::testing::TopologyDriver;
    ///
    /// /// Says when a customer has spent more than the limit that holds for all.
    /// struct Limits {
    ///     spent: ReducingState<u64>,
    ///     limit: BroadcastState<(), u64>,
    /// }
    ///
    /// impl KeyedBroadcastProcess<u32, (u32, u64), u64> for Limits {
    ///     type Out = u32;
    ///
    ///     fn on_record<E: Emit<u32>>(
    ///         &mut self,
    ///         record: Record<(u32, u64)>,
    ///         context: &mut KeyContext<'_, u32>,
    ///         out: &mut E,
    ///     ) -> Result<()> {
    ///         let (customer, amount) = record.value;
    ///         context.reducing(self.spent).add(amount)?;
    ///         let spent = context.reducing(self.spent).get()?.copied();
    ///         let is_over = context.broadcast(self.limit).get(&()).is_some_and(|limit| spent > Some(*limit));
    ///         if is_over { out.emit(Record { value: customer, time: record.time }) } else { Ok(()) }
    ///     }
    ///
    ///     fn on_broadcast<E: Emit<u32>>(
    ///         &mut self,
    ///         limit: Record<u64>,
    ///         context: &mut KeyedBroadcastContext<'_, u32>,
    ///         _out: &mut E,
    ///     ) -> Result<()> {
    ///         context.broadcast(self.limit).insert((), limit.value);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let topology = Topology::new("limits");
    /// let limits = topology.source("limits", Collection::of(Vec::<u64>::new()));
    /// topology
    ///     .source("orders", Collection::of(Vec::<(u32, u64)>::new()))
    ///     .key_by(|(customer, _)| *customer)
    ///     .connect_broadcast(limits)
    ///     .process("over the limit", |states| {
    ///         let spent = states.keyed().reducing("spent", |sum: &mut u64, amount| *sum += amount)?;
    ///         Ok(Limits { spent, limit: states.broadcast("limit")? })
    ///     })
    ///     .collect("warnings");
    ///
    /// let mut driver = TopologyDriver::new(&topology)?;
    /// driver.push("orders", (7u32, 60u64))?;
    /// driver.push("limits", 100u64)?;
    /// driver.push("orders", (8u32, 60u64))?;
    /// driver.push("orders", (7u32, 60u64))?;
    /// assert_eq!(driver.output::<u32>("warnings"), [7]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn process<P, F>(self, uid: &str, open: F) -> Stream<impl Chain<Out = P::Out> + use<K, T, B, P, F>>
    where
        P: KeyedBroadcastProcess<K, T, B>,
        F: Fn(&mut BroadcastStates<'_, K>) -> Result<P> + Send + Sync + 'static,
    {
        let (stream, name) = (self.meeting.begin(), uid.to_owned());
        stream.topology.draft().keeps_state(stream.block, uid);
        stream.then("broadcast_process", Some(uid), move |context| ProcessKeyedBroadcast::open(&name, context, &open))
    }
}

impl<T: Data, B: Data + Clone> Broadcast<T, B> {
    /// The output 0 of the block `from`, which is closed, and the broadcast stream.
    pub(super) fn new<C: Chain<Out = B>>(topology: Topology, from: usize, broadcast: &Stream<C>) -> Self {
        let first = Input { from: InputFrom::Main { block: from, output: 0 }, exchange: None };
        Self { meeting: Met::new(topology, first, broadcast) }
    }

    /// Sets how many subtasks the block of the operator has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { meeting: Met { parallelism: Some(subtasks), ..self.meeting } }
    }

    /// Hands the records of both streams to a function of the user.
    ///
    /// # Shape
    /// Whatever the function emits. What it emits for a broadcast record, each subtask emits.
    ///
    /// # State
    /// What `open` declares. It is called once per subtask and attempt, and makes the function. All states lie in memory,
    /// and each subtask's part of a snapshot holds all of its own.
    ///
    /// # Recovery
    /// A snapshot holds the states.
    pub fn process<P, F>(self, uid: &str, open: F) -> Stream<impl Chain<Out = P::Out> + use<T, B, P, F>>
    where
        P: BroadcastProcess<T, B>,
        F: Fn(&mut OperatorStates<'_>) -> Result<P> + Send + Sync + 'static,
    {
        let name = uid.to_owned();
        let stream = self.meeting.begin();
        stream.then("broadcast_process", Some(uid), move |context| ProcessBroadcast::open(&name, context, &open))
    }
}
