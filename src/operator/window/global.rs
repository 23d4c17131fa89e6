//! Puts all records of a key into one window that never ends.

use std::iter;

use millstream_actors::time::Timestamp;

use super::{Fixed, InEventTime, TimeWindow, WindowAssigner, WindowError, trigger};

/// One window over all of time.
///
/// It fires when its trigger says so, which by default is never. [`EndOfStream`](trigger::EndOfStream) fires it once,
/// when the input has ended. Records need no timestamps, so there is no form of it for processing time.
///
/// # State
/// Its contents are kept until the job ends, unless a trigger purges or an evictor removes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Global;

impl<T> WindowAssigner<T> for Global {
    type Time = InEventTime;
    type Kind = Fixed;
    type Windows = iter::Once<TimeWindow>;
    type Trigger = trigger::Never;

    const NEEDS_TIMESTAMP: bool = false;

    fn covers_time(&self) -> bool {
        true
    }

    #[inline]
    fn assign(&mut self, _: &T, _: Timestamp) -> Result<Self::Windows, WindowError> {
        Ok(iter::once(TimeWindow::ALWAYS))
    }
}
