//! Counts the instructions of a job: the process runs itself under valgrind.

use std::process::Command;

/// Whether valgrind can be run.
pub(crate) fn check() -> Result<(), String> {
    let missing = |error| format!("valgrind is needed, and cannot be run: {error}; try `apt-get install valgrind`");
    Command::new("valgrind").arg("--version").output().map(|_| ()).map_err(missing)
}

/// All instructions of all threads from the start of a process to its end, in which the job `name` has so many records.
pub(crate) fn instructions(name: &str, records: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(own)
        .args(["run", name, &records.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} ended with {} under valgrind:\n{said}", output.status));
    }
    let profile = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals:"));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("{name}: valgrind left no total"))
}
