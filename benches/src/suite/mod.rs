//! The workloads of the suite: which there are, and what they share.

pub mod chain;
mod due;
mod events;
mod exchange;
pub mod generators;
mod latencies;
mod lookup;
mod report;
mod slices_bare;
mod stopwatch;
mod tally;
mod w1;
mod w1b;
mod w2c;
mod w2j;
mod w3;
pub mod w4;
mod w4_bare;
mod w5;
mod words;

pub use report::{Parameters, Report};

/// Runs a workload.
pub type Run = fn(&Parameters) -> Result<Report, String>;

/// The workloads, each in a file of its name.
pub const WORKLOADS: [(&str, Run); 11] = [
    ("w1", w1::run),
    ("w1b", w1b::run),
    ("w2c", w2c::run),
    ("w2j", w2j::run),
    ("w3", w3::run),
    ("w4", w4::run),
    ("w4_bare", w4_bare::run),
    ("w5", w5::run),
    ("slices_bare", slices_bare::run),
    ("chain", chain::run),
    ("exchange", exchange::run),
];

/// Runs the workload `name` with these parameters.
///
/// # Errors
/// If there is no such workload, a parameter is not what it should be, or the job fails.
pub fn run(name: &str, parameters: &Parameters) -> Result<Report, String> {
    let Some((_, run)) = WORKLOADS.iter().find(|(workload, _)| *workload == name) else {
        let names = WORKLOADS.map(|(name, _)| name).join(", ");
        return Err(format!("there is no workload '{name}'; there are {names}"));
    };
    run(parameters)
}
