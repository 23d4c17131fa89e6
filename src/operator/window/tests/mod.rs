//! Triggers and evictors asked one by one, and whole windows: named scenarios, and random histories against the reference.

mod against_reference;
mod asked;
mod asked_windows;
mod cases;
mod functions;
mod joined;
mod scenarios;
mod undisclosed;

pub(crate) use asked::{Asked, evicted};
