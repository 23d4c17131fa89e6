//! Decides what a trigger learns of time, and how it asks for timers.

use millstream_actors::time::Timestamp;

use crate::operator::window::TimeDomain;
use crate::operator::window::present::Present;

/// A timer that a trigger wants, or wants no more, for the key and window it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerRequest {
    /// The trigger is to be called when the time of this domain has reached this point. Asking twice is asking once.
    Register(TimeDomain, Timestamp),
    /// The trigger is not to be called then. Without effect if there is no such timer.
    Delete(TimeDomain, Timestamp),
}

/// The present, as a trigger sees it, and the timers it asks for.
///
/// Requests are written down, and carried out by the operator when the call is over.
pub struct TriggerContext<'a> {
    now: Now<'a>,
    requests: &'a mut Vec<TimerRequest>,
}

/// Where the present is known from.
#[derive(Clone, Copy)]
enum Now<'a> {
    /// From whoever made the context.
    Told { watermark: Timestamp, processing_time: Timestamp },
    /// From the operator. The clock is read only if somebody wants to know.
    Read(&'a Present),
}

impl<'a> TriggerContext<'a> {
    /// A context that writes requests behind those that `requests` has.
    #[inline]
    #[must_use]
    pub fn new(watermark: Timestamp, processing_time: Timestamp, requests: &'a mut Vec<TimerRequest>) -> Self {
        Self { now: Now::Told { watermark, processing_time }, requests }
    }

    /// The context of a call by an operator.
    #[inline]
    pub(crate) fn of(time: &'a Present, requests: &'a mut Vec<TimerRequest>) -> Self {
        Self { now: Now::Read(time), requests }
    }

    /// The current watermark; [`Timestamp::MIN`] as long as there is none.
    #[inline]
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        match self.now {
            Now::Told { watermark, .. } => watermark,
            Now::Read(time) => time.watermark(),
        }
    }

    /// The machine's time.
    #[inline]
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        match self.now {
            Now::Told { processing_time, .. } => processing_time,
            Now::Read(time) => time.now(),
        }
    }

    /// Asks to be called when the watermark has reached `time`; at its next advance if it has already.
    #[inline]
    pub fn register_event_timer(&mut self, time: Timestamp) {
        self.requests.push(TimerRequest::Register(TimeDomain::Event, time));
    }

    /// Takes back [`Self::register_event_timer`].
    #[inline]
    pub fn delete_event_timer(&mut self, time: Timestamp) {
        self.requests.push(TimerRequest::Delete(TimeDomain::Event, time));
    }

    /// Asks to be called when the clock has reached `time`; soon if it has already. At the end of the input, timers of
    /// processing time are dropped.
    #[inline]
    pub fn register_processing_timer(&mut self, time: Timestamp) {
        self.requests.push(TimerRequest::Register(TimeDomain::Processing, time));
    }

    /// Takes back [`Self::register_processing_timer`].
    #[inline]
    pub fn delete_processing_timer(&mut self, time: Timestamp) {
        self.requests.push(TimerRequest::Delete(TimeDomain::Processing, time));
    }
}
