//! Measures a query: runs it into a sink that only counts, and describes the run in one line of JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use millstream::prelude::*;
use serde_json::json;

use super::{Nexmark, Query, results};

/// The number of results and their checksum, as one subtask's sink sees them. Clones begin at nothing; what a clone has
/// seen is added to the total when it goes.
#[derive(Default)]
struct Tally {
    checksum: u64,
    results: u64,
    total: Arc<Total>,
}

#[derive(Default)]
struct Total {
    checksum: AtomicU64,
    results: AtomicU64,
}

impl Tally {
    fn add(&mut self, hash: u64) {
        self.checksum = self.checksum.wrapping_add(hash);
        self.results += 1;
    }
}

impl Clone for Tally {
    fn clone(&self) -> Self {
        Self { total: Arc::clone(&self.total), ..Self::default() }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.total.checksum.fetch_add(self.checksum, Ordering::Relaxed);
        self.total.results.fetch_add(self.results, Ordering::Relaxed);
    }
}

/// Runs `Q` over `source` with `parallelism` subtasks per block.
///
/// # Errors
/// If the job fails.
pub fn run<Q: Query>(source: Nexmark, parallelism: u32, options: JobOptions) -> Result<String, String> {
    let (topology, stream) = results::<Q>(source);
    let mut tally = Tally::default();
    let total = Arc::clone(&tally.total);
    stream.for_each("checksum", move |result| tally.add(Q::hash(&result)));
    let mut job = topology.start(options).map_err(|error| error.to_string())?;
    job.wait().map_err(|error| error.to_string())?;
    let view = job.view().ok_or("the job had nothing to do")?;
    let first = job.attempts().iter().find_map(|attempt| attempt.first_read).ok_or("no event was read")?;
    let seconds = view.ended.ok_or("the job has not ended")?.since(first).as_secs_f64();
    let cores = available_parallelism().map_or(1, std::num::NonZero::get).min(parallelism as usize);
    let mut durations = job.checkpoints().iter().map(|checkpoint| checkpoint.duration).collect::<Vec<_>>();
    durations.sort_unstable();
    let millis = |duration: Option<&Duration>| duration.map_or(0.0, |duration| duration.as_secs_f64() * 1000.0);
    let line = json!({
        "system": "millstream",
        "workload": format!("nexmark {}", Q::NAME),
        "parallelism": parallelism,
        "events": source.events,
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "events_per_s": (source.events as f64 / seconds).round(),
        "events_per_s_and_core": (source.events as f64 / seconds / cores as f64).round(),
        "results": total.results.load(Ordering::Relaxed),
        "checksum": format!("{:016x}", total.checksum.load(Ordering::Relaxed)),
        "peak_rss_mb": peak_rss_mb(),
        "checkpoints": {
            "completed": view.completed,
            "p50_ms": millis(durations.get(durations.len() / 2)),
            "max_ms": millis(durations.last()),
            "bytes": view.checkpoint_bytes,
        },
        "restarts": view.restarts(),
    });
    Ok(line.to_string())
}

/// The most memory the process has held, as Linux counts it; 0 elsewhere. With several queries in one process, the most
/// that any of them so far has needed.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
