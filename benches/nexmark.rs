//! The queries of Nexmark: each is an ordinary topology over the events of the `nexmark` crate.
//!
//! `cargo bench --bench nexmark -- QUERY [key=value ...]` measures a query, or `all`, and prints a line of JSON.
//! `cargo bench --bench nexmark -- check QUERY [key=value ...]` compares the results with a naive reference.
//! `cargo bench --bench nexmark -- simulate QUERY [key=value ...]` does so in simulation.
//!
//! Keys are `events`, `events_per_second` (of event time), `parallelism`, `checkpoint_ms` (0 = off); to compare, also `kills`
//! (how often something dies on the way); for simulation, `seed`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use millstream::prelude::*;
use millstream_benches::nexmark::{NAMES, Nexmark, Query, Visit, check, measure, with_query};

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect::<Vec<_>>();
    let words = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let outcome = match words[..] {
        [] => {
            eprintln!("no query is named: nothing to do; try `cargo bench --bench nexmark -- q5 events=1000000`");
            Ok(())
        }
        ["simulate", name, ref parameters @ ..] => {
            Parameters::parse(parameters).and_then(|given| each(name, Simulate(given)))
        }
        ["check", name, ref parameters @ ..] => {
            Parameters::parse(parameters).and_then(|given| each(name, Check(given)))
        }
        [name, ref parameters @ ..] => Parameters::parse(parameters).and_then(|given| each(name, Measure(given))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Does the same with the query of this name, or with all, and prints what comes of it.
fn each(name: &str, mut visit: impl Visit<Outcome = Result<String, String>>) -> Result<(), String> {
    let names = if name == "all" { NAMES } else { &[name] };
    for name in names {
        let outcome = with_query(name, &mut visit);
        println!("{}", outcome.ok_or_else(|| format!("there is no query '{name}'; there are {}", NAMES.join(", ")))??);
    }
    Ok(())
}

/// `key=value` arguments that are numbers.
struct Parameters {
    given: BTreeMap<String, u64>,
}

impl Parameters {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let known = ["events", "events_per_second", "parallelism", "checkpoint_ms", "kills", "seed"];
        let mut given = BTreeMap::new();
        for argument in arguments {
            let (key, value) = argument.split_once('=').ok_or(format!("'{argument}' is not of the form key=value"))?;
            if !known.contains(&key) {
                return Err(format!("there is no parameter '{key}'; there are {}", known.join(", ")));
            }
            let number = value.replace('_', "").parse().map_err(|_| format!("{key}={value} is not a number"))?;
            given.insert(key.to_owned(), number);
        }
        Ok(Self { given })
    }

    fn number(&self, key: &str, default: u64) -> u64 {
        self.given.get(key).copied().unwrap_or(default)
    }

    /// The events: a million, if nothing else is said.
    fn source(&self) -> Nexmark {
        self.source_of(1_000_000)
    }

    fn source_of(&self, events: u64) -> Nexmark {
        let events_per_second = self.number("events_per_second", 10_000) as usize;
        Nexmark { events: self.number("events", events), events_per_second }
    }

    fn kills(&self) -> usize {
        self.number("kills", 0) as usize
    }

    fn parallelism(&self) -> u32 {
        self.number("parallelism", 2) as u32
    }

    fn options(&self) -> JobOptions {
        let options = JobOptions::new().parallelism(self.parallelism());
        match self.number("checkpoint_ms", 1000) {
            0 => options.without_checkpoints(),
            millis => options.checkpoint_interval(Duration::from_millis(millis)),
        }
    }
}

/// Measures.
struct Measure(Parameters);

impl Visit for Measure {
    type Outcome = Result<String, String>;

    fn visit<Q: Query>(&mut self) -> Self::Outcome {
        measure::run::<Q>(self.0.source(), self.0.parallelism(), self.0.options())
    }
}

/// Compares with the reference.
struct Check(Parameters);

impl Visit for Check {
    type Outcome = Result<String, String>;

    fn visit<Q: Query>(&mut self) -> Self::Outcome {
        check::job::<Q>(self.0.source(), self.0.options(), self.0.kills())
    }
}

/// Compares in simulation.
struct Simulate(Parameters);

impl Visit for Simulate {
    type Outcome = Result<String, String>;

    fn visit<Q: Query>(&mut self) -> Self::Outcome {
        let seed = self.0.number("seed", 0);
        let restores = check::simulation::<Q>(self.0.source_of(2_000), seed, self.0.kills())?;
        Ok(format!("{}: the results are right, with seed {seed} and {restores} restores", Q::NAME))
    }
}
