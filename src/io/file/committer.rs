//! Gives files their names when their checkpoint is complete, and removes those of which no checkpoint knows.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Part;
use super::part::sync_directory;
use crate::error::{Error, Result};
use crate::io::Committer;
use crate::operator::SubtaskContext;

/// Makes the files of one subtask visible, and takes back those of earlier attempts.
pub struct FileCommitter {
    directory: Arc<PathBuf>,
    extension: &'static str,
    run: Arc<str>,
    index: u32,
    parallelism: u32,
}

impl FileCommitter {
    pub(super) fn new(directory: Arc<PathBuf>, extension: &'static str, context: &SubtaskContext) -> Self {
        let SubtaskContext { index, parallelism, .. } = *context;
        Self { directory, extension, run: Arc::clone(&context.run), index, parallelism }
    }

    /// Removes the files of all runs but this one. Several subtasks may do it at once.
    pub(super) fn remove_other_runs(&self) -> Result<()> {
        for name in self.names()? {
            let part = Part::of_finished_name(&name, self.extension);
            let part = part.or_else(|| Part::of_hidden_name(&name, self.extension));
            if part.is_some_and(|part| part.run != *self.run) {
                remove(&self.directory.join(name))?;
            }
        }
        Ok(())
    }

    /// The names in the directory. Names that are not UTF-8 are none of this sink's.
    fn names(&self) -> Result<Vec<String>> {
        let failed = |error| Error::io(self.directory.as_path(), error);
        let mut names = Vec::new();
        for entry in self.directory.read_dir().map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

impl Committer for FileCommitter {
    type Transaction = Part;

    fn commit(&self, transactions: &[Part]) -> Result<()> {
        for part in transactions {
            let hidden = self.directory.join(part.hidden_name(self.extension));
            let finished = self.directory.join(part.finished_name(self.extension));
            match fs::rename(&hidden, &finished) {
                Ok(()) => {}
                // It was committed before, by this attempt or an earlier one.
                Err(error) if error.kind() == ErrorKind::NotFound && finished.is_file() => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let (hidden, finished) = (hidden.display(), finished.display());
                    return Err(Error::other(format!("{hidden}: is missing, and so is {finished}: cannot commit")));
                }
                Err(error) => return Err(Error::io(hidden, error)),
            }
        }
        // Also after files that had their names: the attempt that renamed them may have come no further.
        sync_directory(&self.directory)
    }

    fn abort(&self, transactions: &[Part]) -> Result<()> {
        transactions.iter().try_for_each(|part| remove(&self.directory.join(part.hidden_name(self.extension))))
    }

    fn list_pending(&self) -> Result<Vec<Part>> {
        let parts = self.names()?.into_iter().filter_map(|name| Part::of_hidden_name(&name, self.extension));
        Ok(parts.filter(|part| part.run == *self.run && part.subtask % self.parallelism == self.index).collect())
    }

    fn files(&self, part: &Part) -> Vec<PathBuf> {
        vec![self.directory.join(part.hidden_name(self.extension))]
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}
