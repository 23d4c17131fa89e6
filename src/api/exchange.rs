//! Where records change subtask: each exchange ends the stream's block and begins another.

use std::array;
use std::sync::Arc;

use super::stream::Prototype;
use super::topology::{BlockMakers, make_tasks, reading, single_edge};
use super::{Broadcast, KeyedStream, Stream};
use crate::model::{Data, Key, Keyed};
use crate::operator::{BatchHead, Chain, Custom, First, KeyBy, Partition, Random, RoundRobin};
use crate::plan::{BlockShape, Exchange, Input, InputFrom};
use crate::runtime::{BeforeExchange, BlockDeploy, Broadcaster, Fork, PartitionRouter, Router};

/// All records in one subtask, as those of one key; and what is done with them before they travel there.
pub(super) type Together<T> = (Stream<BatchHead<Keyed<(), T>>>, BeforeExchange<Keyed<(), T>>);

impl<C: Chain> Stream<C> {
    /// Sends the records of each key to the subtask that owns the key's group, in the order of each sender.
    ///
    /// # Shape
    /// `Stream<T>` → `KeyedStream<K, T>`, one record out per record in.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let counts = topology
    ///     .source("words", Collection::of(["to", "be", "or", "not", "to", "be"]))
    ///     .key_by(|word| word.to_string())
    ///     .count("counts")
    ///     .collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert!(counts.take().contains(&("be".to_string(), 2)));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn key_by<K, F>(self, key_of: F) -> KeyedStream<K, C::Out>
    where
        K: Key,
        F: FnMut(&C::Out) -> K + Clone + Send + 'static,
    {
        let key_of = Prototype::new(key_of);
        let keyed = self.then("key_by", None, move |_| Ok(KeyBy::new(key_of.instance())));
        let before = keyed.end_keyed_block();
        KeyedStream::new(keyed.topology, keyed.block, before)
    }

    /// Sends each record to the subtask of the same index. Both blocks must have the same parallelism.
    pub fn forward(self) -> Stream<BatchHead<C::Out>> {
        self.exchange(Exchange::Forward, |_, _| First)
    }

    /// Sends records to all subtasks in turn. Each sender begins with another one.
    pub fn rebalance(self) -> Stream<BatchHead<C::Out>> {
        self.exchange(Exchange::Rebalance, |_, index| RoundRobin::starting_at(index as usize))
    }

    /// Sends records in turn to the sender's own part of the subtasks, which costs fewer channels than
    /// [`Stream::rebalance`].
    pub fn rescale(self) -> Stream<BatchHead<C::Out>> {
        self.exchange(Exchange::Rescale, |_, _| RoundRobin::starting_at(0))
    }

    /// Sends each record to a subtask chosen at random, from `seed`.
    pub fn shuffle(self, seed: u64) -> Stream<BatchHead<C::Out>> {
        self.exchange(Exchange::Shuffle, move |_, index| Random::seeded(seed.wrapping_add(u64::from(index))))
    }

    /// Sends everything to the first subtask.
    pub fn global(self) -> Stream<BatchHead<C::Out>> {
        self.exchange(Exchange::Global, |_, _| First)
    }

    /// Sends each record to the subtask that `choose` names, given the record and the number of subtasks.
    ///
    /// # Errors
    /// At run time, if it names a subtask that there is not.
    pub fn partition_by<F>(self, choose: F) -> Stream<BatchHead<C::Out>>
    where
        F: FnMut(&C::Out, usize) -> usize + Clone + Send + 'static,
    {
        let choose = Arc::new(Prototype::new(choose));
        self.exchange(Exchange::Custom, move |_, _| Custom::new(choose.instance()))
    }

    /// Sends each record to every subtask.
    pub fn broadcast(self) -> Stream<BatchHead<C::Out>>
    where
        C::Out: Clone,
    {
        self.broadcast_output();
        self.next_block(0, Some(Exchange::Broadcast))
    }

    /// Ends the block, whose output 0 goes to every subtask of the next one. Gives the block.
    pub(super) fn broadcast_output(&self) -> usize
    where
        C::Out: Clone,
    {
        self.end_block(1, |deploy, index| Broadcaster::new(0, deploy.channels(0, index), deploy.batch_records));
        self.block
    }

