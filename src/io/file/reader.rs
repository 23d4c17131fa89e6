//! Reads the splits of files, one after the other, and decides what happens to lines that cannot be decoded.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use millstream_actors::ids::CheckpointId;

use super::frame::Frames;
use super::line_numbers::LineNumbers;
use super::undecodable::Undecodable;
use super::{DeadLetter, Decode, FileSplit};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{ReadStatus, SourceReader, SplitNumber, SplitProgress, SplitSignal};
use crate::metrics::Counter;
use crate::model::Record;
use crate::operator::Emit;

/// The first byte that may belong to a line when the file begins with a byte order mark.
const BEHIND_BYTE_ORDER_MARK: u64 = 3;

/// Reads lines of files, inside one subtask.
pub struct FileReader<D> {
    pub(super) decoder: D,
    pub(super) undecodable: Undecodable,
    pub(super) max_line_bytes: usize,
    pub(super) line_numbers: LineNumbers,
    pub(super) progress: Counter,
    pub(super) failed: Counter,
    pub(super) current: Option<OpenSplit>,
    pub(super) waiting: VecDeque<(SplitNumber, FileSplit)>,
}

/// The split that is being read.
pub(super) struct OpenSplit {
    number: SplitNumber,
    frames: Frames,
    path: PathBuf,
    line: Option<u64>,
    end: u64,
    file_bytes: u64,
    /// Up to where progress was counted.
    counted: u64,
}

/// A line that could not be decoded.
struct Refused {
    offset: u64,
    text: String,
    error: String,
}

impl OpenSplit {
    fn open<D: Decode>(number: SplitNumber, split: FileSplit, decoder: &mut D, max_line_bytes: usize) -> Result<Self> {
        let FileSplit { path, position, at_line_start, mut line, end, file_bytes } = split;
        let mut frames = Frames::open(&path, file_bytes, max_line_bytes)?;
        let mut counted = position;
        if decoder.has_header() || position <= BEHIND_BYTE_ORDER_MARK {
            frames.skip_byte_order_mark()?;
        }
        let first_line = if decoder.has_header() { read_header(&mut frames, decoder, &path)? } else { 1 };
        if position <= frames.position() {
            // The first lines of the file start behind what was just read, wherever the split begins before them.
            line = Some(first_line);
        } else if at_line_start {
            frames.seek(position)?;
        } else {
            // If a line starts exactly at `position`, the byte before it is a newline.
            frames.seek(position - 1)?;
            frames.skip_line()?;
        }
        if !at_line_start {
            counted = frames.position();
        }
        Ok(Self { number, frames, path, line, end, file_bytes, counted })
    }

    /// How many bytes were consumed since the last call.
    fn progress(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.counted, self.frames.position());
        self.counted.saturating_sub(before)
    }

    fn split(&self) -> FileSplit {
        FileSplit {
            path: self.path.clone(),
            position: self.frames.position(),
            at_line_start: true,
            line: self.line,
            end: self.end,
            file_bytes: self.file_bytes,
        }
    }
}

/// Gives the file's header to the decoder, and says which line is the next one.
fn read_header<D: Decode>(frames: &mut Frames, decoder: &mut D, path: &Path) -> Result<u64> {
    let Some(frame) = frames.next(decoder.framing(), u64::MAX)? else { return Ok(1) };
    let taken = if frame.is_whole { decoder.header(frame.bytes) } else { Err("the header is too long".to_owned()) };
    match taken {
        Ok(()) => Ok(1 + frame.newlines),
        Err(detail) => {
            let (path, offset) = (path.to_owned(), frame.offset);
            Err(ErrorKind::Undecodable { path, offset, line: 1, detail }.into())
        }
    }
}

