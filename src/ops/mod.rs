//! Running a topology as a program: command line, signals, progress, ledger.

mod attend;
mod command_line;
mod run_args;

pub use attend::attend;
pub use command_line::main;
pub use run_args::RunArgs;
