//! Event time: which time a record has, and how far the time of a stream has come.
//!
//! [`Watermarks`] is what a user says. [`EventTime`] carries it out in a subtask: it keeps a [`WatermarkGenerator`] for
//! each split of the block's source, or one for all input of a block without source, combines them, notices inputs that
//! have fallen idle, and holds back a reader that runs ahead of its group.

mod alignment;
mod generator;
mod ingestion_time;
mod inputs;
mod operator;
#[cfg(test)]
mod tests;
mod watermarks;

pub(crate) use alignment::AlignmentGroups;
pub use generator::{BoundedOutOfOrder, Custom, HighestSeen, MakeGenerator, Punctuated, WatermarkGenerator};
pub use ingestion_time::IngestionTime;
pub use operator::EventTime;
pub use watermarks::Watermarks;
