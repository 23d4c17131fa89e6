//! Compares two builds, or two programs, that print the line of a workload: they run in turn, and each pair has a ratio.
//!
//! `cargo bench --bench compare -- OLD NEW [rounds=5] [WORD ...]`. `OLD` and `NEW` are paths from the root of the
//! repository, or whole command lines, each in quotes; the words are appended to both. Two builds of the suite:
//!
//! ```text
//! git worktree add target/before main && (cd target/before && cargo bench --bench suite --no-run)
//! cargo bench --bench suite --no-run          # both print the path of what they have built: `.../deps/suite-...`
//! cargo bench --bench compare -- target/before/target/release/deps/suite-... target/release/deps/suite-... w3 keys=1000
//! ```
//!
//! Instead of a work tree, a copy of the executable from before a change will do. A program in other words:
//! `compare "path/of/limit w3 20000000 1000000" "target/release/deps/suite-... w3"`.

use std::process::ExitCode;

use millstream_benches::micro::Measured;
use millstream_benches::start_at_root;

/// What is compared.
struct Comparison {
    old: Vec<String>,
    new: Vec<String>,
    rounds: usize,
}

impl Comparison {
    /// From the words behind `--`; nothing if there are none.
    fn parse(words: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let (settings, mut words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with("rounds="));
        if words.is_empty() {
            return Ok(None);
        }
        if words.len() < 2 {
            return Err("two programs are needed: OLD and NEW".to_owned());
        }
        let rounds = settings.last().map_or("5", |setting| &setting["rounds=".len()..]);
        let rounds = rounds.parse().ok().filter(|rounds| *rounds > 0);
        let rounds = rounds.ok_or("`rounds` is a number of at least 1")?;
        let of_both = words.split_off(2);
        let side = |line: &String| line.split_whitespace().map(str::to_owned).chain(of_both.clone()).collect();
        Ok(Some(Self { old: side(&words[0]), new: side(&words[1]), rounds }))
    }

    /// Runs all pairs, prints each, and gives the ratios in ascending order.
    fn run(&self) -> Result<Vec<f64>, String> {
        let mut ratios = Vec::new();
        println!("round       old M/s       new M/s   new/old");
        for round in 1..=self.rounds {
            // Neither is always the one that finds the machine warm.
            let (old, new) = if round % 2 == 1 {
                let old = Measured::of(&self.old)?;
                (old, Measured::of(&self.new)?)
            } else {
                let new = Measured::of(&self.new)?;
                (Measured::of(&self.old)?, new)
            };
            if old.checksum != new.checksum {
                return Err(format!("they do not agree: checksums are {} and {}", old.checksum, new.checksum));
            }
            let ratio = new.records_per_s / old.records_per_s;
            println!("{round:>5} {:>13.3} {:>13.3} {ratio:>9.3}", old.records_per_s / 1e6, new.records_per_s / 1e6);
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(ratios)
    }
}

/// The middle of what is sorted, or of its two middles.
fn median(sorted: &[f64]) -> f64 {
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

fn main() -> ExitCode {
    // Cargo says that it is a bench.
    let comparison = Comparison::parse(std::env::args().skip(1).filter(|word| word != "--bench"));
    let ratios = start_at_root().and_then(|()| comparison?.map(|comparison| comparison.run()).transpose());
    match ratios {
        Ok(Some(ratios)) => {
            let (least, greatest) = (ratios[0], ratios[ratios.len() - 1]);
            println!("new/old: median {:.3}, least {least:.3}, greatest {greatest:.3}", median(&ratios));
            ExitCode::SUCCESS
        }
        Ok(None) => {
            eprintln!("nothing to compare; try `cargo bench --bench compare -- OLD NEW w3 keys=1000000`");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
