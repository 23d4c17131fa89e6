//! Decides how often an operator reads the clock: once for records that come together, and only if somebody asks.

use std::cell::Cell;
use std::sync::Arc;

use millstream_actors::time::{Clock, Timestamp};

/// A clock that shows one time to all records that come together.
pub(crate) struct Watch {
    clock: Arc<dyn Clock>,
    /// What the clock showed, if it was read for the record or event at hand, or one that came with it.
    read: Cell<Option<Timestamp>>,
    /// Records that come with the one that the clock was read for.
    coming: usize,
}

impl Watch {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), read: Cell::new(None), coming: 0 }
    }

    /// Hears that `records` come at once: the clock is read for all of them together.
    #[inline]
    pub(crate) fn look_ahead(&mut self, records: usize) {
        self.read.set(None);
        self.coming = records;
    }

    /// Hears that the next record or event is here.
    #[inline]
    pub(crate) fn next(&mut self) {
        match self.coming.checked_sub(1) {
            Some(coming) => self.coming = coming,
            None => self.read.set(None),
        }
    }

    /// What the clock shows, for the record or event at hand.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.read.get().unwrap_or_else(|| {
            let now = self.clock.processing_time();
            self.read.set(Some(now));
            now
        })
    }
}
