//! Joins two streams by time: each order with the payment that follows it within a minute.
//!
//! The streams are read side by side, each at its own pace and a little out of order; the result depends on neither. An order
//! waits for its payment until event time is a minute further, and is then forgotten: so the state stays small, however long
//! the streams are.
//!
//! Prints which orders were paid in time, and how long each customer took.

use millstream::prelude::*;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Order {
    number: u32,
    customer: String,
    /// Milliseconds since the shop opened.
    at: i64,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Payment {
    order: u32,
    at: i64,
}

fn orders() -> Vec<Order> {
    let order = |number: u32, customer: &str, at| Order { number, customer: customer.to_owned(), at };
    vec![order(1, "Ada", 0), order(3, "Cem", 41_000), order(2, "Ben", 40_000), order(4, "Dora", 90_000)]
}

fn payments() -> Vec<Payment> {
    let payment = |order, at| Payment { order, at };
    // Ben pays at the last moment, Cem too late, and Dora not at all.
    vec![payment(2, 100_000), payment(1, 12_500), payment(3, 101_001)]
}

fn main() -> Result<()> {
    let topology = Topology::new("paid orders");
    let watermarks = || Watermarks::bounded_out_of_order(90.seconds());
    let orders = topology
        .source("orders", Collection::of(orders()))
        .event_time(watermarks(), |order| order.at)
        .key_by(|order| order.number);
    let payments = topology
        .source("payments", Collection::of(payments()))
        .event_time(watermarks(), |payment| payment.at)
        .key_by(|payment| payment.order);
    let paid = orders
        .connect(payments)
        .interval_join("paid in time", Bounds::between(Timespan::ZERO, 1.minutes()))
        .apply(|order, payment| (order.number, order.customer.clone(), payment.at - order.at))
        .collect("paid orders");
    topology.start(JobOptions::new())?.wait()?;

    let mut paid = paid.take();
    paid.sort_unstable();
    for (number, customer, millis) in &paid {
        println!("order {number}: {customer} paid after {:.1} s", *millis as f64 / 1_000.0);
    }
    assert_eq!(paid, [(1, "Ada".to_owned(), 12_500), (2, "Ben".to_owned(), 60_000)]);
    Ok(())
}
