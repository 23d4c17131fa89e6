//! Latency: a running count per key at a given rate, timed from when each record was due to the sink.

use std::num::NonZeroU64;

use millstream::prelude::*;

use crate::suite::due::{Ping, Schedule, Start, WhenDue};
use crate::suite::generators::{h2, key};
use crate::suite::latencies::Latencies;
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

/// The seed of the keys.
pub const SEED: u64 = 1004;

/// A record on its way to the sink.
#[derive(Debug, Clone, Copy)]
struct Counted {
    key: u64,
    count: u64,
    ping: Ping,
}

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let (records, keys) = (parameters.number("records", 3_000_000)?, parameters.number("keys", 10_000)?);
    let rate = NonZeroU64::new(parameters.number("rate", 100_000)?).ok_or("nothing is due at a rate of 0")?;
    let schedule = Schedule { records, rate };
    let warm_up = schedule.warm_up();
    let start = Start::default();
    let (mut from_due, all_from_due) = Latencies::new()?;
    let (mut from_emission, all_from_emission) = Latencies::new()?;
    let (tally, total) = Tally::of(|counted: &Counted| h2(counted.key, counted.count));
    let topology = Topology::new("w4");
    topology
        .source("pings", WhenDue { schedule, start: start.clone() })
        .map(move |ping| (key(SEED, ping.number, keys), ping))
        .key_by(|(key, _)| *key)
        .map_with_state("counts", |count: &mut u64, (key, ping)| {
            *count += 1;
            Counted { key, count: *count, ping }
        })
        .inspect(move |Counted { ping, .. }| {
            if ping.number >= warm_up {
                let now = start.elapsed_nanos();
                from_due.add(now.saturating_sub(ping.due));
                from_emission.add(now.saturating_sub(ping.emitted));
            }
        })
        .sink("checksum", tally);
    let report = Report::of("w4", records, parameters, &topology, &total)?;
    // The clones for the subtasks are gone, what was cloned is empty.
    Ok(report.with("latency_us", all_from_due.summary()).with("latency_from_emission_us", all_from_emission.summary()))
}
