//! Decides which triggers windows accept: any, unless they merge.

use super::{MergingTrigger, Trigger, TriggerContext};
use crate::operator::window::{Fixed, Merging, TimeWindow, WindowKind};

/// A trigger that windows of kind `W` accept. Implemented for every [`Trigger`] and windows that stay as they are, and for
/// every [`MergingTrigger`] and windows that merge.
pub trait TriggerFor<W: WindowKind, T>: Trigger<T> {
    /// As [`MergingTrigger::merge`], where windows merge.
    #[doc(hidden)]
    fn merge_states(&mut self, into: &mut Self::State, from: Self::State);

    /// As [`MergingTrigger::on_merge`], where windows merge.
    #[doc(hidden)]
    fn on_merged(&mut self, window: TimeWindow, state: &mut Self::State, context: &mut TriggerContext<'_>);
}

impl<T, R: Trigger<T>> TriggerFor<Fixed, T> for R {
    fn merge_states(&mut self, _: &mut R::State, _: R::State) {}

    fn on_merged(&mut self, _: TimeWindow, _: &mut R::State, _: &mut TriggerContext<'_>) {}
}

impl<T, R: MergingTrigger<T>> TriggerFor<Merging, T> for R {
    fn merge_states(&mut self, into: &mut R::State, from: R::State) {
        self.merge(into, from);
    }

    fn on_merged(&mut self, window: TimeWindow, state: &mut R::State, context: &mut TriggerContext<'_>) {
        self.on_merge(window, state, context);
    }
}
