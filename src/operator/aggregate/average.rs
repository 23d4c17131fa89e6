//! Averages numbers.

use super::sum::add_to;
use super::{Aggregate, Number, no_record};
use crate::error::Result;
use crate::model::Record;

/// The mean of what a function gives for each record.
///
/// Costs two additions per record. The sum is kept in the type that the function gives, so merging is exact for
/// integers.
///
/// # Errors
/// A sum of integers that overflows its type.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Average<F> {
    value_of: F,
}

impl<F> Average<F> {
    /// Averages what `value_of` gives.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N: Number, F: FnMut(&T) -> N + Clone + Send + 'static> Aggregate<T> for Average<F> {
    type Accumulator = (N, u64);
    type Out = f64;

    const LOCAL: bool = N::EXACT;

    #[inline]
    fn create(&mut self) -> (N, u64) {
        (N::ZERO, 0)
    }

    #[inline]
    fn add(&mut self, (sum, count): &mut (N, u64), record: &Record<T>) -> Result<()> {
        *count += 1;
        add_to(sum, &(self.value_of)(&record.value))
    }

    #[inline]
    fn merge(&mut self, into: &mut (N, u64), from: &(N, u64)) -> Result<()> {
        into.1 += from.1;
        add_to(&mut into.0, &from.0)
    }

    #[inline]
    fn result(&mut self, (sum, count): &(N, u64)) -> Result<f64> {
        if *count == 0 { Err(no_record("the average")) } else { Ok(sum.to_f64() / *count as f64) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn average_of_nothing_is_an_error() {
        let mut average = Average::of(|value: &i64| *value);
        let error = average.result(&(0, 0)).expect_err("nothing was added");
        assert_eq!(error.to_string(), "the average of no record was asked for");
    }

    proptest! {
        #[test]
        fn average_keeps_the_laws(records in laws::records()) {
            laws::hold(Average::of(|value: &i64| *value), &records);
            let sum: i64 = records.iter().map(|record| record.value).sum();
            let expected = sum as f64 / records.len() as f64;
            prop_assert_eq!(laws::result(Average::of(|value: &i64| *value), &records), expected);
        }
    }
}
