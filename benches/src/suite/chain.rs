//! Operators that are fused: so many maps, one behind the other, and nothing else.

use millstream::io::Generator;
use millstream::prelude::*;

use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

/// What each map does: little, and nothing that two of them could do in one.
#[inline(always)]
pub fn step(n: u64) -> u64 {
    (n ^ (n >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn four<C: Chain<Out = u64>>(stream: Stream<C>) -> Stream<impl Chain<Out = u64>> {
    stream.map(step).map(step).map(step).map(step)
}

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let (records, operators) = (parameters.number("records", 20_000_000)?, parameters.number("operators", 4)?);
    let (tally, total) = Tally::of(|n: &u64| *n);
    let topology = Topology::new("chain");
    let numbers = topology.source("numbers", Generator::new(records, |n| n));
    match operators {
        1 => numbers.map(step).sink("checksum", tally),
        4 => four(numbers).sink("checksum", tally),
        16 => four(four(four(four(numbers)))).sink("checksum", tally),
        other => return Err(format!("operators={other} is not possible: chains have 1, 4 or 16")),
    }
    Report::of("chain", records, parameters, &topology, &total)
}
