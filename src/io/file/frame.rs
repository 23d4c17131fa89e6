//! Finds the lines of a file, one after the other, without copying them.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memchr::{memchr, memchr_iter, memchr2};

use crate::error::{Error, Result};

const READ_BYTES: usize = 256 * 1024;
/// Beyond the end of a split only the rest of one line is wanted.
const READ_BEYOND_BYTES: u64 = 16 * 1024;
/// How much of a line that is too long is kept to show it.
const HEAD_BYTES: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Decides where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// At each newline.
    Lines,
    /// At each newline outside quotes. A quote counts where a field begins.
    QuotedFields {
        /// Ends a field.
        delimiter: u8,
    },
}

/// Reads the lines that start in one part of a file.
pub(super) struct Frames {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    max_line_bytes: usize,
    buffer: Vec<u8>,
    /// What is in the buffer and not consumed.
    start: usize,
    filled: usize,
    /// The place of `start` in the file.
    position: u64,
    /// What is left of a line that is too long.
    head: Vec<u8>,
}

/// One line, without its end.
pub(super) struct Frame<'a> {
    /// Its first byte in the file.
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    /// Whether these are all its bytes. If not, it was longer than allowed, and these are its first ones.
    pub(super) is_whole: bool,
    /// How many lines of text it took.
    pub(super) newlines: u64,
}

/// How far the search for the end of a line has come.
struct Search {
    framing: Framing,
    seen: usize,
    newlines: u64,
    field: Field,
}

enum Field {
    Start,
    Bare,
    Quoted,
    /// Behind a quote that ends the field, unless another one follows.
    QuoteClosed,
}

impl Search {
    fn new(framing: Framing) -> Self {
        Self { framing, seen: 0, newlines: 0, field: Field::Start }
    }

    /// The place of the newline that ends the line, if it is in `unread`, which must begin with all that was seen.
    fn end(&mut self, unread: &[u8]) -> Option<usize> {
        match self.framing {
            Framing::Lines => {
                let end = memchr(b'\n', &unread[self.seen..]).map(|at| self.seen + at);
                self.newlines += u64::from(end.is_some());
                self.seen = unread.len();
                end
            }
            Framing::QuotedFields { delimiter } => self.end_of_fields(delimiter, unread),
        }
    }

    fn end_of_fields(&mut self, delimiter: u8, unread: &[u8]) -> Option<usize> {
        while self.seen < unread.len() {
            let rest = &unread[self.seen..];
            let stop = match self.field {
                Field::Start | Field::QuoteClosed if rest[0] == b'"' => {
                    self.field = Field::Quoted;
                    self.seen += 1;
                    continue;
                }
                Field::Start | Field::QuoteClosed => {
                    self.field = Field::Bare;
                    continue;
                }
                Field::Bare => memchr2(delimiter, b'\n', rest),
                Field::Quoted => memchr2(b'"', b'\n', rest),
            };
            let Some(stop) = stop else {
                self.seen = unread.len();
                return None;
            };
            self.seen += stop + 1;
            match (&self.field, rest[stop]) {
                (Field::Quoted, b'\n') => self.newlines += 1,
                (_, b'\n') => {
                    self.newlines += 1;
                    return Some(self.seen - 1);
                }
                (Field::Quoted, _) => self.field = Field::QuoteClosed,
                _ => self.field = Field::Start,
            }
        }
        None
    }
}

