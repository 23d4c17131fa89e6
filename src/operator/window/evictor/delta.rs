//! Takes out records that are far from the last one of the window.

use super::{Eviction, Evictor, When};
use crate::model::Record;

/// Takes out the records whose distance to the last one is a threshold or more.
///
/// # Example
/// ```
/// use millstream::operator::window::evictor::Delta;
///
/// let near = Delta::of(2.0, |reading: &f64, last: &f64| (reading - last).abs());
/// # let _ = near;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Delta<F> {
    threshold: f64,
    delta: F,
    when: When,
}

impl<F> Delta<F> {
    /// Takes a record out when `delta`, called with it and the last record, gives `threshold` or more; before the
    /// window's function sees them.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: FnMut(&T, &T) -> f64,
    {
        Self { threshold, delta, when: When::Before }
    }

    /// Takes records out after the window's function has seen them.
    pub fn after(self) -> Self {
        Self { when: When::After, ..self }
    }

    fn evict<T>(&mut self, elements: &mut Vec<Record<T>>)
    where
        F: FnMut(&T, &T) -> f64,
    {
        let Some(last) = elements.pop() else { return };
        elements.retain(|element| (self.delta)(&element.value, &last.value) < self.threshold);
        // The last one is compared as well: a threshold of zero leaves nothing.
        if (self.delta)(&last.value, &last.value) < self.threshold {
            elements.push(last);
        }
    }
}

impl<T, F: FnMut(&T, &T) -> f64 + Clone + Send + 'static> Evictor<T> for Delta<F> {
    fn evict_before(&mut self, elements: &mut Vec<Record<T>>, _: &Eviction) {
        if self.when == When::Before {
            self.evict(elements);
        }
    }

    fn evict_after(&mut self, elements: &mut Vec<Record<T>>, _: &Eviction) {
        if self.when == When::After {
            self.evict(elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::window::tests::evicted;

    fn distance(element: &i64, last: &i64) -> f64 {
        (element - last).abs() as f64
    }

    #[test]
    fn records_far_from_the_last_are_taken_out() {
        assert_eq!(evicted(Delta::of(3.0, distance), &[1, 9, 4, 6, 3]), (vec![1, 4, 3], vec![1, 4, 3]));
        assert_eq!(evicted(Delta::of(3.0, distance).after(), &[9, 3]), (vec![9, 3], vec![3]));
        assert!(evicted(Delta::of(0.0, distance), &[3, 3]).0.is_empty());
        assert!(evicted(Delta::of(1.0, distance), &[]).0.is_empty());
    }
}
