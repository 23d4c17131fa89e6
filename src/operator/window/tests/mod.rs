//! Triggers and evictors asked one by one, and whole windows: named scenarios, and random histories against the reference.

mod against_reference;
mod asked;
mod cases;
mod scenarios;

pub(crate) use asked::{Asked, evicted};
