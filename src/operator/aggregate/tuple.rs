//! Computes several aggregates at once: a tuple of aggregates is an aggregate.

use super::Aggregate;
use crate::error::Result;
use crate::model::Record;

macro_rules! tuples {
    ($(($($part:ident $index:tt),+))*) => {$(
        /// Gives the results of all its parts; costs, merges and fails as they do.
        impl<T, $($part: Aggregate<T>),+> Aggregate<T> for ($($part,)+) {
            type Accumulator = ($($part::Accumulator,)+);
            type Out = ($($part::Out,)+);

            const LOCAL: bool = $($part::LOCAL)&&+;

            #[inline]
            fn create(&mut self) -> Self::Accumulator {
                ($(self.$index.create(),)+)
            }

            #[inline]
            fn add(&mut self, accumulator: &mut Self::Accumulator, record: &Record<T>) -> Result<()> {
                $(self.$index.add(&mut accumulator.$index, record)?;)+
                Ok(())
            }

            #[inline]
            fn merge(&mut self, into: &mut Self::Accumulator, from: &Self::Accumulator) -> Result<()> {
                $(self.$index.merge(&mut into.$index, &from.$index)?;)+
                Ok(())
            }

            #[inline]
            fn result(&mut self, accumulator: &Self::Accumulator) -> Result<Self::Out> {
                Ok(($(self.$index.result(&accumulator.$index)?,)+))
            }
        }
    )*};
}

tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::Record;
    use crate::operator::aggregate::{
        ApproximateDistinct, Average, Count, DistinctCount, First, Last, Max, MaxBy, Min, Sum, laws,
    };

    #[test]
    fn tuple_gives_the_results_of_its_parts() {
        let records = [4i64, 1, 7].map(Record::new);
        let value = |value: &i64| *value;
        let aggregate = (Count, Sum::of(value), (Min::of(value), Max::of(value)));
        assert_eq!(laws::result(aggregate, &records), (3, 12, (1, 7)));
    }

    proptest! {
        #[test]
        fn tuples_keep_the_laws(records in laws::records()) {
            let value = |value: &i64| *value;
            let aggregate = (
                Count,
                Sum::of(value),
                Average::of(value),
                MaxBy::of(value),
                First,
                Last,
                DistinctCount::of(value),
                ApproximateDistinct::of(value),
            );
            laws::hold(aggregate, &records);
        }
    }
}
