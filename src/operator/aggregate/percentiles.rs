//! Keeps the distribution of numbers, approximately and in little space.

use std::fmt;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use super::{Aggregate, Number};
use crate::error::{Error, Result};
use crate::model::Record;

/// The distribution of what a function gives for the records, for questions such as "which value do 99 % not exceed?".
///
/// Costs a logarithm per record. Merging is exact: it gives the distribution that adding all numbers would have given,
/// in whatever order.
///
/// # Units
/// Percentiles are off by at most 1 % of their value. That holds for numbers within seventeen powers of ten of the one
/// that is furthest from zero, on either side of zero; those nearer to zero than that count as the nearest that is kept
/// apart, and those nearer than a billionth as zero.
///
/// # State
/// Eight bytes for each 2 % between the smallest and the greatest number, in steps of 1 KiB, at most 32 KiB: 2 KiB for
/// numbers between 1 and 100, 6 KiB for numbers between 1 and a million. A checkpoint writes all of it if any of it has
/// changed.
///
/// # Example
/// ```
/// # use millstream::model::Record;
/// use millstream::operator::aggregate::{Aggregate, Percentiles};
///
/// let mut latencies = Percentiles::of(|latency_ms: &u64| *latency_ms);
/// let mut accumulator = latencies.create();
/// for latency_ms in 1..=1_000u64 {
///     latencies.add(&mut accumulator, &Record::new(latency_ms))?;
/// }
/// let p99 = latencies.result(&accumulator)?.percentile(99.0).expect("there are numbers");
/// assert!((p99 - 990.0).abs() <= 9.9);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// # Source
/// Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", PVLDB
/// 12(12), 2019.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Percentiles<F> {
    value_of: F,
}

/// How far a percentile may be off, relative to its value.
const ERROR: f64 = 0.01;
/// How many ranges of numbers are kept apart, on each side of zero.
const RANGES: u32 = 2_048;
/// What is nearer to zero counts as zero.
const NEAREST: f64 = 1e-9;

impl<F> Percentiles<F> {
    /// Keeps the distribution of what `value_of` gives.
    pub fn of<T, N>(value_of: F) -> Self
    where
        F: FnMut(&T) -> N,
    {
        Self { value_of }
    }
}

impl<T, N: Number, F: FnMut(&T) -> N + Clone + Send + 'static> Aggregate<T> for Percentiles<F> {
    type Accumulator = Distribution;
    type Out = Distribution;

    fn create(&mut self) -> Distribution {
        Distribution { sketch: DDSketch::new(Config::new(ERROR, RANGES, NEAREST)), not_finite: 0 }
    }

    #[inline]
    fn add(&mut self, distribution: &mut Distribution, record: &Record<T>) -> Result<()> {
        let number = (self.value_of)(&record.value).to_f64();
        if number.is_finite() {
            distribution.sketch.add(number);
        } else {
            distribution.not_finite += 1;
        }
        Ok(())
    }

    fn merge(&mut self, into: &mut Distribution, from: &Distribution) -> Result<()> {
        into.not_finite += from.not_finite;
        into.sketch.merge(&from.sketch).map_err(|error| Error::other(error.to_string()))
    }

    fn result(&mut self, distribution: &Distribution) -> Result<Distribution> {
        Ok(distribution.clone())
    }
}

/// How numbers are distributed: what [`Percentiles`] keeps, and gives.
#[derive(Clone, Serialize, Deserialize)]
pub struct Distribution {
    sketch: DDSketch,
    not_finite: u64,
}

impl Distribution {
    /// The number that `percent` of all numbers do not exceed; `None` if there are none, or `percent` is not between 0
    /// and 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.sketch.quantile(percent / 100.0).ok().flatten()
    }

    /// The smallest number, exactly.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.sketch.min()
    }

    /// The greatest number, exactly.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.sketch.max()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sketch.count() as u64
    }

    /// How many values were infinite or no number. They are in no percentile.
    #[must_use]
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentiles = [0.0, 50.0, 99.0, 100.0].map(|percent| self.percentile(percent));
        f.debug_struct("Distribution").field("count", &self.count()).field("p0_50_99_100", &percentiles).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    fn number(value: &f64) -> f64 {
        *value
    }

    /// What can be seen of a distribution.
    fn seen(distribution: Distribution) -> (u64, u64, Vec<Option<f64>>) {
        let percentiles = (0..=100).map(|percent| distribution.percentile(f64::from(percent))).collect();
        (distribution.count(), distribution.not_finite(), percentiles)
    }

    #[test]
    fn what_is_no_number_is_counted_apart() {
        let records = [1.0, f64::NAN, f64::INFINITY, 3.0, f64::NEG_INFINITY].map(Record::new);
        let distribution = laws::result(Percentiles::of(number), &records);
        assert_eq!((distribution.count(), distribution.not_finite()), (2, 3));
        assert_eq!((distribution.min(), distribution.max()), (Some(1.0), Some(3.0)));
    }

    #[test]
    fn there_is_no_percentile_of_nothing_and_none_beyond_hundred() {
        let mut percentiles = Percentiles::of(number);
        assert_eq!(Aggregate::<f64>::create(&mut percentiles).percentile(50.0), None);
        let distribution = laws::result(percentiles, &[Record::new(1.0)]);
        assert_eq!((distribution.percentile(101.0), distribution.percentile(f64::NAN)), (None, None));
    }

    /// Numbers of all sizes that are kept apart, on both sides of zero.
    fn numbers() -> impl Strategy<Value = Vec<Record<f64>>> {
        let number = (any::<bool>(), -8.0f64..8.0).prop_map(|(negative, power)| {
            let size = 10f64.powf(power);
            Record::new(if negative { -size } else { size })
        });
        proptest::collection::vec(number, 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn percentiles_are_within_their_error(records in numbers(), percent in 0.0f64..=100.0) {
            let mut sorted: Vec<f64> = records.iter().map(|record| record.value).collect();
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[(percent / 100.0 * (sorted.len() - 1) as f64) as usize];
            let found = laws::result(Percentiles::of(number), &records).percentile(percent).unwrap();
            // A little more for the rounding of logarithms.
            prop_assert!((found - exact).abs() <= ERROR * exact.abs() * (1.0 + 1e-9), "{found} is not near {exact}");
        }

        #[test]
        fn percentiles_keep_the_laws(records in numbers()) {
            laws::hold_seen(Percentiles::of(number), &records, seen);
        }

        #[test]
        fn percentiles_of_numbers_too_far_apart_keep_the_laws(
            powers in proptest::collection::vec(-9.0f64..300.0, 1..60),
        ) {
            let records: Vec<Record<f64>> = powers.iter().map(|power| Record::new(10f64.powf(*power))).collect();
            laws::hold_seen(Percentiles::of(number), &records, seen);
        }
    }
}
