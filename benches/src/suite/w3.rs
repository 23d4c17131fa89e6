//! Keyed state: a running count per key, keys uniform.

use millstream::io::Generator;
use millstream::prelude::*;

use crate::suite::generators::{h2, key};
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

/// The seed of the keys.
pub(crate) const SEED: u64 = 1003;

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let (records, keys) = (parameters.number("records", 20_000_000)?, parameters.number("keys", 1_000_000)?);
    let (tally, total) = Tally::of(|(key, count): &(u64, u64)| h2(*key, *count));
    let topology = Topology::new("w3");
    topology
        .source("keys", Generator::new(records, move |g| key(SEED, g, keys)))
        .key_by(|key| *key)
        .count("counts")
        .sink("checksum", tally);
    Report::of("w3", records, parameters, &topology, &total)
}
