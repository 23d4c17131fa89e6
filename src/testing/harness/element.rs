//! What goes into an operator in a written case, and what is expected to come out.

use std::fmt;

use crate::model::Record;
use millstream_actors::time::{TimeSignal, Timestamp};

/// One element of a case. Made by [`rec`], [`rec_at`], [`watermark`], [`idle`], [`active`], [`processing_time`] and
/// [`end`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Element<T> {
    /// A record.
    Record(Record<T>),
    /// What is said about event time.
    Signal(TimeSignal),
    /// The clock shows this time; input only.
    ProcessingTime(Timestamp),
    /// Event time is over, and so is the input.
    End,
}

/// A record without timestamp.
pub fn rec<T>(value: T) -> Element<T> {
    Element::Record(Record::new(value))
}

/// A record at `millis` of event time.
pub fn rec_at<T>(value: T, millis: i64) -> Element<T> {
    Element::Record(Record::at(value, Timestamp::from_millis(millis)))
}

/// A watermark: no record at or before `millis` is still to come.
pub fn watermark<T>(millis: i64) -> Element<T> {
    Element::Signal(TimeSignal::Watermark(Timestamp::from_millis(millis)))
}

/// The inputs do not hold back event time until further notice.
pub fn idle<T>() -> Element<T> {
    Element::Signal(TimeSignal::Idle)
}

/// The inputs hold back event time again.
pub fn active<T>() -> Element<T> {
    Element::Signal(TimeSignal::Active)
}

/// The clock shows `millis`, which is not before what it showed last. It begins with 0.
pub fn processing_time<T>(millis: i64) -> Element<T> {
    Element::ProcessingTime(Timestamp::from_millis(millis))
}

/// The end of event time, and behind it that of the input.
pub fn end<T>() -> Element<T> {
    Element::End
}

impl<T: fmt::Debug> fmt::Debug for Element<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(Record { value, time }) if time.is_some() => write!(f, "{value:?} at {time}"),
            Self::Record(Record { value, .. }) => write!(f, "{value:?}"),
            Self::Signal(TimeSignal::Watermark(at)) => write!(f, "watermark {at}"),
            Self::Signal(TimeSignal::Idle) => f.write_str("idle"),
            Self::Signal(TimeSignal::Active) => f.write_str("active"),
            Self::ProcessingTime(at) => write!(f, "processing time {at}"),
            Self::End => f.write_str("end"),
        }
    }
}
