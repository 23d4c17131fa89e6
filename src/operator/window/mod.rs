//! Windows: which ones a record belongs to, when they fire, and what they hold then.
//!
//! The parts are pure. An assigner ([`Tumbling`], [`Sliding`], [`Session`], [`Global`], or your own [`WindowAssigner`])
//! says which windows a record belongs to. A [`trigger`] says when a window fires. An [`evictor`] says which of its
//! records are left out. [`Panes`] say what overlapping windows share.

mod assigner;
mod chain;
pub(crate) mod contents;
mod domain;
mod error;
pub mod evictor;
mod function;
mod global;
mod grid;
mod keep;
mod keying;
mod local;
mod merging;
mod panes;
mod present;
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
pub use contents::{Evicting, Evicts, KeepAll};
pub use domain::{InEventTime, InProcessingTime, TimeDomain, WindowTime};
pub use error::WindowError;
pub use function::{WindowContext, WindowFunction};
pub use global::Global;
pub use keying::{Keying, PerKey, Unkeyed};
pub use panes::Panes;
pub use session::{DynamicGap, FixedGap, Gap, Session};
pub use sliding::{Sliding, SlidingWindows};
pub use time_window::TimeWindow;
pub use tumbling::Tumbling;

pub(crate) use chain::WindowChain;
pub(crate) use keep::{LateTo, WindowOperator, WindowSettings};
pub(crate) use local::{KeyedPartial, LocalAggregate};
