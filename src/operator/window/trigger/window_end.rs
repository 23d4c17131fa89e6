//! Fires windows when the time they lie in has reached their end. These are the default triggers.

use millstream_actors::time::Timestamp;

use super::{FiringRule, MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::{TimeDomain, TimeWindow};

/// Fires a window when the watermark has reached its last timestamp, and again with each record that comes later.
///
/// The default of windows in event time. A window that fires keeps what it holds, so a later firing has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventTime;

impl<T> Trigger<T> for EventTime {
    type State = ();

    const RULE: FiringRule = FiringRule::AtWindowEnd { domain: TimeDomain::Event, result: TriggerResult::Fire };

    fn on_element(
        &mut self,
        _: &Record<T>,
        window: TimeWindow,
        _: &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if window.max_timestamp() <= context.watermark() {
            return TriggerResult::Fire;
        }
        context.register_event_timer(window.max_timestamp());
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        _: &mut (),
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if time == window.max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn clear(&mut self, window: TimeWindow, _: &(), context: &mut TriggerContext<'_>) {
        context.delete_event_timer(window.max_timestamp());
    }
}

impl<T> MergingTrigger<T> for EventTime {
    fn merge(&mut self, _: &mut (), (): ()) {}

    fn on_merge(&mut self, window: TimeWindow, _: &mut (), context: &mut TriggerContext<'_>) {
        // A window that has ended already fires with the record that made it merge; a timer would fire it twice.
        if window.max_timestamp() > context.watermark() {
            context.register_event_timer(window.max_timestamp());
        }
    }
}

/// Fires a window when the clock has reached its last timestamp.
///
/// The default of windows in processing time. A window that fires keeps what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessingTime;

impl<T> Trigger<T> for ProcessingTime {
    type State = ();

    const RULE: FiringRule = FiringRule::AtWindowEnd { domain: TimeDomain::Processing, result: TriggerResult::Fire };

    fn on_element(
        &mut self,
        _: &Record<T>,
        window: TimeWindow,
        _: &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        // If the clock has reached the end already, the timer rings at once, and the window is over with that.
        context.register_processing_timer(window.max_timestamp());
        TriggerResult::Continue
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        _: &mut (),
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if time == window.max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn clear(&mut self, window: TimeWindow, _: &(), context: &mut TriggerContext<'_>) {
        context.delete_processing_timer(window.max_timestamp());
    }
}

impl<T> MergingTrigger<T> for ProcessingTime {
    fn merge(&mut self, _: &mut (), (): ()) {}

    fn on_merge(&mut self, window: TimeWindow, _: &mut (), context: &mut TriggerContext<'_>) {
        context.register_processing_timer(window.max_timestamp());
    }
}
