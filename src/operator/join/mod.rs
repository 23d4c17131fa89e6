//! Joins of two keyed streams.

mod interval;

pub use interval::{Bounds, IntervalJoin};
