//! What all workloads share: parameters, the tally of results, the JSON line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::prelude::*;
use serde_json::json;

/// `key=value` arguments.
pub(crate) struct Parameters {
    given: BTreeMap<String, String>,
}

impl Parameters {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let known = ["records", "keys", "checkpoint_ms", "parallelism", "state_dir", "memory"];
        let mut given = BTreeMap::new();
        for argument in arguments {
            let (key, value) = argument.split_once('=').ok_or(format!("'{argument}' is not of the form key=value"))?;
            if !known.contains(&key) {
                return Err(format!("there is no parameter '{key}'; there are {}", known.join(", ")));
            }
            given.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self { given })
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, String> {
        let Some(value) = self.given.get(key) else { return Ok(default) };
        value.replace('_', "").parse().map_err(|_| format!("{key}={value} is not a number"))
    }

    /// The options of a job.
    pub(crate) fn options(&self) -> Result<JobOptions, String> {
        let mut options = JobOptions::new().parallelism(self.number("parallelism", 2)? as u32);
        if let Some(directory) = self.given.get("state_dir") {
            options = options.state_dir(PathBuf::from(directory)).fresh(true);
        }
        if self.given.contains_key("memory") {
            options = options.state_memory(self.number("memory", 0)? as usize);
        }
        let interval = self.number("checkpoint_ms", 1000)?;
        Ok(match interval {
            0 => options.without_checkpoints(),
            millis => options.checkpoint_interval(Duration::from_millis(millis)),
        })
    }
}

/// The number of results and their checksum, as one subtask's sink sees them. Clones begin at nothing; what a clone has
/// seen is added to the total when it goes.
pub(crate) struct Tally {
    checksum: u64,
    results: u64,
    total: Arc<Total>,
}

#[derive(Default)]
pub(crate) struct Total {
    checksum: AtomicU64,
    results: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> (Self, Arc<Total>) {
        let total = Arc::<Total>::default();
        (Self { checksum: 0, results: 0, total: Arc::clone(&total) }, total)
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, hash: u64) {
        self.checksum = self.checksum.wrapping_add(hash);
        self.results += 1;
    }
}

impl Clone for Tally {
    fn clone(&self) -> Self {
        Self { checksum: 0, results: 0, total: Arc::clone(&self.total) }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.total.checksum.fetch_add(self.checksum, Ordering::Relaxed);
        self.total.results.fetch_add(self.results, Ordering::Relaxed);
    }
}

/// Runs `topology` and describes the run in one line.
pub(crate) fn measure(
    workload: &str,
    records: u64,
    parameters: &Parameters,
    topology: &Topology,
    total: &Total,
) -> Result<String, String> {
    let mut job = topology.start(parameters.options()?).map_err(|error| error.to_string())?;
    job.wait().map_err(|error| error.to_string())?;
    let view = job.view().ok_or("the job had nothing to do")?;
    let first = view.attempts.iter().find_map(|attempt| attempt.first_record).ok_or("no record was read")?;
    let ended = view.ended.ok_or("the job has not ended")?;
    let seconds = ended.since(first).as_secs_f64();
    let mut durations = view.checkpoints.iter().map(|checkpoint| checkpoint.duration).collect::<Vec<_>>();
    durations.sort_unstable();
    let millis = |duration: Option<&Duration>| duration.map_or(0.0, |duration| duration.as_secs_f64() * 1000.0);
    let longest_slice = view.subtasks.values().map(|subtask| subtask.longest_slice).max().unwrap_or_default();
    let line = json!({
        "system": "millstream",
        "workload": workload,
        "params": parameters.given,
        "records": records,
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "records_per_s": (records as f64 / seconds).round(),
        "results": total.results.load(Ordering::Relaxed),
        "checksum": format!("{:016x}", total.checksum.load(Ordering::Relaxed)),
        "peak_rss_mb": peak_rss_mb(),
        "checkpoints": {
            "completed": durations.len(),
            "p50_ms": millis(durations.get(durations.len() / 2)),
            "max_ms": millis(durations.last()),
            "bytes": view.checkpoints.iter().map(|checkpoint| checkpoint.bytes).sum::<u64>(),
        },
        "restarts": view.attempts.len() - 1,
        "longest_slice_ms": millis(Some(&longest_slice)),
    });
    Ok(line.to_string())
}

/// The most memory the process has held, as Linux counts it; 0 elsewhere.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
