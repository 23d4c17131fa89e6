//! Keeps the first or the last record.

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aggregate, no_record};
use crate::error::Result;
use crate::model::{Data, Record};

/// The record with the earliest timestamp; of several, the one that came first. Records without timestamps are in the
/// order in which they came.
///
/// Costs a comparison per record, and a clone of those that are earlier than all before. Merging is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct First;

impl<T: Data + Clone + Serialize + DeserializeOwned> Aggregate<T> for First {
    type Accumulator = Option<(Timestamp, T)>;
    type Out = T;

    #[inline]
    fn create(&mut self) -> Self::Accumulator {
        None
    }

    #[inline]
    fn add(&mut self, first: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
        if first.as_ref().is_none_or(|(time, _)| record.time < *time) {
            *first = Some((record.time, record.value.clone()));
        }
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
        let Some((time, _)) = from else { return Ok(()) };
        if into.as_ref().is_none_or(|(first, _)| time < first) {
            into.clone_from(from);
        }
        Ok(())
    }

    #[inline]
    fn result(&mut self, first: &Self::Accumulator) -> Result<T> {
        first.as_ref().map(|(_, value)| value.clone()).ok_or_else(|| no_record("the first"))
    }
}

/// The record with the latest timestamp; of several, the one that came last. Records without timestamps are in the
/// order in which they came.
///
/// Costs a comparison per record, and a clone of those that are later than all before. Merging is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Last;

impl<T: Data + Clone + Serialize + DeserializeOwned> Aggregate<T> for Last {
    type Accumulator = Option<(Timestamp, T)>;
    type Out = T;

    #[inline]
    fn create(&mut self) -> Self::Accumulator {
        None
    }

    #[inline]
    fn add(&mut self, last: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
        match last {
            Some((time, _)) if record.time < *time => {}
            Some((time, value)) => {
                *time = record.time;
                // Uses the memory of the old value again where the type can.
                value.clone_from(&record.value);
            }
            None => *last = Some((record.time, record.value.clone())),
        }
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
        let Some((time, _)) = from else { return Ok(()) };
        if into.as_ref().is_none_or(|(last, _)| last <= time) {
            into.clone_from(from);
        }
        Ok(())
    }

    #[inline]
    fn result(&mut self, last: &Self::Accumulator) -> Result<T> {
        last.as_ref().map(|(_, value)| value.clone()).ok_or_else(|| no_record("the last"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    #[test]
    fn order_is_that_of_timestamps_and_then_of_arrival() {
        let records = [('a', 5), ('b', 3), ('c', 3), ('d', 9), ('e', 9), ('f', 7)];
        let records = records.map(|(name, at)| Record::at(name, Timestamp::from_millis(at)));
        assert_eq!((laws::result(First, &records), laws::result(Last, &records)), ('b', 'e'));
        let records = ['a', 'b', 'c'].map(Record::new);
        assert_eq!((laws::result(First, &records), laws::result(Last, &records)), ('a', 'c'));
    }

    proptest! {
        #[test]
        fn first_and_last_keep_the_laws(records in laws::records()) {
            let records = laws::numbered(&records);
            laws::hold(First, &records);
            laws::hold(Last, &records);
        }
    }
}
