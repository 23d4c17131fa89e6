//! Simulation notices what it is there to notice: an engine that breaks one of its laws is found out, and a healthy one is
//! not accused.

use std::time::Duration;

use millstream::actors::sabotage::Sabotage;
use millstream::prelude::*;
use millstream::testing::{Fault, Simulation};

use crate::rig::effort::seeds;

const RECORDS: u64 = 400;
const KEYS: u64 = 10;
const SEEDS: u64 = 1_000;

/// Two sources whose records meet in a keyed count, and an exactly-once sink.
fn simulation() -> (Simulation, Vec<(u64, u64)>) {
    let topology = Topology::new("meeting");
    let source = |uid: &str| topology.source(uid, Generator::new(RECORDS / 2, |number| number % KEYS));
    source("left").union(source("right")).key_by(|key| *key).count("counts").collect("results");
    let expected = (0..KEYS).flat_map(|key| (1..=RECORDS / KEYS).map(move |count| (key, count))).collect();
    let options = |options: JobOptions| options.checkpoint_interval(Duration::from_millis(5));
    // Manifests are written late, so that an attempt is often over before the manifest that it asked for is there.
    let late = Fault::slow_publish(Duration::from_millis(12)).always();
    (Simulation::new(topology, 0).options(options).fault(late).kill_randomly(4), expected)
}

fn is_found_out(what: Sabotage) {
    let (simulation, expected) = simulation();
    let explored = simulation.sabotage(what).explore(seeds(0..SEEDS), |run| run.check_output("results", &expected));
    let found = explored.counterexample().unwrap_or_else(|| panic!("{what:?} was not noticed: {explored:?}"));
    println!("{what:?} was noticed in run {}:\n{found}", explored.runs());
}

#[test]
fn healthy_engine_is_not_accused() {
    let (simulation, expected) = simulation();
    let explored = simulation.explore(seeds(0..300), |run| run.check_output("results", &expected));
    explored.assert_holds();
    assert!(explored.kills() > 300 && explored.restores() > 150, "{explored:?}");
}

#[test]
fn skipped_alignment_is_found_out() {
    is_found_out(Sabotage::SkipAlignment);
}

#[test]
fn announcement_before_publication_is_found_out() {
    is_found_out(Sabotage::AnnounceBeforePublishing);
}

#[test]
fn forgotten_fold_horizon_is_found_out() {
    is_found_out(Sabotage::ForgetFoldHorizon);
}

#[test]
fn early_commit_is_found_out() {
    is_found_out(Sabotage::CommitEarly);
}

#[test]
fn dropped_pending_transactions_are_found_out() {
    is_found_out(Sabotage::DropPendingTransactions);
}

#[test]
fn mail_of_an_old_attempt_is_found_out() {
    is_found_out(Sabotage::KeepOldMail);
}
