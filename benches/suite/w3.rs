//! Keyed state: a running count per key, keys uniform.

use millstream::io::Generator;
use millstream::prelude::*;

use crate::generators::{h2, id64, pick_hi, rnd};
use crate::report::{Parameters, Tally, measure};

const SEED: u64 = 1003;
const KEY_KIND: u64 = 5;

pub(crate) fn run(parameters: &Parameters) -> Result<String, String> {
    let (records, keys) = (parameters.number("records", 20_000_000)?, parameters.number("keys", 1_000_000)?);
    let (mut tally, total) = Tally::new();
    let topology = Topology::new("w3");
    topology
        .source("keys", Generator::new(records, move |g| id64(KEY_KIND, pick_hi(rnd(SEED, g), keys))))
        .key_by(|key| *key)
        .count("counts")
        .for_each("checksum", move |(key, count)| tally.add(h2(key, count)));
    measure("w3", records, parameters, &topology, &total)
}
