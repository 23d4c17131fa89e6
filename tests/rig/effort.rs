//! Decides how far tests go: THE place with the numbers of a long run, which `MILLSTREAM_LONG=1` asks for.
//!
//! Random tests of single modules have a variable of their own, `PROPTEST_CASES`, which `.ci/run` sets for a long run.

use std::ops::Range;

/// How many plans the model test draws; `MILLSTREAM_MODEL_PLANS` says otherwise.
pub(crate) fn plans() -> u64 {
    let asked = std::env::var("MILLSTREAM_MODEL_PLANS").ok();
    asked.map_or(if is_long() { 20_000 } else { 500 }, |plans| {
        plans.parse().expect("MILLSTREAM_MODEL_PLANS is a number")
    })
}

/// `usual` seeds, from its first on; twenty times as many in a long run.
pub(crate) fn seeds(usual: Range<u64>) -> Range<u64> {
    let times = if is_long() { 20 } else { 1 };
    usual.start..usual.start + times * (usual.end - usual.start)
}

fn is_long() -> bool {
    std::env::var_os("MILLSTREAM_LONG").is_some_and(|value| value == "1")
}
