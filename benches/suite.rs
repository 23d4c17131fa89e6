//! Whole jobs, measured: each workload is an ordinary topology, prints one JSON line, and is checked by a checksum.
//!
//! `cargo bench --bench suite -- WORKLOAD [key=value ...]`, where `WORKLOAD` is `w1` or `w3`, and keys are `records`,
//! `keys`, `checkpoint_ms` (0 = off), `parallelism`, `state_dir`, `memory` (bytes). The line goes to standard output,
//! everything else to standard error.

#[path = "suite/generators.rs"]
mod generators;
#[path = "suite/report.rs"]
mod report;
#[path = "suite/w1.rs"]
mod w1;
#[path = "suite/w3.rs"]
mod w3;

use std::process::ExitCode;

use report::Parameters;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(workload) = arguments.next() else {
        eprintln!("no workload is named: nothing to measure; try `cargo bench --bench suite -- w3 records=1000000`");
        return ExitCode::SUCCESS;
    };
    let outcome = Parameters::parse(arguments).and_then(|parameters| match workload.as_str() {
        "w1" => w1::run(&parameters),
        "w3" => w3::run(&parameters),
        other => Err(format!("there is no workload '{other}'")),
    });
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
