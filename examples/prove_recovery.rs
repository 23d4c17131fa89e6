//! Proves a topology's recovery: random kills at random points of hundreds of simulated runs, and the output stays exact.
//!
//! `prove_recovery 20000` tries that many seeds, in place of 300.
//!
//! Prints how many runs, kills and restores there were, and the number that tells the first run from all others: it is the
//! same in every process and in every build. The test below is what a project would have.

use millstream::prelude::*;
use millstream::testing::Simulation;

/// What is to be proven: the spending of each customer, in cents.
fn spending(orders: impl IntoIterator<Item = (u32, u64)>) -> Topology {
    let topology = Topology::new("spending");
    topology
        .source("orders", Collection::of(orders))
        // One subtask reads, so that each customer's orders keep their order, and the sums on the way are known.
        .parallelism(1)
        .filter(|(_, cents)| *cents > 0)
        .key_by(|(customer, _)| *customer)
        .sum("spending", |(_, cents)| *cents)
        .collect("totals");
    topology
}

fn orders() -> Vec<(u32, u64)> {
    (0..600u64).map(|order| ((order * 7 % 13) as u32, order % 50)).collect()
}

/// The same, without Millstream.
fn expected() -> Vec<(u32, u64)> {
    let mut totals = [0; 13];
    let counted = orders().into_iter().filter(|(_, cents)| *cents > 0).map(|(customer, cents)| {
        totals[customer as usize] += cents;
        (customer, totals[customer as usize])
    });
    counted.collect()
}

fn main() {
    let seeds = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(300);
    let simulation = Simulation::new(spending(orders()), 0).kill_randomly(3);
    let expected = expected();
    let explored =
        simulation.explore(0..seeds, |run| run.check_output_by("totals", &expected, |(customer, _)| *customer));
    explored.assert_holds();
    println!("{} runs, {} kills, {} restores: exact", explored.runs(), explored.kills(), explored.restores());
    println!("trace of seed 0: {:016x}", simulation.run().trace_hash());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_exact_whatever_dies() {
        for seed in 0..50 {
            Simulation::new(spending(orders()), seed).kill_randomly(3).run().assert_output("totals", &expected());
        }
    }
}
