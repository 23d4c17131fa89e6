//! Measures hand-written loops.

use std::time::{Duration, Instant};

/// The time that `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    std::hint::black_box(work());
    began.elapsed()
}
