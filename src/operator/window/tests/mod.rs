//! Triggers and evictors asked one by one, and whole windows played through on plain maps.

mod against_reference;
mod asked;
mod rehearsal;
mod scenarios;

pub(crate) use asked::{Asked, evicted};
