//! The command line that every topology gets.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::attend;
use crate::api::Topology;
use crate::error::Result;
use crate::runtime::JobOptions;

/// The options of `run`. Programs with options of their own flatten it into theirs.
///
/// # Example
/// ```
/// use clap::Parser;
/// use millstream::ops::RunArgs;
///
/// #[derive(Parser)]
/// struct Cli {
///     #[command(flatten)]
///     run: RunArgs,
///     /// Where the orders are.
///     #[arg(long)]
///     orders: String,
/// }
///
/// let cli = Cli::parse_from(["shop", "--orders", "orders/", "--parallelism", "4", "--checkpoint-interval", "100ms"]);
/// let options = cli.run.options();
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Args)]
#[command(about = None, long_about = None)]
pub struct RunArgs {
    /// Keep checkpoints here, and resume from the latest one found here [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Subtasks of each block [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub parallelism: Option<u32>,
    /// Throw away what the state directory holds, and start from nothing
    #[arg(long)]
    pub fresh: bool,
    /// The time between two checkpoints, like 100ms or 10s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    pub checkpoint_interval: Duration,
}

impl RunArgs {
    /// The options of the job that these arguments ask for.
    #[must_use]
    pub fn options(&self) -> JobOptions {
        let mut options = JobOptions::new().fresh(self.fresh).checkpoint_interval(self.checkpoint_interval);
        if let Some(directory) = &self.state_dir {
            options = options.state_dir(directory);
        }
        if let Some(subtasks) = self.parallelism {
            options = options.parallelism(subtasks);
        }
        options
    }
}

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
        /// Subtasks of each block [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        parallelism: Option<u32>,
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
/// has a known end, and prints the job's ledger. SIGINT and SIGTERM stop the job behind a final checkpoint; a second one
/// ends the process at once. `plan` prints the plan as text, JSON or Mermaid.
///
/// # Errors
/// If the plan has a mistake, the state directory cannot be used, or the job fails for good.
pub fn main(topology: Topology) -> Result<()> {
    let line = CommandLine::parse();
    let run = match line.command {
        Some(Command::Plan { parallelism, format }) => {
            let plan = match parallelism {
                Some(subtasks) => topology.plan_with(subtasks)?,
                None => topology.plan()?,
            };
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
