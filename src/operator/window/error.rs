//! The mistakes that windows can contain: those of the plan, and those of single records.

use millstream_actors::time::Timespan;

/// A window assigner that cannot assign windows, or a record that it can assign none to.
///
/// The messages go on behind the name of the operator, which [`Error::user`](crate::error::Error::user) puts before them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// At build time: windows of no length.
    #[error("windows are {size} long: they must be at least 1 ms")]
    SizeNotPositive {
        /// The length.
        size: Timespan,
    },
    /// At build time: windows that begin at one and the same place.
    #[error("windows slide by {slide}: it must be at least 1 ms")]
    SlideNotPositive {
        /// The distance between the starts of two windows.
        slide: Timespan,
    },
    /// At build time: an offset that shifts windows by more than the distance between two of them.
    #[error("windows that begin every {period} have an offset of {offset}: it must be shorter")]
    OffsetTooLong {
        /// The offset.
        offset: Timespan,
        /// The distance between the starts of two windows.
        period: Timespan,
    },
    /// At build time for a fixed gap, at run time for one that depends on the record: sessions that end before they
    /// have begun.
    #[error("a session has a gap of {gap}: it must be at least 1 ms")]
    GapNotPositive {
        /// The gap.
        gap: Timespan,
    },
    /// At build time: windows that are to fire with every zeroth record.
    #[error("windows of 0 records: there must be at least 1")]
    CountNotPositive,
    /// At build time: a lateness that reaches back.
    #[error("the allowed lateness is {lateness}: it must not be negative")]
    LatenessNegative {
        /// The lateness.
        lateness: Timespan,
    },
    /// At build time: lateness where nothing is late.
    #[error(
        "the windows are of processing time, in which no record is late: leave out `.allowed_lateness(..)` and \
         `.late_to(..)`, or use windows of event time"
    )]
    NothingIsLate,
    /// At build time: windows whose records cannot be aggregated in parts before they meet.
    #[error(
        "the records cannot be aggregated before the exchange: that takes an aggregate without evictor, over windows of \
         event time that do not merge and fire at their end, without `.late_to(..)`; leave out `.local_aggregation(true)`"
    )]
    NotLocal,
    /// At build time: a function that remembers something of windows that become one.
    #[error(
        "the windows merge, and the function remembers something of each of them: let it remember that of the key, and \
         make its `WindowState` `()`"
    )]
    StateOfMergingWindows,
    /// At run time: a record without timestamp came to windows of event time.
    #[error(
        "a record has no timestamp, and the windows are of event time: give the stream timestamps, or use \
         `.processing_time()`"
    )]
    NoTimestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn record_without_timestamp_names_the_operator_and_the_fix() {
        let message = Error::user("fares per minute", WindowError::NoTimestamp).to_string();
        let expected = "fares per minute: a record has no timestamp, and the windows are of event time: give the stream \
                        timestamps, or use `.processing_time()`";
        assert_eq!(message, expected);
    }
}
