//! The place where an operator's results go in a case: keeps them, and checks the grammar of a channel.

use super::Element;
use crate::error::{Error, Result};
use crate::io::SplitSignal;
use crate::model::Record;
use crate::operator::Emit;
use millstream_actors::time::{TimeSignal, Timestamp};

/// What came out, each element with the position of the input that it came out for.
pub(super) struct Outlet<T> {
    pub(super) found: Vec<(usize, Element<T>)>,
    /// The input that is being processed.
    pub(super) position: usize,
    /// Whether records may come behind a watermark that has passed them.
    allows_late: bool,
    watermark: Timestamp,
    has_ended: bool,
}

impl<T> Outlet<T> {
    pub(super) fn new(allows_late: bool) -> Self {
        Self { found: Vec::new(), position: 0, allows_late, watermark: Timestamp::NONE, has_ended: false }
    }

    /// Notes down the end, which must come behind the end of event time.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.watermark < Timestamp::MAX {
            return Err(Error::other("the operator keeps back that event time is over"));
        }
        self.has_ended = true;
        // `end` says both.
        let position = self.position;
        self.found.pop_if(|(at, last)| {
            *at == position && matches!(last, Element::Signal(TimeSignal::Watermark(Timestamp::MAX)))
        });
        self.found.push((self.position, Element::End));
        Ok(())
    }

    fn push(&mut self, element: Element<T>) -> Result<()> {
        if self.has_ended {
            return Err(Error::other("the operator emits something behind the end"));
        }
        self.found.push((self.position, element));
        Ok(())
    }
}

impl<T> Emit<T> for Outlet<T> {
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        if record.time.is_some() && record.time <= self.watermark && !self.allows_late {
            let (time, watermark) = (record.time, self.watermark);
            return Err(Error::other(format!("the operator emits a record at {time} behind watermark {watermark}")));
        }
        self.push(Element::Record(record))
    }

    /// As at the end of a block, a watermark that does not rise is not sent.
    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        if let TimeSignal::Watermark(at) = signal {
            if at <= self.watermark {
                return Ok(());
            }
            self.watermark = at;
        }
        self.push(Element::Signal(signal))
    }

    /// As at the end of a block, what is said about splits ends here.
    fn split(&mut self, _signal: SplitSignal) -> Result<()> {
        Ok(())
    }
}
