//! A guard against code that grows: instructions per record of small jobs, counted by valgrind, beside what was accepted.
//!
//! `cargo bench --bench instructions` prints them and fails if one is more than a twentieth above its number in
//! `benches/instructions/expected.json`. `-- accept` writes that file. `-- run JOB RECORDS` is a job as valgrind runs it.
//!
//! Each job runs with so many records and with twice as many: the difference has neither start nor end of a process in it.
//! Numbers depend on the compiler and its flags, not on what else the machine does: they are those of the stable compiler
//! without `RUSTFLAGS`. Valgrind does not know the newest instructions, which `target-cpu=native` may ask for.

mod callgrind;
mod jobs;

use std::collections::BTreeMap;
use std::process::ExitCode;

use jobs::{JOBS, Job};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions/expected.json");
/// What is too much, as a share of what is expected.
const TOO_MUCH: f64 = 1.05;
/// What is so little that a rise would not be seen.
const WORTH_ACCEPTING: f64 = 0.95;

/// Instructions per record of each job.
type PerRecord = BTreeMap<String, f64>;

fn count() -> Result<PerRecord, String> {
    callgrind::check()?;
    let of = |job: &Job| {
        let of_records = |records| callgrind::instructions(job.name, records).map(|count| count as f64);
        let per_record = (of_records(2 * job.records)? - of_records(job.records)?) / job.records as f64;
        Ok((job.name.to_owned(), (per_record * 10.0).round() / 10.0))
    };
    JOBS.iter().map(of).collect()
}

fn expected() -> Result<PerRecord, String> {
    let text = std::fs::read_to_string(EXPECTED).map_err(|error| format!("{EXPECTED}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{EXPECTED}: {error}"))
}

fn accept() -> Result<(), String> {
    let counted = count()?;
    let text = serde_json::to_string_pretty(&counted).map_err(|error| error.to_string())?;
    std::fs::write(EXPECTED, text + "\n").map_err(|error| format!("{EXPECTED}: {error}"))?;
    println!("accepted: {counted:?}");
    Ok(())
}

fn compare() -> Result<(), String> {
    let (expected, counted) = (expected()?, count()?);
    let (mut too_many, mut is_low) = (Vec::new(), false);
    println!("{:<22} {:>9} {:>9} {:>7}", "instructions/record", "expected", "counted", "ratio");
    for (name, counted) in counted {
        let Some(expected) = expected.get(&name) else {
            println!("{name:<22} {:>9} {counted:>9.1}", "-");
            too_many.push(name);
            continue;
        };
        let ratio = counted / expected;
        println!("{name:<22} {expected:>9.1} {counted:>9.1} {ratio:>7.3}");
        is_low |= ratio < WORTH_ACCEPTING;
        if ratio > TOO_MUCH {
            too_many.push(name);
        }
    }
    if is_low {
        println!("fewer than before: keep it so with `cargo bench --bench instructions -- accept`");
    }
    if too_many.is_empty() {
        return Ok(());
    }
    let jobs = too_many.join(", ");
    let accept = "`cargo bench --bench instructions -- accept`";
    Err(format!("more than expected, or nothing is expected yet: {jobs}; if that is right, {accept}"))
}

fn run(name: &str, records: &str) -> Result<(), String> {
    let job = JOBS.iter().find(|job| job.name == name).ok_or(format!("there is no job '{name}'"))?;
    (job.run)(records.parse().map_err(|_| format!("'{records}' is not a number"))?);
    Ok(())
}

fn main() -> ExitCode {
    // Cargo says that it is a bench.
    let words = std::env::args().skip(1).filter(|word| word != "--bench").collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    let outcome = match words[..] {
        [] => compare(),
        ["accept"] => accept(),
        ["run", name, records] => run(name, records),
        _ => Err("nothing, `accept` or `run JOB RECORDS` is asked for".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
