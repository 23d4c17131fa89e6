//! The queries of the benchmark Nexmark give what loops over vectors give, also when subtasks die on the way.

use std::time::Duration;

use millstream::prelude::*;
use millstream_benches::nexmark::{NAMES, Nexmark, Query, Visit, check, with_query};

/// Runs a query on threads, without kills and with some.
struct Jobs;

impl Visit for Jobs {
    type Outcome = ();

    fn visit<Q: Query>(&mut self) {
        let source = Nexmark { events: 20_000, events_per_second: 500 };
        let options = || JobOptions::new().parallelism(2).checkpoint_interval(Duration::from_millis(20));
        for kills in [0, 2] {
            check::job::<Q>(source, options(), kills).unwrap_or_else(|message| panic!("{message}"));
        }
    }
}

/// Runs a query in simulation, with kills drawn from seeds, and counts how often it was restored from a checkpoint.
struct Simulations {
    restores: usize,
}

impl Visit for Simulations {
    type Outcome = ();

    fn visit<Q: Query>(&mut self) {
        let source = Nexmark { events: 2_000, events_per_second: 50 };
        for seed in 1..=3 {
            self.restores += check::simulation::<Q>(source, seed, 3).unwrap_or_else(|message| panic!("{message}"));
        }
    }
}

#[test]
fn each_query_gives_what_loops_over_vectors_give() {
    for name in NAMES {
        with_query(name, &mut Jobs).expect("it is one of the names");
    }
}

#[test]
fn each_query_is_exact_whatever_is_killed_in_simulation() {
    for name in NAMES {
        let mut simulations = Simulations { restores: 0 };
        with_query(name, &mut simulations).expect("it is one of the names");
        assert!(simulations.restores > 0, "{name} was never restored");
    }
}
