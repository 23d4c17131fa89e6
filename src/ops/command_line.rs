//! The command line that every topology gets: `run` and `plan`.

use clap::{Parser, Subcommand, ValueEnum};

use super::{RunArgs, attend};
use crate::api::Topology;
use crate::error::Result;

#[derive(Parser)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the topology (the default)
    Run(RunArgs),
    /// Print the plan of the topology
    Plan {
        #[command(flatten)]
        run: RunArgs,
        /// The form of the plan
        #[arg(long, value_enum, default_value = "text")]
        format: PlanFormat,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum PlanFormat {
    Text,
    Json,
    Mermaid,
}

/// Runs `topology` as the program's `main`: parses the command line, and runs the job or prints its plan.
///
/// `run` is the default. It says on standard error what it starts from, shows a progress bar on a terminal if the input
/// has a known end, and prints the job's ledger. SIGINT and SIGTERM stop the job after a final checkpoint; a second one
/// ends the process at once. `plan` prints the plan as text, JSON or Mermaid. Both take the options of a job as flags, and
/// by `--set`; see [`RunArgs`].
///
/// # Errors
/// If the plan has a mistake, the state directory cannot be used, or the job fails for good.
pub fn main(topology: Topology) -> Result<()> {
    let line = CommandLine::parse();
    let run = match line.command {
        Some(Command::Plan { run, format }) => {
            let plan = topology.plan_with(run.options().subtasks_per_block())?;
            match format {
                PlanFormat::Text => print!("{plan}"),
                PlanFormat::Json => println!("{}", plan.to_json()),
                PlanFormat::Mermaid => print!("{}", plan.to_mermaid()),
            }
            return Ok(());
        }
        Some(Command::Run(run)) => run,
        None => line.run,
    };
    let ledger = attend(topology.start(run.options())?)?;
    println!("{ledger}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_has_no_mistake() {
        CommandLine::command().debug_assert();
    }
}
