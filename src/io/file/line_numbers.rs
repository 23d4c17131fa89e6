//! Counts lines from the start of a file, for splits that start in its middle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::Frames;
use crate::error::Result;

/// Line numbers that were counted. Shared by the readers of a source, so that no part of a file is counted twice.
#[derive(Debug, Clone, Default)]
pub(super) struct LineNumbers {
    known: Arc<Mutex<BTreeMap<(PathBuf, u64), u64>>>,
}

impl LineNumbers {
    /// The number, from 1, of the line that starts at `offset`. Reads the file from the closest place that is known.
    pub(super) fn at(&self, path: &Path, offset: u64) -> Result<u64> {
        let (from, line) = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let here = (path.to_owned(), 0)..=(path.to_owned(), offset);
            known.range(here).next_back().map_or((0, 1), |((_, from), line)| (*from, *line))
        };
        // Counted without the lock: it may take a while, and to count twice does no harm.
        let mut frames = Frames::open(path, offset, usize::MAX)?;
        frames.seek(from)?;
        let line = line + frames.count_newlines()?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert((path.to_owned(), offset), line);
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_the_start_whatever_is_known() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lines");
        std::fs::write(&path, "a\n\nb\nc\n").unwrap();
        let numbers = LineNumbers::default();
        for (offset, line) in [(5, 4), (3, 3), (0, 1), (7, 5), (5, 4)] {
            assert_eq!(numbers.at(&path, offset).unwrap(), line);
        }
    }
}
