//! The actor layer of Millstream: it moves batches, keeps subtasks alive and agrees on checkpoints.
//!
//! It knows nothing of records' types, operators, keys, tables or files. Decisions are pure and live in
//! [`protocol`]; the actors are thin shells that hear events and perform actions. The seams to what is above are
//! [`task`] (what a subtask hosts) and [`checkpoints`] (where manifests are kept); [`job`] starts it all.

pub mod blueprint;
pub mod channel;
pub mod checkpoints;
pub mod environment;
pub mod error;
pub mod explanation;
pub mod faults;
pub mod ids;
pub mod job;
pub mod kill;
pub mod observe;
pub mod packet;
pub mod protocol;
#[doc(hidden)]
pub mod sabotage;
pub mod simulation;
pub mod task;
pub mod time;
pub mod time_view;

mod alarms;
mod coordinator;
mod deployment;
mod enumerator;
mod fine_timer;
mod mail;
mod processor_time;
mod slice_watch;
mod standstill;
mod subtask;
mod subtask_checkpoints;
mod subtask_reader;
mod subtask_time;
mod subtask_turns;
mod subtask_work;
mod supervisor;
