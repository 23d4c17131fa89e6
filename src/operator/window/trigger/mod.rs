//! Triggers: they decide when a window fires, and whether it forgets what it holds.
//!
//! A trigger that a user gives takes the place of the default one: tumbling windows with a [`Count`] never fire by
//! time.

mod context;
mod continuous;
mod count;
mod delta;
mod end_of_stream;
mod firing;
mod kind;
mod never;
mod purging;
mod timeout;
mod window_end;

pub use context::{TimerRequest, TriggerContext};
pub use continuous::{ContinuousEventTime, ContinuousProcessingTime};
pub use count::Count;
pub use delta::Delta;
pub use end_of_stream::EndOfStream;
pub use firing::{FiringRule, TriggerResult};
pub use kind::TriggerFor;
pub use never::Never;
pub use purging::Purging;
pub use timeout::{Timeout, TimeoutState};
pub use window_end::{EventTime, ProcessingTime};

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TimeWindow;
use crate::model::Record;

/// Decides when windows over records of type `T` fire. Write your own for what none of the given ones decides.
///
/// One value serves all keys and windows of a subtask; what it must remember of one key in one window is its
/// [`State`](Self::State). All calls are about one key in one window, and so are the timers that are asked for.
///
/// # State
/// One [`State`](Self::State) per key and window, from the first record until the window is over. A purge leaves it,
/// and the timers.
///
/// # Recovery
/// A snapshot holds state and timers. What the trigger keeps in its own fields is lost.
///
/// # Example
/// Fires as soon as a reading is too high, and forgets what led to it:
/// ```
/// use millstream::model::Record;
/// use millstream::operator::window::TimeWindow;
/// use millstream::operator::window::trigger::{Trigger, TriggerContext, TriggerResult};
///
/// #[derive(Clone)]
/// struct Alarm {
///     above: f64,
/// }
///
/// impl Trigger<f64> for Alarm {
///     type State = ();
///
///     fn on_element(
///         &mut self,
///         reading: &Record<f64>,
///         _: TimeWindow,
///         _: &mut (),
///         _: &mut TriggerContext<'_>,
///     ) -> TriggerResult {
///         if reading.value > self.above { TriggerResult::FireAndPurge } else { TriggerResult::Continue }
///     }
/// }
/// ```
pub trait Trigger<T>: Clone + Send + 'static {
    /// What is remembered of one key in one window.
    type State: Default + Serialize + DeserializeOwned + Send + 'static;

    /// What may be known of the trigger without asking it. [`FiringRule::Asked`] is right for every trigger, any other
    /// rule must say exactly what the trigger would answer: operators then ask it nothing, and keep no timer for it.
    const RULE: FiringRule = FiringRule::Asked;

    /// Hears of a record that was added to the window.
    fn on_element(
        &mut self,
        element: &Record<T>,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult;

    /// Hears that the watermark has reached an event timer of the window.
    fn on_event_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (time, window, state, context);
        TriggerResult::Continue
    }

    /// Hears that the clock has reached a processing timer of the window.
    fn on_processing_time(
        &mut self,
        time: Timestamp,
        window: TimeWindow,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (time, window, state, context);
        TriggerResult::Continue
    }

    /// Deletes the timers of a window that is over, or has become part of another one. Its state is then dropped, or
    /// merged into that of the other one.
    fn clear(&mut self, window: TimeWindow, state: &Self::State, context: &mut TriggerContext<'_>) {
        let _ = (window, state, context);
    }
}

/// A trigger whose windows may become one. Merging windows accept no other.
///
/// ```compile_fail
/// use millstream::operator::window::trigger::{Delta, MergingTrigger};
///
/// fn accepted_by_sessions(_: impl MergingTrigger<f64>) {}
///
/// accepted_by_sessions(Delta::of(0.5, |last: &f64, new: &f64| new - last));
/// ```
#[diagnostic::on_unimplemented(
    message = "the trigger `{Self}` cannot merge, and windows that merge need one that can",
    label = "this trigger cannot merge"
)]
pub trait MergingTrigger<T>: Trigger<T> {
    /// Adds to `into` what is remembered of a window that has become part of another one.
    fn merge(&mut self, into: &mut Self::State, from: Self::State);

    /// Asks for the timers of `window`, which others have just been merged into: theirs are cleared, and `state` is
    /// merged.
    ///
    /// The record that made the windows merge is shown to [`Trigger::on_element`] after that.
    fn on_merge(&mut self, window: TimeWindow, state: &mut Self::State, context: &mut TriggerContext<'_>);
}
