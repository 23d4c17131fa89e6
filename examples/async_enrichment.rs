//! Calls to a slow service for each record: many at a time, in any order, tried again, and not waited for for ever.
//!
//! The service takes 5 ms for an answer, often says that it is busy, and never answers for one customer. One call after the
//! other would take 2.5 s.
//!
//! Prints how long it took, and what became of the customer without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use millstream::operator::Retries;
use millstream::prelude::*;

const ORDERS: u32 = 500;
/// The service never answers for this customer.
const LOST: u32 = 77;

/// Says that the service wants to be asked again.
#[derive(Debug)]
struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service is busy")
    }
}

impl std::error::Error for Busy {}

/// The name of a customer, as the service knows it.
async fn name_of(customer: u32, calls: Arc<AtomicU32>) -> Result<String, Busy> {
    // Every third call is one too many.
    let is_busy = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
    if customer == LOST {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    if is_busy { Err(Busy) } else { Ok(format!("customer {customer}")) }
}

fn main() -> Result<()> {
    let calls = Arc::new(AtomicU32::new(0));
    let service = Arc::clone(&calls);
    let ask = move |order: u32| {
        let answer = name_of(order, Arc::clone(&service));
        async move { answer.await.map(|name| (order, name)) }
    };
    let lookup = AsyncMap::unordered(ask)
        .capacity(50)
        .retries(Retries::fixed(20, Duration::from_millis(1)))
        .timeout(Duration::from_millis(500))
        .on_timeout(|order| (order, "unknown".to_owned()));

    let topology = Topology::new("enrichment");
    let named =
        topology.source("orders", Collection::of(0..ORDERS)).map_async_with("names", lookup).collect("named orders");
    let started = Instant::now();
    topology.start(JobOptions::new().parallelism(1))?.wait()?;

    let mut named = named.take();
    let came_in_order = named.is_sorted();
    named.sort();
    let (tries, lost) = (calls.load(Ordering::Relaxed), &named[LOST as usize].1);
    println!("{ORDERS} orders, {tries} calls, {:.1?}; in order: {came_in_order}", started.elapsed());
    println!("the name of customer {LOST}: {lost}");

    assert!(tries > ORDERS, "busy answers were asked for again");
    let expected = (0..ORDERS).map(|order| match order {
        LOST => (order, "unknown".to_owned()),
        _ => (order, format!("customer {order}")),
    });
    assert_eq!(named, expected.collect::<Vec<_>>());
    Ok(())
}
