//! What an operator of windows knows of the present: the watermark it has heard, and the clock.

use std::cell::Cell;
use std::sync::Arc;

use millstream_actors::time::{Clock, Timestamp};

use super::{TimeDomain, WindowAssigner, WindowTime};
use crate::error::{Error, Result};
use crate::model::Record;
use crate::operator::{OperatorState, SubtaskContext};

/// The watermark and the clock.
///
/// # Recovery
/// The watermark is part of the snapshot, though channels begin anew without one: a window that is over stays over, and
/// a record that was late is late again.
pub(crate) struct Present {
    uid: Arc<str>,
    watermark: Timestamp,
    clock: Arc<dyn Clock>,
    /// What the clock showed, if it was read for the record or event at hand, or one that came with it.
    read: Cell<Option<Timestamp>>,
    /// Records that come with the one that the clock was read for.
    coming: usize,
}

impl Present {
    pub(crate) fn open(uid: &str, context: &SubtaskContext) -> Result<Self> {
        let watermark = context.restored_state::<Timestamp>(uid)?.unwrap_or(Timestamp::MIN);
        let (uid, clock) = (uid.into(), Arc::clone(&context.clock));
        Ok(Self { uid, watermark, clock, read: Cell::new(None), coming: 0 })
    }

    pub(crate) fn snapshot(&self, state: &mut OperatorState) -> Result<()> {
        state.put(&self.uid, &self.watermark)
    }

    /// The uid of the operator.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// The same, for those who keep it.
    pub(crate) fn shared_uid(&self) -> Arc<str> {
        Arc::clone(&self.uid)
    }

    /// The watermark; [`Timestamp::MIN`] as long as there is none.
    #[inline]
    pub(crate) fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Hears a watermark. Whether it rises.
    pub(crate) fn advance(&mut self, watermark: Timestamp) -> bool {
        let rises = watermark > self.watermark;
        self.watermark = self.watermark.max(watermark);
        rises
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

    /// The time that decides the windows of a record.
    #[inline]
    pub(crate) fn time_of<T, A: WindowAssigner<T>>(&self, record: &Record<T>) -> Result<Timestamp> {
        let now = match A::Time::DOMAIN {
            TimeDomain::Event => Timestamp::MIN,
            TimeDomain::Processing => self.now(),
        };
        A::time_of(record, now).map_err(|error| Error::user(&self.uid, error))
    }

    /// The windows of a record.
    #[inline]
    pub(crate) fn windows_of<T, A: WindowAssigner<T>>(
        &self,
        assigner: &mut A,
        record: &Record<T>,
    ) -> Result<A::Windows> {
        let time = self.time_of::<T, A>(record)?;
        assigner.assign(&record.value, time).map_err(|error| Error::user(&self.uid, error))
    }
}
