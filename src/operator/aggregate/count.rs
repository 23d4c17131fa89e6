//! Counts records.

use super::Aggregate;
use crate::error::Result;
use crate::model::Record;

/// The number of records. Costs an addition per record; merging is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count;

impl<T> Aggregate<T> for Count {
    type Accumulator = u64;
    type Out = u64;

    const LOCAL: bool = true;

    #[inline]
    fn create(&mut self) -> u64 {
        0
    }

    #[inline]
    fn add(&mut self, count: &mut u64, _: &Record<T>) -> Result<()> {
        *count += 1;
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut u64, from: &u64) -> Result<()> {
        *into += from;
        Ok(())
    }

    #[inline]
    fn result(&mut self, count: &u64) -> Result<u64> {
        Ok(*count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    proptest! {
        #[test]
        fn count_keeps_the_laws(records in laws::records()) {
            laws::hold(Count, &records);
            prop_assert_eq!(laws::result(Count, &records), records.len() as u64);
        }
    }
}