impl<D: Decode> FileReader<D> {
    /// Reads from the current split, until it ends (`false`) or `room` is used up (`true`). Every line takes room, so
    /// that a file full of lines that cannot be decoded does not keep the thread.
    fn read_current<E: Emit<D::Out>>(&mut self, room: &mut usize, out: &mut E) -> Result<bool> {
        let Some(open) = &mut self.current else { return Ok(false) };
        let framing = self.decoder.framing();
        while *room > 0 {
            let Some(frame) = open.frames.next(framing, open.end)? else {
                self.progress.add(open.progress());
                return Ok(false);
            };
            *room -= 1;
            let decoded = if frame.is_whole {
                self.decoder.decode(frame.bytes)
            } else {
                Err(format!("longer than {} bytes", self.max_line_bytes))
            };
            match decoded {
                Ok(Some(value)) => {
                    open.line = open.line.map(|line| line + frame.newlines);
                    out.emit(Record::new(value))?;
                }
                Ok(None) => open.line = open.line.map(|line| line + frame.newlines),
                Err(error) => {
                    let (offset, newlines) = (frame.offset, frame.newlines);
                    let text = String::from_utf8_lossy(frame.bytes).into_owned();
                    let line = match open.line {
                        Some(line) => line,
                        None => self.line_numbers.at(&open.path, offset)?,
                    };
                    open.line = Some(line + newlines);
                    refuse(&self.undecodable, &open.path, line, Refused { offset, text, error })?;
                    self.failed.add(1);
                }
            }
        }
        self.progress.add(open.progress());
        Ok(true)
    }
}

#[cold]
fn refuse(undecodable: &Undecodable, path: &Path, line: u64, refused: Refused) -> Result<()> {
    let Refused { offset, text, error } = refused;
    let path = path.to_owned();
    match undecodable {
        Undecodable::Fail => Err(ErrorKind::Undecodable { path, offset, line, detail: error }.into()),
        Undecodable::Skip => Ok(()),
        Undecodable::PutAside(letters) => {
            letters.emit(Record::new(DeadLetter { path, offset, line, text, error }));
            Ok(())
        }
    }
}

impl<D: Decode> SourceReader for FileReader<D> {
    type Out = D::Out;
    type Split = FileSplit;

    fn add_split(&mut self, number: SplitNumber, split: FileSplit) -> Result<()> {
        let metadata = split.path.metadata().map_err(|error| Error::io(&split.path, error))?;
        let (had, has) = (split.file_bytes, metadata.len());
        if has < had {
            let path = split.path.display();
            return Err(Error::other(format!("{path}: had {had} bytes when the job began, now has {has}")));
        }
        self.waiting.push_back((number, split));
        Ok(())
    }

    fn read<E: Emit<D::Out>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let mut room = limit;
        loop {
            let number = match &self.current {
                Some(open) => open.number,
                None => {
                    let Some((number, split)) = self.waiting.pop_front() else { return Ok(ReadStatus::SplitsFinished) };
                    self.current = Some(OpenSplit::open(number, split, &mut self.decoder, self.max_line_bytes)?);
                    number
                }
            };
            out.split(SplitSignal::Reading(number))?;
            if self.read_current(&mut room, out)? {
                return Ok(ReadStatus::More);
            }
            self.current = None;
            out.split(SplitSignal::Finished(number))?;
        }
    }

    fn split_name(&self, split: &FileSplit) -> Option<String> {
        // Nothing of the position: a split keeps its name.
        Some(format!("{} up to byte {}", split.path.display(), split.end))
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<FileSplit>> {
        let waiting = self.waiting.iter().map(|(_, split)| split.clone());
        Ok(self.current.iter().map(OpenSplit::split).chain(waiting).collect())
    }

    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<FileSplit>> {
        if let Some(open) = self.current.take_if(|open| open.number == split) {
            return Ok(Some(open.split()));
        }
        let position = self.waiting.iter().position(|(number, _)| *number == split);
        Ok(position.and_then(|position| self.waiting.remove(position)).map(|(_, split)| split))
    }

    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        let open = self.current.as_ref().filter(|open| open.number == split)?;
        let (position, end) = (open.frames.position(), open.end.min(open.file_bytes));
        let lag = Some(format!("{} bytes", end.saturating_sub(position)));
        Some(SplitProgress { position: format!("byte {position}"), lag })
    }
}
