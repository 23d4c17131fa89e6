//! A trigger that does not say by which rule it fires, so that it must be asked.

use millstream_actors::time::Timestamp;

use crate::model::Record;
use crate::operator::window::TimeWindow;
use crate::operator::window::trigger::{MergingTrigger, Trigger, TriggerContext, TriggerResult};

/// Answers as another trigger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undisclosed<R>(pub(super) R);

impl<T, R: Trigger<T>> Trigger<T> for Undisclosed<R> {
    type State = R::State;

    fn on_element(
        &mut self,
        element: &Record<T>,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.0.on_element(element, window, state, context)
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.0.on_event_time(time, window, state, context)
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut R::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.0.on_processing_time(time, window, state, context)
    }

    fn clear(&mut self, window: TimeWindow, state: &R::State, context: &mut TriggerContext<'_>) {
        self.0.clear(window, state, context);
    }
}

impl<T, R: MergingTrigger<T>> MergingTrigger<T> for Undisclosed<R> {
    fn merge(&mut self, into: &mut R::State, from: R::State) {
        self.0.merge(into, from);
    }

    fn on_merge(&mut self, window: TimeWindow, state: &mut R::State, context: &mut TriggerContext<'_>) {
        self.0.on_merge(window, state, context);
    }
}
