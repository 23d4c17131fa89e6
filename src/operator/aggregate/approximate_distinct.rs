//! Counts different values, approximately and in little space.

use std::fmt;
use std::hash::Hash;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Aggregate;
use crate::error::{Error, Result};
use crate::model::{self, Record};

/// The number of different values that a function gives for the records, estimated by a HyperLogLog sketch.
///
/// Costs a hash per record. Merging is exact: it gives the very estimate that adding all values would have given, in
/// whatever order. Few values are counted exactly, but for values whose hashes collide.
///
/// # Units
/// Two out of three estimates are off by no more than the error that [`Precision`] names, nineteen of twenty by no more
/// than twice that.
///
/// # State
/// Some bytes per different value, at most the kilobytes that [`Precision`] names. A checkpoint writes all of it if any
/// of it has changed. The format of the sketch is that of Apache DataSketches; values are hashed as keys are.
///
/// # Source
/// Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm",
/// 2007.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct ApproximateDistinct<F> {
    value_of: F,
    precision: Precision,
}

/// How much an estimate is off, and how much memory that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 3.3 %, in 1 KiB.
    Coarse,
    /// 1.7 %, in 4 KiB.
    #[default]
    Normal,
    /// 0.9 %, in 16 KiB.
    Fine,
}

impl Precision {
    /// The binary logarithm of the number of registers.
    const fn bits(self) -> u8 {
        match self {
            Self::Coarse => 10,
            Self::Normal => 12,
            Self::Fine => 14,
        }
    }
}

impl<F> ApproximateDistinct<F> {
    /// Estimates the number of different values of `value_of`, with [`Precision::Normal`].
    pub fn of<T, V>(value_of: F) -> Self
    where
        F: FnMut(&T) -> V,
    {
        Self { value_of, precision: Precision::default() }
    }

    /// Sets the precision. What was accumulated with another one is merged with the coarser of the two.
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }
}

impl<T, V: Hash, F: FnMut(&T) -> V + Clone + Send + 'static> Aggregate<T> for ApproximateDistinct<F> {
    type Accumulator = DistinctSketch;
    type Out = u64;

    fn create(&mut self) -> DistinctSketch {
        DistinctSketch::new(self.precision)
    }

    #[inline]
    fn add(&mut self, sketch: &mut DistinctSketch, record: &Record<T>) -> Result<()> {
        sketch.0.update(model::hash_key(&(self.value_of)(&record.value)).0);
        Ok(())
    }

    fn merge(&mut self, into: &mut DistinctSketch, from: &DistinctSketch) -> Result<()> {
        into.merge(from)
    }

    fn result(&mut self, sketch: &DistinctSketch) -> Result<u64> {
        // The other estimate of the library is more precise, but depends on the order in which values came.
        Ok(sketch.0.composite_estimate().round() as u64)
    }
}

/// What [`ApproximateDistinct`] keeps.
#[derive(Clone)]
pub struct DistinctSketch(HllSketch);

impl DistinctSketch {
    fn new(precision: Precision) -> Self {
        let sketch = HllSketch::new(precision.bits(), HllType::Hll8);
        Self(sketch.expect("the library takes 4 to 21 bits, and each precision has some of these"))
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        let bits = self.0.lg_config_k();
        let mut union = HllUnion::new(bits).map_err(|error| Error::other(error.to_string()))?;
        union.update(&self.0);
        union.update(&other.0);
        self.0 = union.to_sketch(HllType::Hll8);
        Ok(())
    }
}

impl fmt::Debug for DistinctSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinctSketch(about {:.0})", self.0.composite_estimate())
    }
}

impl Serialize for DistinctSketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.serialize())
    }
}

impl<'de> Deserialize<'de> for DistinctSketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(SketchBytes)
    }
}

/// Takes the bytes of a sketch, also from formats that know bytes only as sequences of numbers.
struct SketchBytes;

impl<'de> Visitor<'de> for SketchBytes {
    type Value = DistinctSketch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a sketch")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<DistinctSketch, E> {
        HllSketch::deserialize(bytes).map(DistinctSketch).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<DistinctSketch, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::SplitMix64;
    use crate::operator::aggregate::laws;

    fn random(seed: u64, count: usize) -> Vec<Record<u64>> {
        let mut numbers = SplitMix64::new(seed);
        (0..count).map(|_| Record::new(numbers.next_u64())).collect()
    }

    #[test]
    fn estimates_are_as_near_as_their_precision_says() {
        // Of forty estimates, about two are further off than twice the error; none should be by more than four times.
        for (precision, error) in [(Precision::Coarse, 0.033), (Precision::Normal, 0.017), (Precision::Fine, 0.009)] {
            let distinct = ApproximateDistinct::of(|value: &u64| *value).precision(precision);
            let off = |seed| laws::result(distinct, &random(seed, 20_000)) as f64 / 20_000.0 - 1.0;
            let offs: Vec<f64> = (0..10).map(|seed| off(seed).abs()).collect();
            assert!(offs.iter().all(|off| *off < 4.0 * error), "{precision:?}: {offs:?}");
            assert!(offs.iter().filter(|off| **off < 2.0 * error).count() >= 8, "{precision:?}: {offs:?}");
        }
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let records = random(7, 200);
        assert_eq!(laws::result(ApproximateDistinct::of(|value: &u64| value % 100), &records), {
            let mut values: Vec<u64> = records.iter().map(|record| record.value % 100).collect();
            values.sort_unstable();
            values.dedup();
            values.len() as u64
        });
    }

    #[test]
    fn sketch_survives_formats_without_bytes() {
        let mut sketch = DistinctSketch::new(Precision::Normal);
        (0..5_000u64).for_each(|value| sketch.0.update(value));
        let text = serde_json::to_string(&sketch).unwrap();
        let back: DistinctSketch = serde_json::from_str(&text).unwrap();
        assert!(back.0 == sketch.0);
        assert!(serde_json::from_str::<DistinctSketch>("[1, 2, 3]").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn estimates_keep_the_laws(seed in any::<u64>(), count in 1usize..3_000, width in 1u64..2_000) {
            laws::hold(ApproximateDistinct::of(move |value: &u64| value % width), &random(seed, count));
        }
    }
}
