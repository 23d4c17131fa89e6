//! Fires windows that another trigger has left waiting for too long.

use millstream_actors::time::{Timespan, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// Fires when another trigger does, and when a length of processing time has passed since the first record behind the
/// last firing.
///
/// When time runs out, the other trigger forgets what it remembers and its timers: a count begins anew.
///
/// # Units
/// The length is processing time in whole milliseconds.
///
/// # State
/// The other trigger's, and the time at which patience ends.
///
/// # Example
/// A hundred orders at a time, but never later than ten seconds after the first:
/// ```
/// use millstream::operator::window::trigger::{Count, Timeout};
/// use millstream::prelude::*;
///
/// let orders = Timeout::of(Count::of(100), 10.seconds());
/// # let _ = orders;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Timeout<R> {
    inner: R,
    after: Timespan,
    restarts: bool,
    resets: bool,
}

impl<R> Timeout<R> {
    /// Fires when `trigger` does, or when `after` has passed since the first record that has not fired.
    pub fn of(trigger: R, after: Timespan) -> Self {
        Self { inner: trigger, after, restarts: false, resets: true }
    }

    /// Measures from the last record instead of the first: time runs out when no record comes.
    pub fn since_last_record(self) -> Self {
        Self { restarts: true, ..self }
    }

    /// Lets the other trigger keep what it remembers, and its timers, when time runs out.
    pub fn keeping_state(self) -> Self {
        Self { resets: false, ..self }
    }
}

/// What [`Timeout`] remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeoutState<S> {
    /// When time runs out, if a record waits.
    deadline: Option<Timestamp>,
    inner: S,
}

impl<S> TimeoutState<S> {
    /// Waits for nothing any more.
    fn disarm(&mut self, context: &mut TriggerContext<'_>) {
        if let Some(deadline) = self.deadline.take() {
            context.delete_processing_timer(deadline);
        }
    }

    /// Hands the other trigger's answer on; a window that fires has nothing left to wait for.
    fn answer(&mut self, result: TriggerResult, context: &mut TriggerContext<'_>) -> TriggerResult {
        if result.fires() {
            self.disarm(context);
        }
        result
    }
}

impl<T, R: Trigger<T>> Trigger<T> for Timeout<R> {
    type State = TimeoutState<R::State>;

    fn on_element(
        &mut self,
        element: &Record<T>,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let result = self.inner.on_element(element, window, &mut state.inner, context);
        if result.fires() {
            return state.answer(result, context);
        }
        if self.restarts {
            state.disarm(context);
        }
        if state.deadline.is_none() {
            let deadline = context.processing_time() + self.after;
            context.register_processing_timer(deadline);
            state.deadline = Some(deadline);
        }
        result
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let result = self.inner.on_event_time(time, window, &mut state.inner, context);
        state.answer(result, context)
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        // The other trigger may have asked for a timer at the same time.
        let result = self.inner.on_processing_time(time, window, &mut state.inner, context);
        if state.deadline != Some(time) {
            return state.answer(result, context);
        }
        state.deadline = None;
        if self.resets {
            self.inner.clear(window, &state.inner, context);
            state.inner = R::State::default();
        }
        if result.purges() { TriggerResult::FireAndPurge } else { TriggerResult::Fire }
    }

    fn clear(&mut self, window: TimeWindow, state: &Self::State, context: &mut TriggerContext<'_>) {
        if let Some(deadline) = state.deadline {
            context.delete_processing_timer(deadline);
        }
        self.inner.clear(window, &state.inner, context);
    }
}

impl<T, R: MergingTrigger<T>> MergingTrigger<T> for Timeout<R> {
    fn merge(&mut self, into: &mut Self::State, from: Self::State) {
        // The record that has waited longest decides, or the one that came last.
        let deadlines = into.deadline.into_iter().chain(from.deadline);
        into.deadline = if self.restarts { deadlines.max() } else { deadlines.min() };
        self.inner.merge(&mut into.inner, from.inner);
    }

    fn on_merge(&mut self, window: TimeWindow, state: &mut Self::State, context: &mut TriggerContext<'_>) {
        if let Some(deadline) = state.deadline {
            context.register_processing_timer(deadline);
        }
        self.inner.on_merge(window, &mut state.inner, context);
    }
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::TimespanUnits;

    use super::*;
    use crate::operator::window::tests::Asked;
    use crate::operator::window::trigger::Count;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn asked(trigger: Timeout<Count>) -> Asked<Timeout<Count>> {
        Asked::new(trigger, TimeWindow::ALWAYS)
    }

    /// Shows a record to the trigger when the clock stands at `now`.
    fn fires_at(asked: &mut Asked<Timeout<Count>>, now: i64) -> bool {
        assert_eq!(asked.advance_clock(at(now)), []);
        asked.element(0).fires()
    }

    #[test]
    fn record_waits_no_longer_than_the_timeout() {
        let mut asked = asked(Timeout::of(Count::of(3), 10.millis()));
        assert!(!fires_at(&mut asked, 0));
        assert!(!fires_at(&mut asked, 9));
        assert_eq!(asked.advance_clock(at(20)), [at(10)], "it fires 10 ms behind the first record");
        assert_eq!(asked.timers(), []);
        assert!(!fires_at(&mut asked, 21));
        assert!(!fires_at(&mut asked, 22), "the count has begun anew");
        assert!(fires_at(&mut asked, 23));
        assert_eq!(asked.timers(), [], "who fires has nothing to wait for");
    }

    #[test]
    fn each_record_may_start_the_time_anew() {
        let mut asked = asked(Timeout::of(Count::of(5), 10.millis()).since_last_record());
        assert!(!fires_at(&mut asked, 0));
        assert!(!fires_at(&mut asked, 9));
        assert!(!fires_at(&mut asked, 18));
        assert_eq!(asked.advance_clock(at(40)), [at(28)]);
    }

    #[test]
    fn other_trigger_may_keep_what_it_remembers() {
        let mut asked = asked(Timeout::of(Count::of(3), 10.millis()).keeping_state());
        assert!(!fires_at(&mut asked, 0));
        assert_eq!(asked.advance_clock(at(10)), [at(10)]);
        assert!(!fires_at(&mut asked, 11));
        assert!(fires_at(&mut asked, 12));
    }

    #[test]
    fn merged_window_waits_for_the_record_that_has_waited_longest() {
        let mut asked = asked(Timeout::of(Count::of(5), 10.millis()));
        assert!(!fires_at(&mut asked, 7));
        asked.merge(TimeoutState { deadline: Some(at(12)), inner: 2 });
        assert_eq!(asked.advance_clock(at(12)), [at(12)]);
    }
}
