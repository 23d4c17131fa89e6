//! Sums numbers.

use super::{Aggregate, Number};
use crate::error::{Error, Result};
use crate::model::Record;

/// The sum of what a function gives for each record.
///
/// Costs an addition per record. Merging is exact for integers; sums of floating point numbers round, so their last
/// digits depend on the order of additions.
///
/// # Errors
/// A sum of integers that overflows its type.
///
/// # Example
/// ```
/// use millstream::operator::aggregate::Sum;
///
/// struct Ride {
///     fare_cents: u64,
/// }
///
/// let fares = Sum::of(|ride: &Ride| ride.fare_cents);
/// # let _ = fares;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Sum<F> {
    value_of: F,
}

impl<F> Sum<F> {
    /// Sums what `value_of` gives.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N: Number, F: FnMut(&T) -> N + Clone + Send + 'static> Aggregate<T> for Sum<F> {
    type Accumulator = N;
    type Out = N;

    const LOCAL: bool = N::EXACT;

    #[inline]
    fn create(&mut self) -> N {
        N::ZERO
    }

    #[inline]
    fn add(&mut self, sum: &mut N, record: &Record<T>) -> Result<()> {
        add_to(sum, &(self.value_of)(&record.value))
    }

    #[inline]
    fn merge(&mut self, into: &mut N, from: &N) -> Result<()> {
        add_to(into, from)
    }

    #[inline]
    fn result(&mut self, sum: &N) -> Result<N> {
        Ok(sum.clone())
    }
}

/// Adds a number to a sum, and notices when it overflows.
#[inline]
pub(super) fn add_to<N: Number>(sum: &mut N, number: &N) -> Result<()> {
    *sum = sum.checked_sum(number).ok_or_else(overflow::<N>)?;
    Ok(())
}

#[cold]
fn overflow<N>() -> Error {
    let number = std::any::type_name::<N>();
    Error::other(format!("a sum overflows {number}: let the function give a wider type"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn sum_that_overflows_is_an_error() {
        let mut sum = Sum::of(|value: &u8| *value);
        let mut accumulator = Aggregate::<u8>::create(&mut sum);
        sum.add(&mut accumulator, &Record::new(200)).unwrap();
        let error = sum.add(&mut accumulator, &Record::new(56)).expect_err("256 is no u8");
        assert_eq!(error.to_string(), "a sum overflows u8: let the function give a wider type");
        assert!(sum.merge(&mut accumulator, &56).is_err());
    }

    proptest! {
        #[test]
        fn sum_keeps_the_laws(records in laws::records()) {
            laws::hold(Sum::of(|value: &i64| *value), &records);
            // Whole numbers this small are exact in floating point as well.
            laws::hold(Sum::of(|value: &i64| *value as f64), &records);
            let expected: i64 = records.iter().map(|record| record.value).sum();
            prop_assert_eq!(laws::result(Sum::of(|value: &i64| *value), &records), expected);
        }
    }
}
