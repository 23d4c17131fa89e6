//! Fires windows when a record is far enough from the one that fired before.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Trigger, TriggerContext, TriggerResult};
use crate::model::{Data, Record};
use crate::operator::window::TimeWindow;

/// Fires a window when a record is further than a threshold from the one it fired with last; at first, from the first
/// one.
///
/// It cannot merge: there is no telling which of two records the next one is to be compared with.
///
/// # State
/// A record per key and window.
///
/// # Example
/// ```
/// use millstream::operator::window::trigger::Delta;
///
/// let half_a_degree = Delta::of(0.5, |last: &f64, new: &f64| (new - last).abs());
/// # let _ = half_a_degree;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Delta<F> {
    threshold: f64,
    delta: F,
}

impl<F> Delta<F> {
    /// Fires when `delta`, called with the record that fired last and the new one, gives more than `threshold`.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: FnMut(&T, &T) -> f64,
    {
        Self { threshold, delta }
    }
}

impl<T, F> Trigger<T> for Delta<F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    F: FnMut(&T, &T) -> f64 + Clone + Send + 'static,
{
    type State = Option<T>;

    fn on_element(
        &mut self,
        element: &Record<T>,
        _: TimeWindow,
        last: &mut Option<T>,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let Some(last) = last else {
            *last = Some(element.value.clone());
            return TriggerResult::Continue;
        };
        if (self.delta)(last, &element.value) > self.threshold {
            last.clone_from(&element.value);
            TriggerResult::Fire
        } else {
            TriggerResult::Continue
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::window::tests::Asked;

    #[test]
    fn record_far_from_the_last_that_fired_fires() {
        let mut window = Asked::new(Delta::of(5.0, |last: &i64, new: &i64| (new - last) as f64), TimeWindow::ALWAYS);
        let results: Vec<bool> = [0, 5, 6, 11, 12, 0].map(|value| window.element(value).fires()).to_vec();
        assert_eq!(results, [false, false, true, false, true, false]);
    }
}
