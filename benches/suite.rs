//! Whole jobs, measured: each workload is an ordinary topology, prints one JSON line, and is checked by a checksum.
//!
//! `cargo bench --bench suite -- WORKLOAD [key=value ...]`. Keys are `records`, `keys`, `campaigns`, `ads` (per campaign),
//! `rate` (records per second), `kill_at` (a record of subtask 0), `checkpoint_ms` (0 = off), `parallelism`, `state_dir`,
//! `memory` (bytes per subtask), `operators` (of a chain). The line goes to standard output, everything else to standard error.

use std::process::ExitCode;

use millstream_benches::start_at_root;
use millstream_benches::suite::{Parameters, run};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(name) = arguments.next() else {
        eprintln!("no workload is named: nothing to measure; try `cargo bench --bench suite -- w3 records=1000000`");
        return ExitCode::SUCCESS;
    };
    let report = start_at_root().and_then(|()| run(&name, &Parameters::parse(arguments)?));
    match report {
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
