//! Draws how fast the workloads of the suite are, over the number of subtasks, of operators, of keys.
//!
//! `cargo bench --bench curves -- out=docs/performance [quick] [full]` builds the suite, runs it for each point, each time
//! in a process of its own, and leaves an SVG per drawing and all numbers in `curves.json`. A point is the median of three
//! runs. `quick` runs each point once, with a hundredth of the records: to see that all of it works. `full` has state of a
//! hundred million keys too, for which 16 GB of memory are needed.

mod drawing;
mod series;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use millstream_benches::start_at_root;
use serde_json::{Value, json};
use series::{Drawing, Effort};

/// What is asked for.
struct Wanted {
    out: PathBuf,
    effort: Effort,
}

impl Wanted {
    /// From the words behind `--`; nothing if there are none.
    fn parse(words: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut out, mut effort, mut is_empty) = (None, Effort::Usual, true);
        for word in words {
            is_empty = false;
            match word.split_once('=') {
                Some(("out", directory)) => out = Some(PathBuf::from(directory)),
                None if word == "quick" => effort = Effort::Quick,
                None if word == "full" => effort = Effort::Full,
                _ => return Err(format!("'{word}' is none of out=DIRECTORY, quick, full")),
            }
        }
        match out {
            Some(out) => Ok(Some(Self { out, effort })),
            None if is_empty => Ok(None),
            None => Err("where the drawings go is not said: out=DIRECTORY".to_owned()),
        }
    }

    /// Measures and draws everything.
    fn draw(&self) -> Result<(), String> {
        let suite = suite::build()?;
        fs::create_dir_all(&self.out).map_err(|error| format!("{}: {error}", self.out.display()))?;
        let mut numbers = Vec::new();
        for drawing in Drawing::all(self.effort) {
            let lines = drawing.measure(&suite, self.effort)?;
            let file = self.out.join(format!("{}.svg", drawing.name));
            drawing::draw(&file, &drawing, &lines).map_err(|error| format!("{}: {error}", file.display()))?;
            numbers.push(drawing.numbers(&lines));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let numbers = json!({ "cores": cores, "effort": format!("{:?}", self.effort), "drawings": numbers });
        write(&self.out.join("curves.json"), &numbers)
    }
}

fn write(file: &Path, numbers: &Value) -> Result<(), String> {
    fs::write(file, format!("{numbers:#}\n")).map_err(|error| format!("{}: {error}", file.display()))
}

fn main() -> ExitCode {
    // Cargo says that it is a bench.
    let wanted = Wanted::parse(std::env::args().skip(1).filter(|word| word != "--bench"));
    let drawn = start_at_root().and_then(|()| wanted?.map(|wanted| wanted.draw()).transpose());
    match drawn {
        Ok(Some(())) => ExitCode::SUCCESS,
        Ok(None) => {
            eprintln!("nothing to draw; try `cargo bench --bench curves -- quick out=target/curves`");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
