//! Joins of two keyed streams. Those in windows are windows over both: see [`window`](super::window).

mod change;
mod interval;
mod lookup;
mod temporal;
#[cfg(test)]
mod tests;

pub use change::Change;
pub use interval::{Bounds, IntervalJoin};
pub use lookup::LookupJoin;
pub use temporal::TemporalJoin;
