//! Runs a program that prints the line of a workload, and reads that line.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// How many records a second of the run had.
    pub records_per_s: f64,
    /// The checksum over all results.
    pub checksum: String,
}

impl Measured {
    /// Runs the program that the first word names, with the other words as its arguments.
    pub fn of(words: &[String]) -> Result<Self, String> {
        let said = || words.join(" ");
        let (program, arguments) = words.split_first().ok_or("no program is named")?;
        let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("`{}` ended with {}", said(), output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default();
        let (Some(records_per_s), Some(checksum)) = (line["records_per_s"].as_f64(), line["checksum"].as_str()) else {
            return Err(format!("`{}` printed no line with `records_per_s` and `checksum`", said()));
        };
        Ok(Self { records_per_s, checksum: checksum.to_owned() })
    }
}
