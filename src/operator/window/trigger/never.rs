//! Fires nothing.

use super::{FiringRule, MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// Never fires. The default of [`Global`](crate::operator::window::Global), which has no end to fire at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Never;

impl<T> Trigger<T> for Never {
    type State = ();

    const RULE: FiringRule = FiringRule::Never;

    fn on_element(&mut self, _: &Record<T>, _: TimeWindow, _: &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        TriggerResult::Continue
    }
}

impl<T> MergingTrigger<T> for Never {
    fn merge(&mut self, _: &mut (), (): ()) {}

    fn on_merge(&mut self, _: TimeWindow, _: &mut (), _: &mut TriggerContext<'_>) {}
}
