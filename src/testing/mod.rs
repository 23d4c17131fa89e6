//! Proves a topology: simulated runs under faults and virtual time, a synchronous driver, scripts, chaos for real threads.
//!
//! The instruments, from the fastest to the most real:
//!
//! * [`harness::OperatorHarness`] runs one operator through a written case, in every way in which it may be driven.
//! * [`TopologyDriver`] pushes records and time into a whole plan, step by step, without threads, and reads outputs and
//!   state.
//! * [`Simulation`] runs the real actors on one thread in virtual time. A seed decides everything that is left open, and
//!   [`Fault`]s strike where they are told to. [`Simulation::explore`] looks for a seed under which something is lost or
//!   doubled.
//! * [`Chaos`] kills random subtasks of a job on real threads, [`RestartedProcess`] real processes.
//!
//! `docs/testing.md` is the guide, with the catalogue of crash points.

mod chaos;
mod difference;
mod driver;
mod explore;
mod fault;
pub mod harness;
mod process;
mod random_faults;
mod run;
mod simulation;
mod trace;
mod world;

pub use crate::io::{Fate, Line, Script, Written};
pub use chaos::{Chaos, UnleashedChaos};
pub use difference::Mismatch;
pub use driver::{DriverSnapshot, ManualClock, TopologyDriver};
pub use explore::{Counterexample, Exploration};
pub use fault::{Fault, Target};
pub use process::{ProcessStory, RestartedProcess};
pub use run::Run;
pub use simulation::Simulation;
pub use trace::{Event, Happening, Trace};
