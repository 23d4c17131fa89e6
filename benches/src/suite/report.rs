//! What all workloads share: parameters, running the job, the JSON line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use millstream::actors::observe::{AttemptView, JobView};
use millstream::actors::time::Moment;
use millstream::prelude::*;
use serde_json::{Map, Value, json};

use crate::suite::events::Campaigns;
use crate::suite::tally::Total;

/// The parameters that there are.
const KNOWN: [&str; 11] = [
    "records",
    "keys",
    "campaigns",
    "ads",
    "checkpoint_ms",
    "parallelism",
    "state_dir",
    "memory",
    "rate",
    "kill_at",
    "operators",
];

/// `key=value` arguments.
pub struct Parameters {
    given: BTreeMap<String, String>,
    /// When the process began.
    began: Instant,
}

impl Parameters {
    /// From words of the form `key=value`.
    ///
    /// # Errors
    /// If one is not of that form, or has no known key.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut given, began) = (BTreeMap::new(), Instant::now());
        for argument in arguments {
            let (key, value) = argument.split_once('=').ok_or(format!("'{argument}' is not of the form key=value"))?;
            if !KNOWN.contains(&key) {
                return Err(format!("there is no parameter '{key}'; there are {}", KNOWN.join(", ")));
            }
            given.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self { given, began })
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, String> {
        let Some(value) = self.given.get(key) else { return Ok(default) };
        value.replace('_', "").parse().map_err(|_| format!("{key}={value} is not a number"))
    }

    pub(crate) fn parallelism(&self) -> Result<u32, String> {
        let parallelism = self.number("parallelism", 2)?;
        u32::try_from(parallelism).map_err(|_| format!("parallelism={parallelism} is too much"))
    }

    pub(crate) fn campaigns(&self) -> Result<Campaigns, String> {
        let (count, ads) = (self.number("campaigns", 100)?, self.number("ads", 10)?);
        if count == 0 || ads == 0 {
            return Err("there must be a campaign, and an ad of it".to_owned());
        }
        Ok(Campaigns { count, ads_each: ads })
    }

    /// The options of a job.
    pub(crate) fn options(&self) -> Result<JobOptions, String> {
        let mut options = JobOptions::new().parallelism(self.parallelism()?);
        if let Some(directory) = self.given.get("state_dir") {
            options = options.state_dir(PathBuf::from(directory)).fresh(true);
        }
        if self.given.contains_key("memory") {
            options = options.state_memory(self.number("memory", 0)? as usize);
        }
        Ok(match self.number("checkpoint_ms", 1000)? {
            0 => options.without_checkpoints(),
            millis => options.checkpoint_interval(Duration::from_millis(millis)),
        })
    }
}

/// What a run has shown.
pub struct Report {
    line: Map<String, Value>,
    attempts: Vec<AttemptView>,
    clock: ClockStart,
}

impl Report {
    /// Runs `topology` and describes the run.
    pub(crate) fn of(
        workload: &str,
        records: u64,
        parameters: &Parameters,
        topology: &Topology,
        total: &Total,
    ) -> Result<Self, String> {
        Self::with_options(workload, records, parameters, topology, total, parameters.options()?)
    }

