//! What the machine lets through: run slices without all the rest. Threads count, look at the clock now and then, and begin
//! anew behind half a millisecond.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::suite::report::{Parameters, Report, millis, stolen_ms};

/// How long a slice is to be.
const SLICE: Duration = Duration::from_micros(500);
/// How long none should be.
const TOO_LONG: Duration = Duration::from_millis(5);
/// Counted between two looks at the clock: some microseconds.
const CHUNK: u64 = 10_000;

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    // As many slices as there are records, for want of a better word.
    let slices = parameters.number("records", 20_000)?;
    let threads = parameters.parallelism()?;
    let (began, stolen_before) = (Instant::now(), stolen_ms());
    let times = std::thread::scope(|scope| {
        let threads = (0..threads).map(|_| scope.spawn(move || (0..slices).map(|_| slice()).collect::<Vec<_>>()));
        let threads = threads.collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")).collect::<Result<Vec<_>, _>>()
    })?;
    let longest = times.iter().flatten().max().copied().unwrap_or_default();
    let too_long = times.iter().flatten().filter(|time| **time > TOO_LONG).count();
    Ok(Report::without_job("slices_bare", slices, parameters, began.elapsed().as_secs_f64())
        .with("longest_slice_ms", json!(millis(longest)))
        .with("slices_over_5_ms", json!(too_long))
        .with("stolen_ms", json!(stolen_ms().saturating_sub(stolen_before))))
}

/// How long one takes.
fn slice() -> Duration {
    let began = Instant::now();
    loop {
        black_box((0..CHUNK).fold(0, |sum, number| black_box(sum ^ number)));
        let took = began.elapsed();
        if took >= SLICE {
            return took;
        }
    }
}
