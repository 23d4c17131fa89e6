//! Pure decisions: events in, actions out.
//!
//! Nothing here reads a clock, sends a message, writes a file, logs or draws a random number. The actors hear events,
//! hand them to these machines together with the present moment, and perform the answers in the order given.
//!
//! | file | decides |
//! | --- | --- |
//! | [`alignment`] | when a subtask snapshots, and which input channels wait for that |
//! | [`valve`] | the watermark of a subtask, from those of its input channels |
//! | [`rounds`] | when checkpoints open, complete, fail, and fail the job |
//! | [`restart`] | how long a failed job waits before its next attempt, or that there is none |
//! | [`invariant`] | what must never happen, and how that is checked |

pub mod alignment;
pub mod invariant;
pub mod restart;
pub mod rounds;
pub mod valve;

pub use alignment::{Alignment, AlignmentAction, AlignmentEvent};
pub use invariant::{Grammar, Invariant, Symbol, Violation, check};
pub use restart::{RestartDecider, RestartDecision, RestartPolicy};
pub use rounds::{AbandonReason, RoundAction, RoundEvent, RoundKind, Rounds, RoundsConfig};
pub use valve::{ValveEvent, WatermarkValve};
