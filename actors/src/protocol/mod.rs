//! Pure decisions: events in, actions out.
//!
//! Nothing here reads a clock, sends a message, writes a file, logs or draws a random number. The actors hear events,
//! hand them to these machines together with the present moment, and perform the answers in the order given.
//!
//! | file | decides |
//! | --- | --- |
//! | [`invariant`] | what must never happen, and how that is checked |

pub mod invariant;

pub use invariant::{Grammar, Invariant, Symbol, Violation, check};
