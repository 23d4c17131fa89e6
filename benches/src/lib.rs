//! What the benches share with each other and with their tests: workloads, queries, and how runs are measured.

pub mod every_thousand;
pub mod micro;
pub mod nexmark;
pub mod suite;
mod working_directory;

pub use working_directory::start_at_root;
