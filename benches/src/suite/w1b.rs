//! Word count: lines of Zipf-distributed words, the final count of each word.

use std::sync::Arc;

use compact_str::CompactString;
use millstream::io::Generator;
use millstream::prelude::*;

use crate::suite::generators::{h2, java_hash};
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;
use crate::suite::words::{Lines, WORDS_PER_LINE, words_of};

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let records = parameters.number("records", 20_000_000)?;
    let (tally, total) = Tally::of(|(word, count): &(CompactString, u64)| h2(java_hash(word), *count));
    let lines = Arc::new(Lines::new());
    let topology = Topology::new("w1b");
    topology
        .source("lines", Generator::new(records / WORDS_PER_LINE, move |g| lines.line(g)))
        .flat_map(words_of)
        .key_by(|word| word.clone())
        .window("counts", Global)
        .trigger(trigger::EndOfStream)
        .aggregate(Count)
        .sink("checksum", tally);
    Report::of("w1b", records, parameters, &topology, &total)
}
