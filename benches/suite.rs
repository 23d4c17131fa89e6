//! Whole jobs, measured: each workload is an ordinary topology, prints one JSON line, and is checked by a checksum.
//!
//! `cargo bench --bench suite -- WORKLOAD [key=value ...]`. Keys are `records`, `keys`, `campaigns`, `ads` (per campaign),
//! `rate` (records per second), `kill_at` (a record of subtask 0), `checkpoint_ms` (0 = off), `parallelism`, `state_dir`,
//! `memory` (bytes per subtask), `operators` (of a chain). The line goes to standard output, everything else to standard error.

#[path = "suite/chain.rs"]
mod chain;
#[path = "suite/due.rs"]
mod due;
#[path = "suite/events.rs"]
mod events;
#[path = "suite/every_thousand.rs"]
mod every_thousand;
#[path = "suite/exchange.rs"]
mod exchange;
#[path = "suite/generators.rs"]
mod generators;
#[path = "suite/latencies.rs"]
mod latencies;
#[path = "suite/lookup.rs"]
mod lookup;
#[path = "suite/report.rs"]
mod report;
#[path = "suite/slices_bare.rs"]
mod slices_bare;
#[path = "suite/stopwatch.rs"]
mod stopwatch;
#[path = "suite/tally.rs"]
mod tally;
#[path = "suite/w1.rs"]
mod w1;
#[path = "suite/w1b.rs"]
mod w1b;
#[path = "suite/w2c.rs"]
mod w2c;
#[path = "suite/w2j.rs"]
mod w2j;
#[path = "suite/w3.rs"]
mod w3;
#[path = "suite/w4.rs"]
mod w4;
#[path = "suite/w4_bare.rs"]
mod w4_bare;
#[path = "suite/w5.rs"]
mod w5;
#[path = "suite/words.rs"]
mod words;

use std::process::ExitCode;

use report::{Parameters, Report};

/// Runs a workload.
type Run = fn(&Parameters) -> Result<Report, String>;

/// The workloads, each in a file of its name.
const WORKLOADS: [(&str, Run); 11] = [
    ("w1", w1::run),
    ("w1b", w1b::run),
    ("w2c", w2c::run),
    ("w2j", w2j::run),
    ("w3", w3::run),
    ("w4", w4::run),
    ("w4_bare", w4_bare::run),
    ("w5", w5::run),
    ("slices_bare", slices_bare::run),
    ("chain", chain::run),
    ("exchange", exchange::run),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(name) = arguments.next() else {
        eprintln!("no workload is named: nothing to measure; try `cargo bench --bench suite -- w3 records=1000000`");
        return ExitCode::SUCCESS;
    };
    let Some((_, run)) = WORKLOADS.iter().find(|(workload, _)| *workload == name) else {
        let names = WORKLOADS.map(|(name, _)| name).join(", ");
        eprintln!("there is no workload '{name}'; there are {names}");
        return ExitCode::FAILURE;
    };
    match Parameters::parse(arguments).and_then(|parameters| run(&parameters)) {
        Ok(report) => {
            println!("{}", report.line());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
