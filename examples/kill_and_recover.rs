//! Kills every subtask of a running job once, and shows that the result is the one of a job in which nothing died.
//!
//! Prints each kill, the checkpoint that the job was restored from, and the milliseconds until it worked again.

use std::collections::HashMap;
use std::time::Duration;

use millstream::prelude::*;

const ORDERS: u64 = 3_000_000;
const CUSTOMERS: u64 = 1_000;

fn main() -> Result<()> {
    let topology = Topology::new("orders per customer");
    let totals = topology
        .source("orders", Generator::new(ORDERS, |order| (order % CUSTOMERS, order)))
        .key_by(|(customer, _)| *customer)
        .count("orders per customer")
        .collect("totals");
    let options = JobOptions::new()
        .parallelism(2)
        .checkpoint_interval(Duration::from_millis(20))
        .restart(RestartPolicy::FixedDelay { attempts: None, delay: Duration::ZERO });

    let mut job = topology.start(options)?;
    for victim in job.subtasks() {
        // Behind a new checkpoint there is something to recover.
        let known = job.ledger().checkpoints;
        let running = job.wait_until(|job| {
            let ended = job.status.is_final();
            (ended || job.completed > known).then_some(!ended)
        });
        if running == Some(true) {
            job.kill(victim);
        }
    }
    let ledger = job.wait()?;

    for (died, next) in job.attempts().iter().zip(job.attempts().iter().skip(1)) {
        let failure = died.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        let from = next.restored_from.map_or("nothing".to_owned(), |checkpoint| format!("checkpoint {checkpoint}"));
        match next.first_record {
            Some(at) => println!("{failure}; restored from {from}, at work again after {:.1?}", at.since(next.began)),
            None => println!("{failure}; restored from {from}, killed again before its first result"),
        }
    }
    assert!(ledger.restarts > 0, "the job ended before anything was killed");

    // Exactly once: a customer with n orders was counted 1, 2, ..., n, each number once.
    let mut counts = HashMap::<u64, Vec<u64>>::new();
    for (customer, count) in totals.take() {
        counts.entry(customer).or_default().push(count);
    }
    assert_eq!(counts.len() as u64, CUSTOMERS);
    for (customer, mut counts) in counts {
        counts.sort_unstable();
        assert!(counts.into_iter().eq(1..=ORDERS / CUSTOMERS), "customer {customer}");
    }
    println!("{} restarts, {ORDERS} orders, each counted exactly once", ledger.restarts);
    Ok(())
}
