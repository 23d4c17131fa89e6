//! Reads records from files.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::cut::{cut, default_split_bytes};
use super::line_numbers::LineNumbers;
use super::undecodable::OnUndecodable;
use super::{CsvDecoder, DeadLetter, Decode, FileReader, FileSplit, Framing, JsonDecoder, LineDecoder, find};
use crate::error::Result;
use crate::io::{Source, SplitQueue, SplitSchema};
use crate::metrics::{FAILED, PROGRESS};
use crate::model::Data;
use crate::operator::{SideId, SideOutput, SubtaskContext};

const DEFAULT_MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the lines of files.
///
/// A path is one file, a directory (its files, not hidden ones, not those of directories inside it), or a pattern with
/// `*`, `?`, `[…]` and `**`. Files that exist when the job begins are read, up to the size they have then; what is
/// appended later is not read. A file that two paths name is read once.
///
/// # Shape
/// One record per line, without event time, in order within a split. Files are cut into splits at line ends, so one
/// file is read by several subtasks, and lines of different splits mix. Lines end with `\n` or `\r\n`; the last one may
/// end with the file. A byte order mark is left out.
///
/// # Units
/// [`split_bytes`](Self::split_bytes) and [`max_line_bytes`](Self::max_line_bytes) count bytes of the file; progress is
/// counted in bytes too.
///
/// # Errors
/// At run time: if a path names no file; if a file cannot be read, or is shorter than it was when the job began; and if
/// a line cannot be decoded ([`ErrorKind::Undecodable`](crate::error::ErrorKind::Undecodable)), unless
/// [`skip_undecodable`](Self::skip_undecodable) or [`dead_letters_to`](Self::dead_letters_to) says otherwise.
///
/// # Recovery
/// A snapshot holds the place of the next line in each unfinished split. Files must not change while the job may be
/// restarted, apart from growing.
///
/// # Example
/// ```
/// use millstream::io::FileSource;
///
/// #[derive(serde::Deserialize)]
/// struct Ride { taxi: u32, fare: f64 }
///
/// let lines = FileSource::lines("logs/*.txt").and("more/app.log");
/// let rides = FileSource::json_lines::<Ride>("rides/").skip_undecodable();
/// let fares = FileSource::csv::<Ride>("fares.csv").no_newlines_in_fields();
/// # let _ = (lines, rides, fares, |ride: Ride| ride.fare * f64::from(ride.taxi));
/// ```
pub struct FileSource<D = LineDecoder> {
    paths: Vec<PathBuf>,
    decoder: D,
    split_bytes: Option<u64>,
    max_line_bytes: usize,
    undecodable: OnUndecodable,
    line_numbers: LineNumbers,
}

impl FileSource {
    /// Each line as a `String`, empty lines too. A line that is not UTF-8 cannot be decoded.
    pub fn lines(path: impl Into<PathBuf>) -> Self {
        Self::decoded_by(LineDecoder, path.into())
    }

    /// Each line as a JSON value. Blank lines are left out.
    pub fn json_lines<T: Data + DeserializeOwned>(path: impl Into<PathBuf>) -> FileSource<JsonDecoder<T>> {
        FileSource::decoded_by(JsonDecoder::new(), path.into())
    }

    /// Each row of a CSV file, read by the names in the header that each file must have. Blank lines are left out.
    ///
    /// Each file is one split, since a field in quotes may hold a newline: what is a line can only be told from the
    /// start of the file. See [`no_newlines_in_fields`](FileSource::no_newlines_in_fields).
    pub fn csv<T: Data + DeserializeOwned>(path: impl Into<PathBuf>) -> FileSource<CsvDecoder<T>> {
        FileSource::decoded_by(CsvDecoder::new(b',', true), path.into())
    }
}

impl<T: Data + DeserializeOwned> FileSource<CsvDecoder<T>> {
    /// Promises that no field holds a newline, so that one file can be read by several subtasks.
    ///
    /// A field that holds one all the same is a row that cannot be decoded.
    #[must_use]
    pub fn no_newlines_in_fields(mut self) -> Self {
        self.decoder = CsvDecoder::new(self.decoder.delimiter, false);
        self
    }

    /// What stands between fields, instead of a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.decoder = CsvDecoder::new(delimiter, self.decoder.quotes_newlines);
        self
    }
}

impl<D: Decode> FileSource<D> {
    fn decoded_by(decoder: D, path: PathBuf) -> Self {
        Self {
            paths: vec![path],
            decoder,
            split_bytes: None,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            undecodable: OnUndecodable::Fail,
            line_numbers: LineNumbers::default(),
        }
    }

    /// Reads the files of one more path.
    #[must_use]
    pub fn and(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Cuts files into splits of `bytes`. By default a quarter of what each subtask has to read, but at least 64 KiB
    /// and at most 16 MiB.
    #[must_use]
    pub fn split_bytes(mut self, bytes: u64) -> Self {
        self.split_bytes = Some(bytes);
        self
    }

    /// The length, without its end, above which a line cannot be decoded; by default 16 MiB. A line is held in memory.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = bytes;
        self
    }

    /// Counts lines that cannot be decoded, instead of failing the job.
    #[must_use]
    pub fn skip_undecodable(mut self) -> Self {
        self.undecodable = OnUndecodable::Skip;
        self
    }

    /// Counts lines that cannot be decoded and emits them to `letters`, instead of failing the job.
    #[must_use]
    pub fn dead_letters_to(mut self, letters: &SideOutput<DeadLetter>) -> Self {
        self.undecodable = OnUndecodable::PutAside(letters.clone());
        self
    }
}

impl<D: Decode> Source for FileSource<D> {
    type Out = D::Out;
    type Split = FileSplit;
    type Enumerator = SplitQueue<FileSplit>;
    type Reader = FileReader<D>;

    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("ranges of files", 1);

    fn discover(&self, parallelism: u32) -> Result<SplitQueue<FileSplit>> {
        let files = find::find(&self.paths)?;
        let total = files.iter().map(|file| file.size_bytes).sum();
        let split_bytes = match self.decoder.framing() {
            Framing::Lines => Some(self.split_bytes.unwrap_or_else(|| default_split_bytes(&files, parallelism))),
            Framing::QuotedFields { .. } => None,
        };
        Ok(SplitQueue::new(cut(files, split_bytes), Some(total)))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<FileReader<D>> {
        Ok(FileReader {
            decoder: self.decoder.clone(),
            undecodable: self.undecodable.open(context),
            max_line_bytes: self.max_line_bytes,
            line_numbers: self.line_numbers.clone(),
            progress: context.counter(PROGRESS),
            failed: context.counter(FAILED),
            current: None,
            waiting: VecDeque::new(),
        })
    }

    fn side_outputs(&self) -> Vec<SideId> {
        match &self.undecodable {
            OnUndecodable::PutAside(letters) => vec![letters.id()],
            OnUndecodable::Fail | OnUndecodable::Skip => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
