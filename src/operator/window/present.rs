//! What an operator of windows knows of the present: the watermark it has heard, and the clock.

use std::sync::Arc;

use millstream_actors::time::Timestamp;

use super::{TimeDomain, WindowAssigner, WindowTime};
use crate::error::{Error, Result};
use crate::model::Record;
use crate::operator::small_state::{FIRED, WATERMARK};
use crate::operator::watch::Watch;
use crate::operator::{PartVisitor, SubtaskContext};

/// The watermark and the clock.
///
/// # Recovery
/// The watermark is part of the snapshot, though channels begin anew without one: a window that is over stays over, and
/// a record that was late is late again.
pub(crate) struct Present {
    uid: Arc<str>,
    watermark: Timestamp,
    /// Until when windows had fired when the operator opened.
    fired: Timestamp,
    watch: Watch,
}

impl Present {
    pub(crate) fn open(uid: &str, context: &SubtaskContext) -> Result<Self> {
        let watermark = context.restored_watermark(uid)?;
        let fired = context.restored_state(uid, FIRED)?.into_iter().min().unwrap_or(watermark);
        Ok(Self { uid: uid.into(), watermark, fired, watch: Watch::new(&context.clock) })
    }

    /// Lists its parts.
    pub(crate) fn parts(&self, visitor: &mut dyn PartVisitor) {
        visitor.small_state(&self.uid, WATERMARK, &mut |watermark| watermark.put(&self.watermark));
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

    /// Until when windows had fired in the snapshot that the operator begins with.
    pub(crate) fn fired_before(&self) -> Timestamp {
        self.fired
    }

    /// Receives a watermark. Whether it rises.
    pub(crate) fn advance(&mut self, watermark: Timestamp) -> bool {
        let rises = watermark > self.watermark;
        self.watermark = self.watermark.max(watermark);
        rises
    }

    /// Hears that `records` come at once: the clock is read for all of them together.
    #[inline]
    pub(crate) fn look_ahead(&mut self, records: usize) {
        self.watch.look_ahead(records);
    }

    /// Hears that the next record or event is here.
    #[inline]
    pub(crate) fn next(&mut self) {
        self.watch.next();
    }

    /// What the clock shows, for the record or event at hand.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.watch.now()
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
