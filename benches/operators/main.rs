//! What each operator costs per record: the time of a job with it less that of the same job without it.
//!
//! `cargo bench --bench operators -- [records=5000000] [keys=1000] [rounds=5] [NAME ...]` prints, for all operators or
//! those that are named, nanoseconds per record on one thread. The two jobs take turns. `fastest` is the difference between
//! the fastest runs of both, which whatever else runs on the machine disturbs least; the others are of the rounds. An
//! operator that is fused may cost nothing, and by chance of the code that is made, less.

mod cases;

use std::process::ExitCode;

use cases::{ALL, Build, Case, Input};
use millstream::prelude::*;
use millstream_benches::micro::run;

/// What is measured.
struct Wanted {
    input: Input,
    rounds: usize,
    names: Vec<String>,
}

impl Wanted {
    fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self { input: Input { records: 5_000_000, keys: 1_000 }, rounds: 5, names: Vec::new() };
        for word in words {
            let Some((name, value)) = word.split_once('=') else {
                if !ALL.iter().any(|case| case.name == word) {
                    let names = ALL.map(|case| case.name).join(", ");
                    return Err(format!("there is no operator '{word}'; there are {names}"));
                }
                wanted.names.push(word);
                continue;
            };
            let value = value.replace('_', "").parse::<u64>().ok().filter(|value| *value > 0);
            let value = value.ok_or_else(|| format!("'{word}' is not of the form name=number"))?;
            match name {
                "records" => wanted.input.records = value,
                "keys" => wanted.input.keys = value,
                "rounds" => wanted.rounds = value as usize,
                _ => return Err(format!("there is no parameter '{name}'; there are records, keys, rounds")),
            }
        }
        Ok(wanted)
    }

    fn has(&self, case: &Case) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == case.name)
    }

    /// What the operator costs per record: by the fastest runs, and in each round, in ascending order.
    fn nanos(&self, case: &Case) -> (f64, Vec<f64>) {
        let of = |build: Build| self.seconds(build) * 1e9 / self.input.records as f64;
        let rounds = (0..self.rounds).map(|_| (of(case.with), of(case.without))).collect::<Vec<_>>();
        let fastest =
            rounds.iter().fold((f64::MAX, f64::MAX), |(a, b), (with, without)| (a.min(*with), b.min(*without)));
        let mut nanos = rounds.iter().map(|(with, without)| with - without).collect::<Vec<_>>();
        nanos.sort_by(f64::total_cmp);
        (fastest.0 - fastest.1, nanos)
    }

    fn seconds(&self, build: Build) -> f64 {
        let topology = Topology::new("operators");
        build(&topology, self.input);
        run(&topology, JobOptions::new().parallelism(1).workers(1).without_checkpoints()).as_secs_f64()
    }
}

fn main() -> ExitCode {
    // Cargo says that it is a bench.
    let wanted = match Wanted::parse(std::env::args().skip(1).filter(|word| word != "--bench")) {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:<16} {:>9} {:>9} {:>9} {:>9}   behind", "ns per record", "fastest", "median", "least", "greatest");
    for case in ALL.iter().filter(|case| wanted.has(case)) {
        let (fastest, nanos) = wanted.nanos(case);
        let (least, median, greatest) = (nanos[0], nanos[nanos.len() / 2], nanos[nanos.len() - 1]);
        let name = case.name;
        println!("{name:<16} {fastest:>9.1} {median:>9.1} {least:>9.1} {greatest:>9.1}   {}", case.behind);
    }
    ExitCode::SUCCESS
}
