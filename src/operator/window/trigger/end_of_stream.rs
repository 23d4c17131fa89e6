//! Fires windows once, when the input has ended.

use millstream_actors::time::Timestamp;

use super::{FiringRule, MergingTrigger, Trigger, TriggerContext, TriggerResult};
use crate::model::Record;
use crate::operator::window::TimeWindow;

/// Fires a window when the watermark has reached the end of time, which it does when the input ends.
///
/// Made for [`Global`](crate::operator::window::Global): any other window is over before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndOfStream;

impl<T> Trigger<T> for EndOfStream {
    type State = ();

    const RULE: FiringRule = FiringRule::AtEndOfStream { result: TriggerResult::Fire };

    fn on_element(
        &mut self,
        _: &Record<T>,
        _: TimeWindow,
        _: &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        context.register_event_timer(Timestamp::MAX);
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        _: TimeWindow,
        _: &mut (),
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if time == Timestamp::MAX { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn clear(&mut self, _: TimeWindow, _: &(), context: &mut TriggerContext<'_>) {
        context.delete_event_timer(Timestamp::MAX);
    }
}

impl<T> MergingTrigger<T> for EndOfStream {
    fn merge(&mut self, _: &mut (), (): ()) {}

    fn on_merge(&mut self, _: TimeWindow, _: &mut (), context: &mut TriggerContext<'_>) {
        context.register_event_timer(Timestamp::MAX);
    }
}
