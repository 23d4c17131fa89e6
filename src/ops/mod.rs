//! Running a topology as a program: command line, signals, progress, ledger.

mod attend;
mod command_line;

pub use attend::attend;
pub use command_line::{RunArgs, main};