    /// Runs `topology` with these options and describes the run.
    pub(crate) fn with_options(
        workload: &str,
        records: u64,
        parameters: &Parameters,
        topology: &Topology,
        total: &Total,
        options: JobOptions,
    ) -> Result<Self, String> {
        let stolen_before = stolen_ms();
        let mut job = topology.start(options).map_err(|error| error.to_string())?;
        let mut clock = ClockStart::default();
        job.wait_until(|view| {
            clock.see(view);
            view.status.is_final().then_some(())
        });
        job.wait().map_err(|error| error.to_string())?;
        let view = job.view().ok_or("the job had nothing to do")?;
        let attempts = job.attempts();
        let first = attempts.iter().find_map(|attempt| attempt.first_read).ok_or("no record was read")?;
        let ended = view.ended.ok_or("the job has not ended")?;
        let seconds = ended.since(first).as_secs_f64();
        let mut durations = job.checkpoints().iter().map(|checkpoint| checkpoint.duration).collect::<Vec<_>>();
        durations.sort_unstable();
        let millis_of = |duration: Option<&Duration>| duration.map_or(0.0, |duration| millis(*duration));
        let longest_work = view.subtasks.values().map(|subtask| subtask.longest_work).max();
        let longest_slice = view.subtasks.values().map(|subtask| subtask.longest_slice).max();
        let to_first = clock.instant(first).map(|first| first.saturating_duration_since(parameters.began));
        let line = json!({
            "system": "millstream",
            "workload": workload,
            "params": parameters.given,
            "records": records,
            "seconds": (seconds * 1000.0).round() / 1000.0,
            "records_per_s": (records as f64 / seconds).round(),
            "results": total.results(),
            "checksum": format!("{:016x}", total.checksum()),
            "peak_rss_mb": peak_rss_mb(),
            "checkpoints": {
                "completed": view.completed,
                "p50_ms": millis_of(durations.get(durations.len() / 2)),
                "max_ms": millis_of(durations.last()),
                "bytes": view.checkpoint_bytes,
            },
            "restarts": view.restarts(),
            "longest_slice_ms": millis_of(longest_slice.as_ref()),
            "longest_work_ms": millis_of(longest_work.as_ref()),
            "stolen_ms": stolen_ms().saturating_sub(stolen_before),
            "start_to_first_record_ms": millis_of(to_first.as_ref()),
        });
        let Value::Object(line) = line else { return Err("the line is no object".to_owned()) };
        Ok(Self { line, attempts, clock })
    }

    /// Describes what ran without a job.
    pub(crate) fn without_job(workload: &str, records: u64, parameters: &Parameters, seconds: f64) -> Self {
        let mut report = Self { line: Map::new(), attempts: Vec::new(), clock: ClockStart::default() };
        report = report.with("system", json!("none")).with("workload", json!(workload));
        report.with("params", json!(parameters.given)).with("records", json!(records)).with("seconds", json!(seconds))
    }

    /// Adds a member to the line.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.line.insert(name.to_owned(), value);
        self
    }

    /// When the first failure was noticed, and when the attempt behind it had its first record.
    pub(crate) fn restart(&self) -> Option<(Instant, Instant)> {
        let [failed, next, ..] = &self.attempts[..] else { return None };
        Some((self.clock.instant(failed.failed_at?)?, self.clock.instant(next.first_record?)?))
    }

    /// The line.
    pub fn line(self) -> String {
        Value::Object(self.line).to_string()
    }
}

/// When the clock of a job was started, as far as that shows in what is seen of the job: not later.
#[derive(Default)]
struct ClockStart(Option<Instant>);

impl ClockStart {
    /// Looks at a job that has just changed.
    fn see(&mut self, view: &JobView) {
        let now = Instant::now();
        let of_attempts =
            view.attempt.iter().flat_map(|attempt| [attempt.first_read, attempt.first_record, attempt.failed_at]);
        let Some(last) = of_attempts.chain([view.ended]).flatten().max() else { return };
        let start = now.checked_sub(last.since_start());
        self.0 = self.0.map_or(start, |known| start.map(|start| start.min(known)));
    }

    fn instant(&self, moment: Moment) -> Option<Instant> {
        self.0.map(|start| start + moment.since_start())
    }
}

/// A time in milliseconds, as the line has it.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The most memory the process has held, as Linux counts it; 0 elsewhere.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// For how many milliseconds cores of this machine have waited for the machine below, as Linux knows it, which counts tens of
/// them; 0 elsewhere.
pub(crate) fn stolen_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|all| all.split_whitespace().nth(8)?.parse::<u64>().ok());
    ticks.unwrap_or(0) * 10
}
