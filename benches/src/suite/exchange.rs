//! All to all: each subtask sends a record to a subtask that nobody can foresee, and nothing is kept.

use millstream::io::Generator;
use millstream::prelude::*;

use crate::suite::generators::mix64;
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let records = parameters.number("records", 20_000_000)?;
    let (tally, total) = Tally::of(|n: &u64| mix64(*n));
    let topology = Topology::new("exchange");
    topology
        .source("numbers", Generator::new(records, |n| n))
        .partition_by(|n, subtasks| mix64(*n) as usize % subtasks)
        .sink("checksum", tally);
    Report::of("exchange", records, parameters, &topology, &total)
}
