//! Decides what the files of a sink are called, and so who they belong to.

use std::path::Path;

use millstream_actors::ids::Attempt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const HIDDEN_PREFIX: &str = ".part-";
const FINISHED_PREFIX: &str = "part-";
const HIDDEN_SUFFIX: &str = ".uncommitted";

/// One output file: a transaction of a [`FileSink`](super::FileSink).
///
/// Attempts never repeat within a run, and runs have names of their own, so no two files ever have the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub(super) run: String,
    pub(super) attempt: Attempt,
    pub(super) subtask: u32,
    /// Counted from 0 within the subtask and attempt.
    pub(super) number: u64,
}

impl Part {
    /// The name until it is committed.
    pub(super) fn hidden_name(&self, extension: &str) -> String {
        format!(".{}{HIDDEN_SUFFIX}", self.finished_name(extension))
    }

    /// The name once it is committed. Sorted by name, the files of one subtask are in the order of its records.
    pub(super) fn finished_name(&self, extension: &str) -> String {
        let Self { run, attempt: Attempt(attempt), subtask, number } = self;
        format!("{FINISHED_PREFIX}{run}-{attempt:04}-{subtask:03}-{number:06}.{extension}")
    }

    pub(super) fn of_hidden_name(name: &str, extension: &str) -> Option<Self> {
        let part = Self::of_fields(name.strip_prefix(HIDDEN_PREFIX)?.strip_suffix(HIDDEN_SUFFIX)?, extension)?;
        (part.hidden_name(extension) == name).then_some(part)
    }

    pub(super) fn of_finished_name(name: &str, extension: &str) -> Option<Self> {
        let part = Self::of_fields(name.strip_prefix(FINISHED_PREFIX)?, extension)?;
        (part.finished_name(extension) == name).then_some(part)
    }

    fn of_fields(name: &str, extension: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(extension)?.strip_suffix('.')?.rsplitn(4, '-');
        let number = fields.next()?.parse().ok()?;
        let subtask = fields.next()?.parse().ok()?;
        let attempt = Attempt(fields.next()?.parse().ok()?);
        Some(Self { run: fields.next()?.to_owned(), attempt, subtask, number })
    }
}

/// Makes the names in `directory` survive a power failure.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    // Elsewhere a directory cannot be opened, and names are kept by the file system's own journal.
    if cfg!(unix) {
        let sync = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        sync.map_err(|error| Error::io(directory, error))?;
    }
    Ok(())
}

/// Makes `directory` and those above it, so that they survive a power failure.
pub(super) fn create_directory(directory: &Path) -> Result<()> {
    let missing = directory.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.is_dir()).collect::<Vec<_>>();
    std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
    for made in missing {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            _ => sync_directory(Path::new("."))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_part() {
        let part = Part { run: "k3-f".to_owned(), attempt: Attempt(12_345), subtask: 3, number: 7 };
        assert_eq!(part.finished_name("jsonl"), "part-k3-f-12345-003-000007.jsonl");
        assert_eq!(part.hidden_name("jsonl"), ".part-k3-f-12345-003-000007.jsonl.uncommitted");
        assert_eq!(Part::of_hidden_name(&part.hidden_name("jsonl"), "jsonl").as_ref(), Some(&part));
        assert_eq!(Part::of_finished_name(&part.finished_name("jsonl"), "jsonl"), Some(part));
    }

    #[test]
    fn foreign_names_are_not_parts() {
        for name in ["part-x.jsonl", "part-a-1-2-3.jsonl", "part-a-0001-002-000003.csv", "part-a-0001-002-+00003.jsonl"]
        {
            assert_eq!(Part::of_finished_name(name, "jsonl"), None);
            assert_eq!(Part::of_hidden_name(&format!(".{name}.uncommitted"), "jsonl"), None);
        }
    }
}
