//! Random plans under random faults: whatever is built of streams, and whatever dies, the output is that of an oracle
//! that knows nothing of Millstream.

mod model {
    mod oracle;
    pub(crate) mod plans;
}
mod rig;

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::testing::{Exploration, Simulation};
use model::plans::{Drawn, STAGES};

const RUNS_PER_PLAN: u64 = 2;

/// Runs the plan of `seed` under faults.
fn explore(drawn: &Drawn) -> Exploration {
    let seeds = drawn.seed * RUNS_PER_PLAN..(drawn.seed + 1) * RUNS_PER_PLAN;
    let simulation = Simulation::new(drawn.topology.clone(), 0)
        .options(|options| options.parallelism(drawn.parallelism).checkpoint_interval(Duration::from_millis(3)))
        .kill_randomly(2)
        .fault_randomly(2);
    simulation.explore(seeds, |run| {
        drawn.outputs.iter().try_for_each(|(uid, expected)| run.check_output_by(uid, expected, |(key, _)| *key))
    })
}

#[test]
fn random_plans_under_random_faults_give_what_the_oracle_gives() {
    let (mut kills, mut restores, mut checkpoints, mut records) = (0, 0, 0, 0);
    let mut stages = BTreeMap::<&str, u32>::new();
    let plans = rig::effort::plans();
    for seed in 0..plans {
        let drawn = Drawn::of(seed);
        let explored = explore(&drawn);
        if let Some(counterexample) = explored.counterexample() {
            panic!("plan of seed {seed}:\n{}\n{counterexample}", drawn.text());
        }
        (kills, restores) = (kills + explored.kills(), restores + explored.restores());
        checkpoints += explored.checkpoints();
        records += drawn.outputs.iter().map(|(_, expected)| expected.len()).sum::<usize>();
        drawn.stages.iter().for_each(|stage| *stages.entry(stage).or_default() += 1);
    }
    println!("{kills} kills, {restores} restores, {checkpoints} checkpoints, {records} records expected; {stages:?}");
    assert!(kills > plans && restores > plans / 2 && checkpoints > 4 * plans, "{kills}, {restores}, {checkpoints}");
    assert_eq!(stages.len(), STAGES.len(), "{stages:?}");
    assert!(stages.values().all(|drawn| *drawn > 9), "{stages:?}");
}
