//! Makes windows forget what they hold whenever they fire.

use millstream_actors::time::Timestamp;

use super::{FiringRule, MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// Fires when another trigger does, and then forgets what the window holds: each firing has only what is new.
///
/// What the other trigger remembers stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Purging<R> {
    inner: R,
}

impl<R> Purging<R> {
    /// Purges when `trigger` fires.
    pub fn of(trigger: R) -> Self {
        Self { inner: trigger }
    }
}

impl<T, R: Trigger<T>> Trigger<T> for Purging<R> {
    type State = R::State;

    const RULE: FiringRule = R::RULE.purging();

    fn on_element(
        &mut self,
        element: &Record<T>,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.inner.on_element(element, window, state, context).purging()
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.inner.on_event_time(time, window, state, context).purging()
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.inner.on_processing_time(time, window, state, context).purging()
    }

    fn clear(&mut self, window: TimeWindow, state: &R::State, context: &mut TriggerContext<'_>) {
        self.inner.clear(window, state, context);
    }
}

impl<T, R: MergingTrigger<T>> MergingTrigger<T> for Purging<R> {
    fn merge(&mut self, into: &mut R::State, from: R::State) {
        self.inner.merge(into, from);
    }

    fn on_merge(&mut self, window: TimeWindow, state: &mut R::State, context: &mut TriggerContext<'_>) {
        self.inner.on_merge(window, state, context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::window::TimeDomain;
    use crate::operator::window::tests::Asked;
    use crate::operator::window::trigger::{Count, EventTime};

    #[test]
    fn firing_purges_and_the_rule_says_so() {
        let mut window = Asked::new(Purging::of(Count::of(2)), TimeWindow::ALWAYS);
        assert_eq!([window.element(0), window.element(0)], [TriggerResult::Continue, TriggerResult::FireAndPurge]);
        let rule = FiringRule::AtWindowEnd { domain: TimeDomain::Event, result: TriggerResult::FireAndPurge };
        assert_eq!(<Purging<EventTime> as Trigger<i64>>::RULE, rule);
        assert_eq!(<Purging<Count> as Trigger<i64>>::RULE, FiringRule::Asked);
    }
}
