//! Rules that every subtask hears: orders are judged by the limit that held when they were made, though limits change, and
//! come on a stream of their own.
//!
//! Two streams say nothing about which of their records come first. What puts them in order is event time: an order waits
//! until the watermark, which is that of both streams, says that every limit before it has come.
//!
//! Prints each order that was over its limit.

use std::collections::BTreeMap;

use millstream::model::Record;
use millstream::operator::{
    BroadcastState, BroadcastStates, Emit, KeyContext, KeyedBroadcastContext, KeyedBroadcastProcess, ListState, Timer,
};
use millstream::prelude::*;

/// A customer's order: who, how much, and when.
type Order = (u32, u64, i64);

/// A limit for all orders, and the time from which it holds.
type Limit = (u64, i64);

/// Emits orders that are over the limit of their time.
struct Judge {
    waiting: ListState<Order>,
    limits: BroadcastState<Timestamp, u64>,
}

impl Judge {
    fn open(states: &mut BroadcastStates<'_, u32>) -> Result<Self> {
        Ok(Self { waiting: states.keyed().list("waiting")?, limits: states.broadcast("limits")? })
    }
}

/// The limit that holds at `time`.
fn limit_at(limits: &BTreeMap<Timestamp, u64>, time: i64) -> u64 {
    limits.range(..=Timestamp::from_millis(time)).next_back().map_or(u64::MAX, |(_, limit)| *limit)
}

impl KeyedBroadcastProcess<u32, Order, Limit> for Judge {
    type Out = Order;

    fn on_record<E: Emit<Order>>(
        &mut self,
        order: Record<Order>,
        context: &mut KeyContext<'_, u32>,
        _out: &mut E,
    ) -> Result<()> {
        context.list(self.waiting).push(order.value)?;
        context.register_event_timer(order.time)
    }

    fn on_broadcast<E: Emit<Order>>(
        &mut self,
        limit: Record<Limit>,
        context: &mut KeyedBroadcastContext<'_, u32>,
        _out: &mut E,
    ) -> Result<()> {
        context.broadcast(self.limits).insert(limit.time, limit.value.0);
        Ok(())
    }

    /// All limits up to the time of the timer have come.
    fn on_timer<E: Emit<Order>>(&mut self, timer: Timer, context: &mut KeyContext<'_, u32>, out: &mut E) -> Result<()> {
        let now = timer.time.as_millis();
        let (due, waiting): (Vec<_>, Vec<_>) = context.list(self.waiting).take()?.into_iter().partition(|o| o.2 <= now);
        context.list(self.waiting).extend(waiting)?;
        let limits = context.broadcast(self.limits);
        let over = due.into_iter().filter(|(_, amount, at)| *amount > limit_at(limits, *at));
        over.map(|order| Record::at(order, timer.time)).try_for_each(|order| out.emit(order))
    }
}

fn main() -> Result<()> {
    // Orders become larger and larger, and the limit changes every ten of them.
    let orders = (0..40i64).map(|n| ((n % 4) as u32, 10 * n as u64, n));
    let limits = vec![(1_000, 0), (150, 10), (250, 20), (380, 30)];

    let topology = Topology::new("limits");
    let rules = topology
        .source("limits", Collection::of(limits.clone()))
        .event_time(Watermarks::monotonic(), |limit: &Limit| limit.1);
    let over = topology
        .source("orders", Collection::of(orders.clone()))
        .event_time(Watermarks::monotonic(), |order: &Order| order.2)
        .key_by(|(customer, _, _)| *customer)
        .connect_broadcast(rules)
        .process("judge", Judge::open)
        .collect("over the limit");
    topology.start(JobOptions::new())?.wait()?;

    let mut over = over.take();
    over.sort_by_key(|(_, _, at)| *at);
    for (customer, amount, at) in &over {
        println!("customer {customer} ordered for {amount} at {at}");
    }

    // The same, without Millstream.
    let limits = limits.into_iter().map(|(limit, from)| (Timestamp::from_millis(from), limit)).collect();
    let expected = orders.filter(|(_, amount, at)| *amount > limit_at(&limits, *at)).collect::<Vec<_>>();
    assert!(!expected.is_empty());
    assert_eq!(over, expected);
    Ok(())
}
