//! What a user says about the watermarks of a stream: where they come from, and what happens when records do not.

use std::marker::PhantomData;

use millstream_actors::time::{Timespan, TimespanUnits, Timestamp};

use super::{BoundedOutOfOrder, Custom, Punctuated};

/// How the watermarks of a stream are made; given to [`Stream::event_time`](crate::Stream::event_time).
///
/// # Units
/// The bound of [`Self::bounded_out_of_order`] and the drift of [`Self::aligned`] are event time. All else is processing
/// time: the period (200 ms by default), the time after which an input is idle (never by default), the interval in
/// which a group is looked at (1 s by default).
///
/// # Errors
/// A negative bound or drift, and a period, interval or time of idleness below 1 ms, are mistakes of the plan:
/// [`PlanError::EventTime`](crate::plan::PlanError::EventTime).
///
/// # Example
/// ```
/// use millstream::prelude::*;
///
/// let taxis = Watermarks::bounded_out_of_order(5.seconds()).idle_after(30.seconds());
/// let meters = Watermarks::monotonic().aligned("fleet", 10.minutes());
/// let marked = Watermarks::punctuated(|line: &String, time| line.starts_with('#').then_some(time));
/// # let _ = (taxis, meters, marked);
/// ```
///
/// # Source
/// Akidau et al., "The Dataflow Model", PVLDB 8(12), 2015; `docs/semantics.md`, laws ET-1 to ET-16.
#[derive(Debug, Clone)]
pub struct Watermarks<M> {
    pub(super) make: M,
    pub(super) period: Timespan,
    pub(super) idle_after: Option<Timespan>,
    pub(super) alignment: Option<Alignment>,
    /// What is wrong with its generators.
    mistake: Option<&'static str>,
}

/// How far a reader may run ahead of its group.
#[derive(Debug, Clone)]
pub(super) struct Alignment {
    pub(super) group: String,
    pub(super) max_drift: Timespan,
    pub(super) interval: Timespan,
}

impl Watermarks<BoundedOutOfOrder> {
    /// For records that come out of order by at most `bound`: the watermark is the highest time seen, less `bound` and a
    /// millisecond. It is made once per period.
    #[must_use]
    pub fn bounded_out_of_order(bound: Timespan) -> Self {
        let mistake = (bound < Timespan::ZERO).then_some("the bound of records out of order cannot be negative");
        Self { mistake, ..Self::of(BoundedOutOfOrder(bound)) }
    }

    /// For records whose time never goes back within a split: the watermark is the highest time seen, less a millisecond.
    #[must_use]
    pub fn monotonic() -> Self {
        Self::bounded_out_of_order(Timespan::ZERO)
    }
}

impl<T, F> Watermarks<Punctuated<T, F>>
where
    T: 'static,
    F: FnMut(&T, Timestamp) -> Option<Timestamp> + Clone + Send + 'static,
{
    /// For records that tell: `function` is given each record with its time, and may give a watermark, which is said
    /// behind the record. Each split has a clone of the function.
    ///
    /// Each watermark sends the batches before it, full or not: many of them cost throughput.
    #[must_use]
    pub fn punctuated(function: F) -> Self {
        Self::of(Punctuated { function, takes: PhantomData })
    }
}

impl<F> Watermarks<Custom<F>> {
    /// With generators of your own: `make` is called for each split. See
    /// [`WatermarkGenerator`](super::WatermarkGenerator).
    #[must_use]
    pub fn custom<G>(make: F) -> Self
    where
        F: Fn() -> G + Clone + Send + 'static,
    {
        Self::of(Custom(make))
    }
}

impl<M> Watermarks<M> {
    fn of(make: M) -> Self {
        Self { make, period: 200.millis(), idle_after: None, alignment: None, mistake: None }
    }

    /// The time between two periodic watermarks; 200 ms by default.
    #[must_use]
    pub fn every(mut self, period: Timespan) -> Self {
        self.period = period;
        self
    }

    /// The time without records after which a split, or the whole input of a subtask that reads no splits, is idle: it
    /// no longer holds the watermark back. With its next record it is active again, and that record may be late.
    ///
    /// While the subtask cannot take input, because its outputs have no room or its group holds it back, this time does
    /// not pass.
    #[must_use]
    pub fn idle_after(mut self, quiet: Timespan) -> Self {
        self.idle_after = Some(quiet);
        self
    }

    /// Lets all readers of the job that say the same `group` advance together: one whose watermark is more than
    /// `max_drift` ahead of the lowest in the group waits. Idle readers do not count. Only behind a source.
    ///
    /// This bounds what must be kept where the streams meet, in joins and windows. A reader waits as a whole, with all of
    /// its splits.
    #[must_use]
    pub fn aligned(mut self, group: &str, max_drift: Timespan) -> Self {
        self.alignment = Some(Alignment { group: group.to_owned(), max_drift, interval: 1.seconds() });
        self
    }

    /// The time between two looks at the group of [`Self::aligned`], which comes first; 1 s by default.
    #[must_use]
    pub fn aligned_every(mut self, interval: Timespan) -> Self {
        if let Some(alignment) = &mut self.alignment {
            alignment.interval = interval;
        }
        self
    }

    /// Whether a group is named.
    pub(crate) fn is_aligned(&self) -> bool {
        self.alignment.is_some()
    }

    /// What is wrong with the lengths of time, if anything is.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        let passes = |time: Timespan| time.is_positive();
        if !passes(self.period) {
            return Some("the period of watermarks must be at least 1 ms");
        }
        if self.idle_after.is_some_and(|quiet| !passes(quiet)) {
            return Some("the time after which an input is idle must be at least 1 ms");
        }
        match &self.alignment {
            _ if self.mistake.is_some() => self.mistake,
            Some(alignment) if alignment.max_drift < Timespan::ZERO => {
                Some("the drift within a group cannot be negative")
            }
            Some(alignment) if !passes(alignment.interval) => {
                Some("a group must be looked at every 1 ms or less often")
            }
            _ => None,
        }
    }
}
