//! Fires windows at regular times while they are open.

use millstream_actors::time::{Timespan, Timestamp};

use super::{MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// The next multiple of `interval` behind `time`.
fn next_multiple(time: Timestamp, interval: Timespan) -> Timestamp {
    let interval = interval.as_millis().max(1);
    let rest = interval - time.as_millis().rem_euclid(interval);
    time + Timespan::from_millis(rest)
}

/// Registers a timer at `at`, unless the one at the end of `window` comes first. Whoever merges windows asks again, since
/// the end of the merged window may lie further away.
fn register_before_end(at: Timestamp, window: TimeWindow, context: &mut TriggerContext<'_>) {
    if at < window.max_timestamp() {
        context.register_event_timer(at);
    }
}

/// The earlier of two times of which each may be missing.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Fires a window when the watermark passes a multiple of an interval, and when it reaches the window's last timestamp;
/// then again with each record that comes later.
///
/// # Units
/// The interval is event time; multiples count from the Unix epoch. Below 1 ms it is read as 1 ms.
///
/// # State
/// The time of the next firing, per key and window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ContinuousEventTime {
    interval: Timespan,
}

impl ContinuousEventTime {
    /// Fires every `interval`, as long as the watermark advances.
    pub fn every(interval: Timespan) -> Self {
        Self { interval }
    }
}

impl<T> Trigger<T> for ContinuousEventTime {
    type State = Option<Timestamp>;

    fn on_element(
        &mut self,
        element: &Record<T>,
        window: TimeWindow,
        next: &mut Option<Timestamp>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if window.max_timestamp() <= context.watermark() {
            return TriggerResult::Fire;
        }
        context.register_event_timer(window.max_timestamp());
        if next.is_none() && element.time.is_some() {
            let at = next_multiple(element.time, self.interval);
            register_before_end(at, window, context);
            *next = Some(at);
        }
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        next: &mut Option<Timestamp>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if time == window.max_timestamp() {
            return TriggerResult::Fire;
        }
        if *next != Some(time) {
            return TriggerResult::Continue;
        }
        let at = next_multiple(time, self.interval);
        register_before_end(at, window, context);
        *next = Some(at);
        TriggerResult::Fire
    }

    fn clear(&mut self, window: TimeWindow, next: &Option<Timestamp>, context: &mut TriggerContext<'_>) {
        context.delete_event_timer(window.max_timestamp());
        if let Some(at) = *next {
            context.delete_event_timer(at);
        }
    }
}

impl<T> MergingTrigger<T> for ContinuousEventTime {
    fn merge(&mut self, into: &mut Option<Timestamp>, from: Option<Timestamp>) {
        *into = earlier(*into, from);
    }

    fn on_merge(&mut self, window: TimeWindow, next: &mut Option<Timestamp>, context: &mut TriggerContext<'_>) {
        if let Some(at) = *next {
            register_before_end(at, window, context);
        }
        if window.max_timestamp() > context.watermark() {
            context.register_event_timer(window.max_timestamp());
        }
    }
}

/// Fires a window when the clock passes a multiple of an interval, from its first record until the window ends.
///
/// # Units
/// The interval is processing time; multiples count from the Unix epoch. Below 1 ms it is read as 1 ms. In windows of
/// event time, which have no end in processing time, it fires until the window is cleared.
///
/// # State
/// The time of the next firing, per key and window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ContinuousProcessingTime {
    interval: Timespan,
}

impl ContinuousProcessingTime {
    /// Fires every `interval`.
    pub fn every(interval: Timespan) -> Self {
        Self { interval }
    }
}

impl ContinuousProcessingTime {
    /// When to fire next. A window that ends earlier in processing time fires at its end; one whose end lies in the
    /// past is of event time, and a timer there would ring at once and for ever.
    fn next(self, time: Timestamp, window: TimeWindow) -> Timestamp {
        let (at, end) = (next_multiple(time, self.interval), window.max_timestamp());
        if end > time { at.min(end) } else { at }
    }
}

impl<T> Trigger<T> for ContinuousProcessingTime {
    type State = Option<Timestamp>;

    fn on_element(
        &mut self,
        _: &Record<T>,
        window: TimeWindow,
        next: &mut Option<Timestamp>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if next.is_none() {
            let at = self.next(context.processing_time(), window);
            context.register_processing_timer(at);
            *next = Some(at);
        }
        TriggerResult::Continue
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        next: &mut Option<Timestamp>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if *next != Some(time) {
            return TriggerResult::Continue;
        }
        let at = self.next(time, window);
        context.register_processing_timer(at);
        *next = Some(at);
        TriggerResult::Fire
    }

    fn clear(&mut self, _: TimeWindow, next: &Option<Timestamp>, context: &mut TriggerContext<'_>) {
        if let Some(at) = *next {
            context.delete_processing_timer(at);
        }
    }
}

impl<T> MergingTrigger<T> for ContinuousProcessingTime {
    fn merge(&mut self, into: &mut Option<Timestamp>, from: Option<Timestamp>) {
        *into = earlier(*into, from);
    }

    fn on_merge(&mut self, window: TimeWindow, next: &mut Option<Timestamp>, context: &mut TriggerContext<'_>) {
        let at = self.next(context.processing_time(), window);
        context.register_processing_timer(at);
        *next = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;

    use super::*;
    use crate::operator::window::tests::Asked;
    use crate::operator::window::trigger::TimerRequest;
    use crate::operator::window::{TimeDomain, TimeWindow};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn window_fires_at_each_multiple_of_the_interval_and_at_its_end() {
        let window = TimeWindow::new(at(0), at(2_500));
        let mut asked = Asked::new(ContinuousEventTime::every(1.seconds()), window);
        asked.element(300);
        assert_eq!(asked.advance_watermark(at(5_000)), [at(1_000), at(2_000), at(2_499)]);
        assert_eq!(asked.element(400), TriggerResult::Fire, "a late record fires at once");
    }

    #[test]
    fn window_fires_at_each_multiple_of_the_interval_of_the_clock() {
        let window = TimeWindow::new(at(0), at(2_500));
        let mut asked = Asked::new(ContinuousProcessingTime::every(1.seconds()), window);
        asked.now = at(300);
        asked.element(0);
        assert_eq!(asked.advance_clock(at(2_600)), [at(1_000), at(2_000), at(2_499)]);
    }

    #[test]
    fn window_whose_end_the_clock_has_passed_fires_at_multiples_only() {
        let mut asked = Asked::new(ContinuousProcessingTime::every(1.seconds()), TimeWindow::new(at(0), at(10)));
        asked.now = at(50_300);
        asked.element(0);
        assert_eq!(asked.advance_clock(at(52_999)), [at(51_000), at(52_000)]);
    }

    #[test]
    fn cleared_window_keeps_no_timer() {
        let window = TimeWindow::new(at(0), at(2_500));
        let mut asked = Asked::new(ContinuousEventTime::every(1.seconds()), window);
        asked.element(300);
        asked.clear();
        assert_eq!(asked.timers(), []);
    }

    #[test]
    fn merged_window_fires_when_the_first_of_them_would_have() {
        let window = TimeWindow::new(at(0), at(9_000));
        let mut asked = Asked::new(ContinuousEventTime::every(1.seconds()), window);
        asked.element(5_300);
        asked.merge(Some(at(2_000)));
        assert_eq!(asked.requests[..1], [TimerRequest::Register(TimeDomain::Event, at(2_000))]);
        assert_eq!(asked.advance_watermark(at(3_500)), [at(2_000), at(3_000)]);
    }
}
