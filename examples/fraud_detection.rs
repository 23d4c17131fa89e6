//! A function with state and timers: a large payment within a minute of a tiny one, from the same account, is suspicious.
//!
//! Who steals a card tries it first with a tiny payment. So an account is marked when it makes one, and a timer takes the
//! mark away when a minute of event time has passed: a quiet account keeps no state.
//!
//! Prints each suspicious payment.

use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, States, Timer, ValueState};
use millstream::prelude::*;

/// A payment of fewer cents is tiny.
const TINY: u64 = 100;
/// A payment of as many cents is large.
const LARGE: u64 = 50_000;

#[derive(Debug, Clone, PartialEq)]
struct Payment {
    account: u32,
    cents: u64,
    at: i64,
}

/// Emits large payments that come within a minute of a tiny one.
struct FraudDetector {
    marked_until: ValueState<Timestamp>,
}

impl FraudDetector {
    fn open(states: &mut States<'_, u32>) -> Result<Self> {
        Ok(Self { marked_until: states.value("marked until")? })
    }
}

impl KeyedProcess<u32, Payment> for FraudDetector {
    type Out = Payment;

    fn on_record<E: Emit<Payment>>(
        &mut self,
        payment: Record<Payment>,
        context: &mut KeyContext<'_, u32>,
        out: &mut E,
    ) -> Result<()> {
        let mark = context.value(self.marked_until).take()?;
        if let Some(until) = mark {
            context.delete_event_timer(until)?;
        }
        if payment.value.cents < TINY {
            let until = payment.time + 1.minutes();
            context.value(self.marked_until).set(until)?;
            context.register_event_timer(until)?;
        }
        // A timer fires at a watermark, and that may come long after the minute is over: the mark itself says until when.
        let is_marked = mark.is_some_and(|until| payment.time < until);
        if is_marked && payment.value.cents >= LARGE { out.emit(payment) } else { Ok(()) }
    }

    /// The minute is over, and nothing happened.
    fn on_timer<E: Emit<Payment>>(
        &mut self,
        _timer: Timer,
        context: &mut KeyContext<'_, u32>,
        _out: &mut E,
    ) -> Result<()> {
        context.value(self.marked_until).take()?;
        Ok(())
    }
}

fn main() -> Result<()> {
    let payment = |account, cents, seconds: i64| Payment { account, cents, at: seconds * 1_000 };
    let payments = [
        payment(1, 99, 0),
        payment(2, 75_000, 5), // large, but nothing tiny before it
        payment(1, 60_000, 30),
        payment(3, 1, 31),
        payment(1, 70_000, 40),
        payment(3, 2_000, 50), // neither tiny nor large: the account is not marked any more
        payment(3, 90_000, 60),
        payment(4, 50, 100),
        payment(4, 80_000, 160), // the minute is over
        payment(2, 10, 161),
        payment(2, 50_000, 200),
    ];

    let topology = Topology::new("fraud detection");
    let suspicious = topology
        .source("payments", Collection::of(payments))
        .parallelism(1) // one reader, so that the payments of an account keep their order
        .event_time(Watermarks::monotonic(), |payment: &Payment| payment.at)
        .key_by(|payment| payment.account)
        .process("fraud detector", FraudDetector::open)
        .collect("suspicious payments");
    topology.start(JobOptions::new())?.wait()?;

    let mut suspicious = suspicious.take();
    suspicious.sort_by_key(|payment| payment.at);
    for Payment { account, cents, at } in &suspicious {
        println!("account {account}: {}.{:02} at second {}", cents / 100, cents % 100, at / 1_000);
    }
    assert_eq!(suspicious, [payment(1, 60_000, 30), payment(2, 50_000, 200)]);
    Ok(())
}
