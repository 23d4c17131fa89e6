//! Decides how files are cut into splits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::find::FoundFile;

const LEAST_SPLIT_BYTES: u64 = 64 * 1024;
const MOST_SPLIT_BYTES: u64 = 16 * 1024 * 1024;

/// A part of a file, with the position reached in it.
///
/// A split has the lines that *start* before its `end`, and not before its start. A line that goes beyond the end is
/// read to its own end; a split that starts inside a line leaves the rest of that line to the split before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSplit {
    pub(super) path: PathBuf,
    /// The next byte to read.
    pub(super) position: u64,
    /// Whether a line is known to start at `position`.
    pub(super) at_line_start: bool,
    /// The line at `position`, counted from 1, if somebody has counted.
    pub(super) line: Option<u64>,
    /// Lines that start here or later belong to other splits.
    pub(super) end: u64,
    /// The size of the file when it was found; what was appended later is not read.
    pub(super) file_bytes: u64,
}

/// A split size that gives each of `parallelism` readers several splits, unless they would get too small.
pub(super) fn default_split_bytes(files: &[FoundFile], parallelism: u32) -> u64 {
    let total = files.iter().map(|file| file.size_bytes).sum::<u64>();
    (total / (4 * u64::from(parallelism.max(1)))).clamp(LEAST_SPLIT_BYTES, MOST_SPLIT_BYTES)
}

/// Cuts each file into ranges of `split_bytes`, or leaves it whole if that is `None`. Empty files have no splits.
pub(super) fn cut(files: Vec<FoundFile>, split_bytes: Option<u64>) -> impl Iterator<Item = FileSplit> {
    files.into_iter().flat_map(move |FoundFile { path, size_bytes }| {
        let length = split_bytes.unwrap_or(size_bytes).max(1);
        (0..size_bytes.div_ceil(length)).map(move |number| FileSplit {
            path: path.clone(),
            position: number * length,
            at_line_start: number == 0,
            line: (number == 0).then_some(1),
            end: (number * length).saturating_add(length).min(size_bytes),
            file_bytes: size_bytes,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size_bytes: u64) -> FoundFile {
        FoundFile { path: "f".into(), size_bytes }
    }

    #[test]
    fn splits_cover_each_file_without_overlap() {
        let ranges = |split_bytes| {
            cut(vec![file(10), file(0), file(3)], split_bytes)
                .map(|split| (split.position, split.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(ranges(Some(4)), [(0, 4), (4, 8), (8, 10), (0, 3)]);
        assert_eq!(ranges(None), [(0, 10), (0, 3)]);
        assert_eq!(ranges(Some(0)).len(), 13);
        assert_eq!(ranges(Some(u64::MAX)).len(), 2);
    }

    #[test]
    fn file_of_a_few_megabytes_is_read_in_parallel() {
        assert_eq!(default_split_bytes(&[file(8 << 20)], 4), 512 * 1024);
        assert_eq!(default_split_bytes(&[file(1_000)], 4), LEAST_SPLIT_BYTES);
        assert_eq!(default_split_bytes(&[file(1 << 40)], 4), MOST_SPLIT_BYTES);
    }
}
