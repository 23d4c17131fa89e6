//! The actor layer of Millstream: it moves batches, keeps subtasks alive and agrees on checkpoints.
//!
//! It knows nothing of records' types, operators, keys, tables or files. Decisions are pure and live in
//! [`protocol`]; the actors are thin shells that hear events and perform actions.

pub mod ids;
pub mod protocol;
pub mod time;
