//! Evictors: they take records out of a window before or after it is evaluated.
//!
//! A window with an evictor keeps its records one by one, instead of what an aggregate makes of them.

mod count;
mod delta;
mod time;

pub use count::Count;
pub use delta::Delta;
pub use time::Time;

use millstream_actors::time::Timestamp;

use super::TimeWindow;
use crate::model::Record;

/// Takes records out of windows over records of type `T`. Write your own for what none of the given ones takes out.
///
/// It is called when the window fires: before the window's function sees the records, and after it has seen them. What
/// is taken out is gone for later firings too.
///
/// # Example
/// Shows only readings of the sensors that work:
/// ```
/// use millstream::model::Record;
/// use millstream::operator::window::evictor::{Eviction, Evictor};
///
/// #[derive(Clone)]
/// struct Plausible;
///
/// impl Evictor<f64> for Plausible {
///     fn evict_before(&mut self, readings: &mut Vec<Record<f64>>, _: &Eviction) {
///         readings.retain(|reading| reading.value.is_finite());
///     }
/// }
/// ```
pub trait Evictor<T>: Clone + Send + 'static {
    /// Takes records out before the window's function sees them. They are in the order in which they came.
    fn evict_before(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction) {
        let _ = (elements, eviction);
    }

    /// Takes records out after the window's function has seen them.
    fn evict_after(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction) {
        let _ = (elements, eviction);
    }
}

/// The window that fires, and the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// The window.
    pub window: TimeWindow,
    /// The current watermark; [`Timestamp::MIN`] as long as there is none.
    pub watermark: Timestamp,
    /// The machine's time.
    pub processing_time: Timestamp,
}

/// When a given evictor does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}
