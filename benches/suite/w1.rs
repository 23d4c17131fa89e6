//! Word count: lines of Zipf-distributed words, a running count per word.

use std::sync::Arc;

use compact_str::CompactString;
use millstream::io::Generator;
use millstream::prelude::*;

use crate::generators::{Lines, WORDS_PER_LINE, h2, java_hash};
use crate::report::{Parameters, Tally, measure};

pub(crate) fn run(parameters: &Parameters) -> Result<String, String> {
    let records = parameters.number("records", 20_000_000)?;
    let lines = Arc::new(Lines::new());
    let (mut tally, total) = Tally::new();
    let topology = Topology::new("w1");
    topology
        .source("lines", Generator::new(records / WORDS_PER_LINE, move |g| lines.line(g)))
        .flat_map(|line: String| line.split(' ').map(CompactString::from).collect::<Vec<_>>())
        .key_by(|word| word.clone())
        .count("counts")
        .for_each("checksum", move |(word, count)| tally.add(h2(java_hash(&word), count)));
    measure("w1", records, parameters, &topology, &total)
}
