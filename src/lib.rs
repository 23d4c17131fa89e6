//! Millstream.
pub mod model;