impl Frames {
    /// Opens `path`, of which the first `file_bytes` are of interest.
    pub(super) fn open(path: &Path, file_bytes: u64, max_line_bytes: usize) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            file_bytes,
            max_line_bytes,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            position: 0,
            head: Vec::new(),
        })
    }

    /// The next byte to read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`.
    pub(super) fn seek(&mut self, position: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(position)).map_err(|error| Error::io(&self.path, error))?;
        (self.position, self.start, self.filled) = (position, 0, 0);
        Ok(())
    }

    /// Consumes the byte order mark, if there is one here.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.unread().len() < BYTE_ORDER_MARK.len() && self.fill(self.file_bytes)? {}
        if self.unread().starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    /// Consumes everything up to the next newline, and the newline.
    pub(super) fn skip_line(&mut self) -> Result<()> {
        loop {
            if let Some(end) = memchr(b'\n', self.unread()) {
                self.consume(end + 1);
                return Ok(());
            }
            self.consume(self.unread().len());
            if !self.fill(self.position)? {
                return Ok(());
            }
        }
    }

    /// Consumes the rest of the file and counts the newlines in it.
    pub(super) fn count_newlines(&mut self) -> Result<u64> {
        let mut newlines = 0;
        loop {
            newlines += memchr_iter(b'\n', self.unread()).count() as u64;
            self.consume(self.unread().len());
            if !self.fill(self.file_bytes)? {
                return Ok(newlines);
            }
        }
    }

    /// Consumes one line, if one starts before `until`.
    pub(super) fn next(&mut self, framing: Framing, until: u64) -> Result<Option<Frame<'_>>> {
        if self.position >= until.min(self.file_bytes) {
            return Ok(None);
        }
        let offset = self.position;
        let mut search = Search::new(framing);
        let mut is_whole = true;
        let (length, consumed) = loop {
            let unread = self.unread();
            if let Some(end) = search.end(unread) {
                break (end, end + 1);
            }
            // One byte more, since the last one may belong to the end of the line.
            if unread.len() > self.max_line_bytes.saturating_add(1) {
                if is_whole {
                    self.head = head(unread).to_vec();
                    is_whole = false;
                }
                search.seen = 0;
                self.consume(self.unread().len());
            }
            if !self.fill(until)? {
                break (self.unread().len(), self.unread().len());
            }
        };
        let from = self.start;
        self.consume(consumed);
        let mut bytes = &self.buffer[from..from + length];
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if !is_whole {
            bytes = &self.head;
        } else if bytes.len() > self.max_line_bytes {
            (bytes, is_whole) = (head(bytes), false);
        }
        Ok(Some(Frame { offset, bytes, is_whole, newlines: search.newlines }))
    }

    #[inline]
    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    #[inline]
    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Reads on, not much further than `until`; `false` at the end of the file.
    fn fill(&mut self, until: u64) -> Result<bool> {
        self.buffer.copy_within(self.start..self.filled, 0);
        (self.start, self.filled) = (0, self.filled - self.start);
        let at = self.position + self.filled as u64;
        let left = self.file_bytes.saturating_sub(at);
        if left == 0 {
            return Ok(false);
        }
        let wanted = until.saturating_sub(at).max(READ_BEYOND_BYTES).min(left);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(READ_BYTES);
        if self.buffer.len() - self.filled < wanted.div_ceil(2) {
            // At least double, so that a long line is not copied over and over.
            self.buffer.resize((self.filled + wanted).max(2 * self.filled), 0);
        }
        let room = &mut self.buffer[self.filled..];
        let wanted = wanted.min(room.len());
        loop {
            match self.file.read(&mut room[..wanted]) {
                Ok(0) => {
                    let (path, had) = (self.path.display(), self.file_bytes);
                    return Err(Error::other(format!("{path}: had {had} bytes when the job began, now ends at {at}")));
                }
                Ok(read) => {
                    self.filled += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&self.path, error)),
            }
        }
    }
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn frames(text: &[u8], framing: Framing, max_line_bytes: usize) -> Vec<(u64, Vec<u8>, bool, u64)> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("input");
        fs::write(&path, text).unwrap();
        let mut frames = Frames::open(&path, text.len() as u64, max_line_bytes).unwrap();
        let mut all = Vec::new();
        while let Some(frame) = frames.next(framing, u64::MAX).unwrap() {
            all.push((frame.offset, frame.bytes.to_vec(), frame.is_whole, frame.newlines));
        }
        all
    }

    #[test]
    fn newline_inside_quotes_does_not_end_the_line() {
        let text = b"a,\"x\ny\",b\nq\"uote,\n\"\"\"\n\"\"\",\"end\"\"\"\nlast";
        let found = frames(text, Framing::QuotedFields { delimiter: b',' }, 100);
        let expected: [(&[u8], u64); 4] =
            [(b"a,\"x\ny\",b", 2), (b"q\"uote,", 1), (b"\"\"\"\n\"\"\",\"end\"\"\"", 2), (b"last", 0)];
        assert_eq!(found.iter().map(|f| (f.1.as_slice(), f.3)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn line_may_have_exactly_the_allowed_length() {
        for end in ["\n", "\r\n"] {
            let text = format!("12345{end}123456{end}{}{end}1", "9".repeat(1_000_000));
            let found = frames(text.as_bytes(), Framing::Lines, 5);
            assert_eq!(found.iter().map(|f| f.2).collect::<Vec<_>>(), [true, false, false, true]);
            assert_eq!(found[1].1, b"123456");
            assert_eq!((found[2].1.len(), found[3].1.as_slice()), (HEAD_BYTES, b"1".as_slice()));
        }
    }

    #[test]
    fn line_longer_than_the_buffer_is_whole() {
        let line = "long ".repeat(READ_BYTES);
        let found = frames(format!("{line}\n{line}").as_bytes(), Framing::Lines, usize::MAX);
        assert!(found.iter().map(|f| &f.1).eq([line.as_bytes(), line.as_bytes()]));
    }

    #[test]
    fn file_that_has_shrunk_is_an_error_that_names_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shrunk.txt");
        fs::write(&path, "a\nb").unwrap();
        let mut frames = Frames::open(&path, 10, 100).unwrap();
        assert_eq!(frames.next(Framing::Lines, 10).unwrap().unwrap().bytes, b"a");
        let error = frames.next(Framing::Lines, 10).err().unwrap().to_string();
        assert!(error.ends_with("shrunk.txt: had 10 bytes when the job began, now ends at 3"), "{error}");
    }
}