    /// Puts the records of this stream before one operator with all records of `broadcast`, which every subtask hears:
    /// with rules, with limits, with what else is small and holds for all.
    ///
    /// Event time is that of the slower of the two: a broadcast stream without end needs `event_time` with `idle_after`, if
    /// anything behind the operator waits for watermarks.
    pub fn connect_broadcast<D>(self, broadcast: Stream<D>) -> Broadcast<C::Out, D::Out>
    where
        D: Chain<Out: Clone>,
    {
        self.end_block(1, single_edge(|deploy: &BlockDeploy, index| deploy.local(0, index)));
        Broadcast::new(self.topology, self.block, &broadcast)
    }

    /// Sends everything to one subtask, as the records of one key.
    pub(super) fn together(self) -> Together<C::Out> {
        let keyed = self.then("all", None, |_| Ok(KeyBy::new(|_: &C::Out| ())));
        let before = keyed.end_keyed_block();
        (keyed.next_block(0, Some(Exchange::Global)), before)
    }

    /// Gives `N` streams of the same records.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let [left, right] = topology.source("numbers", Collection::of([1, 2, 3])).split();
    /// let (left, right) = (left.collect("left"), right.filter(|n| n % 2 == 1).collect("right"));
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!((left.take(), right.take()), (vec![1, 2, 3], vec![1, 3]));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn split<const N: usize>(self) -> [Stream<BatchHead<C::Out>>; N]
    where
        C::Out: Clone,
    {
        self.end_block(N, |deploy, index| {
            let branch = |edge| -> Box<dyn Router<C::Out>> {
                let channels = deploy.channels(edge, index);
                Box::new(PartitionRouter::new(edge, deploy.local(edge, index), channels, deploy.batch_records))
            };
            Fork { branches: (0..N).map(branch).collect() }
        });
        array::from_fn(|output| self.next_block(output, None))
    }

    /// Gives one stream of the records of both. The order of each is kept; how they interleave is left open.
    pub fn union<D: Chain<Out = C::Out>>(self, other: Stream<D>) -> Stream<BatchHead<C::Out>> {
        self.end_block(1, single_edge(|deploy: &BlockDeploy, index| deploy.local(0, index)));
        other.end_block(1, single_edge(|deploy: &BlockDeploy, index| deploy.local(0, index)));
        let input = |block| Input { from: InputFrom::Main { block, output: 0 }, exchange: None };
        let inputs = vec![input(self.block), input(other.block)];
        let shape = BlockShape { inputs, ..BlockShape::default() };
        let stream = Stream::begin(self.topology, shape, BlockMakers::default(), Arc::new(|_| Ok(BatchHead::new())));
        stream.topology.draft().add(stream.block, "union", None);
        stream
    }

    /// Ends the block with one edge, along which `partition` chooses, and begins the next.
    fn exchange<T, P>(
        self,
        exchange: Exchange,
        partition: impl Fn(&BlockDeploy, u32) -> P + Clone + Send + Sync + 'static,
    ) -> Stream<BatchHead<T>>
    where
        T: Data,
        C: Chain<Out = T>,
        P: Partition<T>,
    {
        self.end_block(1, single_edge(partition));
        self.next_block(0, Some(exchange))
    }

    /// Ends a block whose records have keys. What reads them may say what happens to them before they travel.
    fn end_keyed_block<K: Key, T: Data>(&self) -> BeforeExchange<Keyed<K, T>>
    where
        C: Chain<Out = Keyed<K, T>>,
    {
        let before = BeforeExchange::nothing();
        let read = before.clone();
        self.end_block(1, move |deploy, index| read.router(deploy, index));
        before
    }

    pub(super) fn end_block<R: Router<C::Out>>(
        &self,
        outputs: usize,
        router: impl Fn(&BlockDeploy, u32) -> R + Clone + Send + Sync + 'static,
    ) {
        let tasks = make_tasks(Arc::clone(&self.open), router);
        self.topology.draft().close(self.block, outputs, tasks);
    }

    fn next_block<T: Data>(&self, output: usize, exchange: Option<Exchange>) -> Stream<BatchHead<T>> {
        let shape = reading(self.block, output, exchange);
        Stream::begin(self.topology.clone(), shape, BlockMakers::default(), Arc::new(|_| Ok(BatchHead::new())))
    }
}
