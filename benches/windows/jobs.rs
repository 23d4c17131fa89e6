//! Whole jobs with windows, from the first record to the last result: what a record costs, what a firing, in time of
//! processors, and how much memory an open window of a key takes. On Linux: elsewhere all of it is 0.

use std::sync::{Arc, Mutex, PoisonError};

use millstream::operator::window::WindowAssigner;
use millstream::operator::window::trigger::TriggerFor;
use millstream::prelude::*;

/// What is measured: `kind` of windows over so many records of so many keys, spread over so many seconds.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) kind: String,
    pub(crate) records: u64,
    pub(crate) keys: u64,
    pub(crate) seconds: u64,
}

/// The moments of a run.
#[derive(Default)]
struct Moments {
    first_record: Option<(f64, u64)>,
    first_result: Option<(f64, u64)>,
    last_result: Option<f64>,
    results: u64,
}

/// A record and its key.
type Reading = (u64, u64);

impl Case {
    /// From the words `kind records=N keys=N seconds=N`.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let kind = words.next().ok_or("no kind of windows is named: tumbling, sliding, sessions")?;
        let mut case = Self { kind, records: 1_000_000, keys: 1_000_000, seconds: 100 };
        for word in words {
            let (name, value) = word.split_once('=').ok_or(format!("'{word}' is not of the form name=number"))?;
            let value = value.replace('_', "").parse().map_err(|_| format!("'{value}' is not a number"))?;
            match name {
                "records" => case.records = value,
                "keys" => case.keys = value,
                "seconds" => case.seconds = value,
                _ => return Err(format!("there is no parameter '{name}'; there are records, keys, seconds")),
            }
        }
        Ok(case)
    }

    /// Runs the case, and says in one line what it cost.
    pub(crate) fn run(&self) -> Result<String, String> {
        match self.kind.as_str() {
            "tumbling" => Ok(self.measure(Tumbling::of(100.seconds()))),
            "sliding" => Ok(self.measure(Sliding::of(100.seconds(), 1.seconds()))),
            "sessions" => Ok(self.measure(Session::with_gap(1.seconds()))),
            other => Err(format!("there are no windows called '{other}'; there are tumbling, sliding, sessions")),
        }
    }

    fn measure<A>(&self, windows: A) -> String
    where
        A: WindowAssigner<Reading, Trigger: TriggerFor<A::Kind, Reading>>,
    {
        let Self { kind, records, keys, seconds } = self.clone();
        let moments = Arc::<Mutex<Moments>>::default();
        let (seen, told) = (Arc::clone(&moments), Arc::clone(&moments));
        let (mut is_first, mut results, mut first) = (true, 0, None);
        let topology = Topology::new("windows");
        topology
            // An order of keys that no cache foresees.
            .source("readings", Generator::new(records, move |n| (n.wrapping_mul(0x9E37_79B1) % keys, n)))
            // Nothing fires before the input has ended.
            .event_time(Watermarks::monotonic().every(1.hours()), move |(_, n)| {
                if std::mem::take(&mut is_first) {
                    moments_of(&seen).first_record = Some((cpu_seconds(), resident_bytes()));
                }
                n * seconds * 1_000 / records
            })
            .key_by(|(key, _)| *key)
            .window("windows", windows)
            .aggregate(Sum::of(|(_, n): &Reading| *n))
            .for_each("results", move |_| {
                results += 1;
                let now = (first.is_none() || results & 0x3FFF == 0).then(cpu_seconds);
                if let Some(now) = now {
                    let first = *first.get_or_insert_with(|| (now, resident_bytes()));
                    let mut moments = moments_of(&told);
                    (moments.first_result, moments.last_result, moments.results) = (Some(first), Some(now), results);
                }
            });
        let options = JobOptions::new().parallelism(1).without_checkpoints().state_memory(4 << 30);
        topology.start(options).expect("the plan is right").wait().expect("nothing fails in this topology");
        let moments = moments_of(&moments);
        let (began, before) = moments.first_record.expect("there are records");
        let (fired, after) = moments.first_result.expect("there are results");
        let ended = moments.last_result.expect("there are results");
        let nanos = |from: f64, until: f64, count: u64| (until - from) * 1e9 / count as f64;
        format!(
            "{kind} records={records} keys={keys} seconds={seconds}: {:.1} ns per record, {:.1} ns per result ({} results), \
             {:.0} bytes per key",
            nanos(began, fired, records),
            nanos(fired, ended, moments.results.max(2) - 1),
            moments.results,
            after.saturating_sub(before) as f64 / keys as f64,
        )
    }
}

fn moments_of(moments: &Mutex<Moments>) -> std::sync::MutexGuard<'_, Moments> {
    moments.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much time the processors have spent on this process. It tells more than a clock where other processes run too.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks in it: user time is the twelfth field, system time the next, in ticks of 10 ms.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// How much memory the process uses; 0 where that cannot be told.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|all| all.split(' ').nth(1)?.parse().ok());
    4096 * pages.unwrap_or(0u64)
}
