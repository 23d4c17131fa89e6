//! How many simulated runs a second one core does: a source of 1,000 records, a keyed count, an exactly-once sink, at
//! least ten checkpoints and two kills per run.

use std::time::{Duration, Instant};

use millstream::actors::faults::CrashPoint;
use millstream::prelude::*;
use millstream::testing::{Fault, Simulation, Target};

const RECORDS: u64 = 1_000;
const KEYS: u64 = 20;

fn main() {
    let runs = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(200);
    let topology = Topology::new("counts");
    topology
        .source("numbers", Generator::new(RECORDS, |number| number * 7 % KEYS).at_rate(20_000))
        .key_by(|key| *key)
        .count("counts")
        .collect("results");
    let expected = (0..KEYS).flat_map(|key| (1..=RECORDS / KEYS).map(move |count| (key, count))).collect::<Vec<_>>();
    let simulation = Simulation::new(topology, 0)
        .options(|options| options.checkpoint_interval(Duration::from_millis(1)))
        .fault(Fault::kill(Target::subtask("counts", 0)).at_checkpoint(3, CrashPoint::AfterSnapshot))
        .fault(Fault::kill(Target::subtask("counts", 1)).at_checkpoint(7, CrashPoint::AfterSnapshot));
    let started = Instant::now();
    let explored = simulation.explore(0..runs, |run| run.check_output("results", &expected));
    let elapsed = started.elapsed();
    explored.assert_holds();
    println!(
        "{:.0} runs/s ({} runs, {:.1} checkpoints and {:.1} kills each)",
        runs as f64 / elapsed.as_secs_f64(),
        explored.runs(),
        explored.checkpoints() as f64 / runs as f64,
        explored.kills() as f64 / runs as f64,
    );
}
