//! Runs one operator through a written case, in every way in which it may be driven.

mod case;
mod element;
mod functions;
mod mode;
mod outlet;
mod rig;
mod sides;
#[cfg(test)]
mod tests;

pub use case::OperatorHarness;
pub use element::{Element, active, end, idle, processing_time, rec, rec_at, watermark};
pub use mode::Mode;
