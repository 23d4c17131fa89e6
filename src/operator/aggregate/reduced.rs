//! Makes an aggregate of a function that merges one record into another.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aggregate, no_record};
use crate::error::Result;
use crate::model::{Data, Record};

/// The first record, into which all others have been merged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reduced<F> {
    step: F,
}

impl<F> Reduced<F> {
    /// Merges with `step`.
    pub(crate) fn new(step: F) -> Self {
        Self { step }
    }
}

impl<T, F> Aggregate<T> for Reduced<F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    F: FnMut(&mut T, T) + Clone + Send + 'static,
{
    type Accumulator = Option<T>;
    type Out = T;

    #[inline]
    fn create(&mut self) -> Option<T> {
        None
    }

    #[inline]
    fn add(&mut self, reduced: &mut Option<T>, record: &Record<T>) -> Result<()> {
        match reduced {
            Some(reduced) => (self.step)(reduced, record.value.clone()),
            none => *none = Some(record.value.clone()),
        }
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Option<T>, from: &Option<T>) -> Result<()> {
        match (into, from) {
            (Some(into), Some(from)) => (self.step)(into, from.clone()),
            (none, from) => none.clone_from(from),
        }
        Ok(())
    }

    #[inline]
    fn result(&mut self, reduced: &Option<T>) -> Result<T> {
        reduced.clone().ok_or_else(|| no_record("the merger"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    proptest! {
        #[test]
        fn associative_function_makes_an_aggregate(records in laws::records()) {
            let sum = Reduced::new(|sum: &mut i64, value: i64| *sum += value);
            laws::hold(sum, &records);
            let expected: i64 = records.iter().map(|record| record.value).sum();
            prop_assert_eq!(laws::result(sum, &records), expected);
        }
    }
}
