//! Prints records as lines of the standard output.

use std::fmt::{Debug, Display};
use std::io::Write;

use millstream_actors::ids::CheckpointId;

use super::{NoTransactions, Prepared, Sink, SinkWriter};
use crate::error::{Error, Result};
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// Lines are handed to the standard output in pieces of this size, or when there is nothing more to print for now.
const BUFFER_BYTES: usize = 64 * 1024;

/// Prints each record as one line.
///
/// # Recovery
/// At least once: after a failure the records since the latest checkpoint are printed again.
///
/// # Errors
/// At run time, if the standard output fails; a closed pipe is such a failure.
///
/// # Example
/// ```
/// use millstream::io::Print;
///
/// let (names, details) = (Print::<String>::new(), Print::<(u32, f64)>::debug());
/// # let _ = (names, details);
/// ```
pub struct Print<T> {
    append: Append<T>,
}

/// Appends the text of a value to a buffer.
type Append<T> = fn(&T, &mut Vec<u8>) -> std::io::Result<()>;

impl<T: Data + Display> Print<T> {
    /// Prints values as [`Display`] shows them.
    #[must_use]
    pub fn new() -> Self {
        Self { append: |value, buffer| writeln!(buffer, "{value}") }
    }
}

impl<T: Data + Display> Default for Print<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Data + Debug> Print<T> {
    /// Prints values as [`Debug`] shows them.
    #[must_use]
    pub fn debug() -> Self {
        Self { append: |value, buffer| writeln!(buffer, "{value:?}") }
    }
}

impl<T: Data> Sink for Print<T> {
    type In = T;
    type Transaction = ();
    type Writer = PrintWriter<T>;
    type Committer = NoTransactions;

    fn committer(&self, _context: &SubtaskContext) -> Result<NoTransactions> {
        Ok(NoTransactions)
    }

    fn writer(&self, _context: &mut SubtaskContext) -> Result<PrintWriter<T>> {
        Ok(PrintWriter { append: self.append, buffer: Vec::new(), output: Box::new(std::io::stdout()) })
    }
}

/// Prints records, inside one subtask.
pub struct PrintWriter<T> {
    append: Append<T>,
    buffer: Vec<u8>,
    output: Box<dyn Write + Send>,
}

impl<T> PrintWriter<T> {
    /// Hands over whole lines only, in one call, so that lines of several subtasks do not mix.
    fn hand_over(&mut self) -> Result<()> {
        let written = self.output.write_all(&self.buffer).and_then(|()| self.output.flush());
        self.buffer.clear();
        written.map_err(|error| Error::io("standard output", error))
    }
}

impl<T: Data> SinkWriter for PrintWriter<T> {
    type In = T;
    type Transaction = ();

    fn write(&mut self, record: Record<T>) -> Result<()> {
        (self.append)(&record.value, &mut self.buffer).map_err(|error| Error::io("standard output", error))?;
        if self.buffer.len() >= BUFFER_BYTES { self.hand_over() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_over() }
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<()>> {
        self.flush()?;
        Ok(NoTransactions::prepared())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;

    struct Pieces(mpsc::Sender<String>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let piece = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
            self.0.send(piece).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_appear_at_a_flush_or_a_barrier() {
        let (sender, printed) = mpsc::channel();
        let append = Print::<u32>::new().append;
        let mut writer = PrintWriter { append, buffer: Vec::new(), output: Box::new(Pieces(sender)) };
        writer.write(Record::new(1)).unwrap();
        writer.write(Record::new(2)).unwrap();
        assert_eq!(printed.try_recv().ok(), None);
        writer.flush().unwrap();
        writer.flush().unwrap();
        writer.write(Record::new(3)).unwrap();
        writer.prepare(CheckpointId(1)).unwrap();
        assert_eq!(printed.try_iter().collect::<Vec<_>>(), ["1\n2\n", "3\n"]);
    }

    #[test]
    fn closed_output_is_an_error() {
        let (sender, receiver) = mpsc::channel();
        drop(receiver);
        let append = Print::<&'static str>::debug().append;
        let mut writer = PrintWriter { append, buffer: Vec::new(), output: Box::new(Pieces(sender)) };
        writer.write(Record::new("x")).unwrap();
        assert!(writer.flush().unwrap_err().to_string().starts_with("standard output: "));
    }
}
