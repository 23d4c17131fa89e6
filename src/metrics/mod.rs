//! What operators, sources and sinks count: named numbers under their uids, of which some are part of checkpoints.
//!
//! An operator asks its context for a counter by name when it opens, and adds to it as cheaply as to a number of its own.
//! Whoever reads finds it in [`JobWatch::metrics`](crate::JobWatch::metrics), by uid, subtask and name.

mod counter;
mod counts;
mod library;
mod name;
mod registry;

pub use counter::{Counter, Gauge};
pub use counts::Counts;
pub use library::{COUNTERS, FAILED, FILTERED, LATE, PROGRESS, RECORDS_IN, RECORDS_OUT, UNFIRED};
pub use name::{CounterName, GaugeName};
pub use registry::Sample;
pub(crate) use registry::{Registry, SubtaskMetrics};
