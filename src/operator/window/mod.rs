//! Windows: which ones a record belongs to, when they fire, and what they hold then.
//!
//! The parts are pure. An assigner ([`Tumbling`], [`Sliding`], [`Session`], [`Global`], or your own [`WindowAssigner`])
//! says which windows a record belongs to. A [`trigger`] says when a window fires. An [`evictor`] says which of its
//! records are left out. [`MergingWindows`] keeps track of windows that become one, [`Panes`] of what overlapping
//! windows share.

mod assigner;
mod domain;
mod error;
pub mod evictor;
mod global;
mod grid;
mod merging;
mod panes;
#[cfg(test)]
mod reference;
mod session;
mod sliding;
#[cfg(test)]
mod tests;
mod time_window;
pub mod trigger;
mod tumbling;

pub use assigner::{Fixed, Merging, WindowAssigner, WindowKind};
pub use domain::{InEventTime, InProcessingTime, TimeDomain, WindowTime};
pub use error::WindowError;
pub use global::Global;
pub use merging::{MergingWindows, OpenWindow};
pub use panes::Panes;
pub use session::{DynamicGap, FixedGap, Gap, Session};
pub use sliding::{Sliding, SlidingWindows};
pub use time_window::TimeWindow;
pub use tumbling::Tumbling;
