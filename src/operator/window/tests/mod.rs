//! Triggers and evictors asked one by one, and whole windows: named scenarios, and random histories against the reference.

mod against_reference;
mod asked;
mod asked_windows;
mod cases;
mod ends_of_time;
mod evicted_windows;
mod functions;
mod joined;
mod late_windows;
mod scenarios;
mod sessions;
mod undisclosed;
mod unfired;

pub(crate) use asked::{Asked, evicted};
