//! Counts the words of a text, exactly, whatever dies while it counts.
//!
//! Without arguments it counts a book that lies in this repository, and prints its ten most frequent words and the
//! job's ledger. `--kill-every 150ms --seed 7` kills a random subtask that often; the job restarts from its latest
//! checkpoint each time, the result stays the same, and each kill is listed with the checkpoint that was restored.
//!
//! The output is one JSON line per word of the text, `{"key": word, "value": running count}`, in `DIR/part-*.jsonl`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use millstream::actors::error::FailureKind;
use millstream::ops::{RunArgs, attend};
use millstream::prelude::*;
use millstream::testing::Chaos;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
struct Cli {
    /// The text: a file, a directory or a pattern like 'books/*.txt'
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/alice.txt"))]
    input: String,
    /// Where the counts go [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Lines read per second; 0 is as fast as it can
    #[arg(long, value_name = "LINES_PER_SECOND", default_value_t = 0)]
    rate: u64,
    /// Kill a random subtask this often, like 200ms, but wait for a checkpoint between two kills
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    kill_every: Option<Duration>,
    /// Chooses the subtasks to kill
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    run: RunArgs,
}

/// One line of the output.
#[derive(Serialize, Deserialize)]
struct Count {
    key: String,
    value: u64,
}

fn word_count(input: &str, output: &Path, rate: u64) -> Topology {
    let topology = Topology::new("word count");
    topology
        .source("lines", FileSource::lines(input).at_rate(rate))
        .flat_map(|line: String| words(&line))
        .key_by(|word| word.clone())
        .count("counts")
        .map(|(key, value)| Count { key, value })
        .sink("counted words", FileSink::json_lines(output).replace_existing());
    topology
}

/// Maximal runs of letters and digits, in lower case.
fn words(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let temporary = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
    let output = cli.output.clone().unwrap_or_else(|| temporary.path().join("counts"));
    let topology = word_count(&cli.input, &output, cli.rate);
    let mut options = cli.run.options();
    if cli.kill_every.is_some() {
        options = options.restart(RestartPolicy::FixedDelay { attempts: None, delay: Duration::ZERO });
    }
    let job = topology.start(options)?;
    let had_finished = job.had_finished();
    let ledger = match cli.kill_every {
        Some(pause) => attend_under_fire(job, pause, cli.seed)?,
        None => attend(job)?,
    };
    if had_finished {
        return Ok(());
    }
    for (word, count) in top_ten(&output)? {
        println!("{count:>8}  {word}");
    }
    println!("{ledger}");
    Ok(())
}

/// Attends the job while a random subtask dies after each `pause`; then lists what was killed.
fn attend_under_fire(job: JobHandle, pause: Duration, seed: u64) -> Result<Ledger> {
    println!("kills a subtask every {pause:?}, seed {seed}");
    let watch = job.watch();
    let chaos = Chaos::new(seed).every(pause).unleash(&watch);
    let ledger = attend(job)?;
    chaos.end();
    let attempts = watch.attempts();
    let mut kills = 0;
    for (attempt, next) in attempts.iter().zip(attempts.iter().skip(1)) {
        let Some(failure) = attempt.failure.as_ref().filter(|failure| failure.kind == FailureKind::Killed) else {
            continue;
        };
        kills += 1;
        let from = next.restored_from.map_or("nothing".to_owned(), |checkpoint| format!("checkpoint {checkpoint}"));
        println!("kill {kills}: {failure}; restored from {from}");
    }
    println!("{kills} kills");
    Ok(ledger)
}

/// The most frequent words of the committed output, found by reading it back.
fn top_ten(output: &Path) -> Result<Vec<(String, u64)>> {
    let mut highest = HashMap::<String, u64>::new();
    for entry in std::fs::read_dir(output).map_err(|error| Error::io(output, error))? {
        let path = entry.map_err(|error| Error::io(output, error))?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")) {
            continue;
        }
        for line in std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?.lines() {
            let count: Count = serde_json::from_str(line).map_err(|error| Error::other(error.to_string()))?;
            let known = highest.entry(count.key).or_default();
            *known = count.value.max(*known);
        }
    }
    let mut words = highest.into_iter().collect::<Vec<_>>();
    words.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    words.truncate(10);
    Ok(words)
}
