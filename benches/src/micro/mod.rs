//! How benches run and compare: topologies, hand-written loops beside them, other programs.

mod job;
mod measured;
mod ratio;
mod timed;

pub use job::run;
pub use measured::Measured;
pub use ratio::print_ratio;
pub use timed::timed;
