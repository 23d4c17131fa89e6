//! Keyed state with a failure: w3, in which one record of subtask 0 fails once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream::io::Generator;
use millstream::prelude::*;
use serde_json::json;

use crate::suite::generators::{h2, key};
use crate::suite::report::{Parameters, Report, millis};
use crate::suite::stopwatch::{Step, Stopwatch};
use crate::suite::tally::Tally;
use crate::suite::w3::SEED;

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let (records, keys) = (parameters.number("records", 20_000_000)?, parameters.number("keys", 1_000_000)?);
    let parallelism = parameters.parallelism()?;
    // Subtask 0 reads the records whose number is a multiple of the parallelism.
    let fails_at = parameters.number("kill_at", records / u64::from(parallelism) / 2)? * u64::from(parallelism);
    let (tally, total) = Tally::of(|(key, count): &(u64, u64)| h2(*key, *count));
    let (stopwatch, has_failed) = (Stopwatch::default(), Arc::new(AtomicBool::new(false)));
    let failure = stopwatch.clone();
    let topology = Topology::new("w5");
    topology
        .source("keys", Generator::new(records, |g| g))
        .try_map(move |g| {
            if g == fails_at && !has_failed.swap(true, Ordering::Relaxed) {
                failure.note(Step::Failed, Instant::now());
                return Err(format!("record {g} fails, once"));
            }
            Ok(key(SEED, g, keys))
        })
        .key_by(|key| *key)
        .count("counts")
        .sink("checksum", tally);
    let restart = RestartPolicy::FixedDelay { attempts: Some(1), delay: Duration::ZERO };
    let options = parameters.options()?.faults(stopwatch.clone()).restart(restart);
    let report = Report::with_options("w5", records, parameters, &topology, &total, options)?;
    let (detected, first_record) = report.restart().ok_or("the record that was to fail was not reached")?;
    stopwatch.note(Step::Detected, detected);
    stopwatch.note(Step::FirstRecord, first_record);
    let laps = stopwatch.laps().ok_or("the restart was not seen as a whole")?;
    let [detection, clearing, restore, first_record] = laps;
    Ok(report.with(
        "recovery_ms",
        json!({
            "detection": millis(detection),
            "clearing": millis(clearing),
            "restore": millis(restore),
            "first_record": millis(first_record),
            "total": millis(laps.iter().sum()),
        }),
    ))
}
