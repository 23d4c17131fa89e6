//! Prints what this machine lacks, and which check is left out for it; where `CI=true`, anything left out is a failure.

use std::process::{Command, ExitCode, Stdio};

/// Something that a check needs beside cargo.
struct Need {
    /// What it is called.
    name: &'static str,
    /// Whether this machine has it.
    is_here: fn() -> bool,
    /// What is left out without it.
    without: &'static str,
}

const NEEDS: [Need; 2] = [
    Need {
        name: "valgrind",
        is_here: || starts("valgrind"),
        without: "`cargo bench --bench instructions`, which counts the instructions of a record",
    },
    Need {
        name: "cargo-deny",
        is_here: || starts("cargo-deny"),
        without: "`cargo deny check bans licenses sources`, which looks at the packages that are used",
    },
];

/// Whether there is such a program.
fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn main() -> ExitCode {
    let missing = NEEDS.iter().filter(|need| !(need.is_here)()).collect::<Vec<_>>();
    for need in &missing {
        println!("left out, for there is no {}: {}", need.name, need.without);
    }
    if missing.is_empty() {
        println!("nothing is left out: this machine has all that a check needs");
    }
    let must_have_all = std::env::var_os("CI").is_some_and(|value| value == "true");
    if must_have_all && !missing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
