//! Where the executable of the suite is: cargo builds it, if it is not built, and says so.

use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds the suite and gives its path.
pub(crate) fn build() -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["bench", "--bench", "suite", "--no-run", "--message-format=json-render-diagnostics"];
    let output = Command::new(cargo).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == "suite");
    let path = built.find_map(|message| message["executable"].as_str().map(str::to_owned));
    path.ok_or_else(|| format!("cargo did not build the suite: {}", output.status))
}
