//! Cases for joins of two streams of numbers, and the histories that they are given at random.

use std::fmt::Debug;

use proptest::prelude::*;

use crate::error::Result;
use crate::model::Data;
use crate::operator::{CoProcess, Either, OfEither, Process, States};
use crate::testing::harness::{Element, OperatorHarness, rec_at};

/// What comes in: a number of a key, from the one stream or the other.
pub(super) type Number = (char, Either<i64, i64>);

/// A case that has not run yet.
pub(super) type Case<T> = OperatorHarness<Number, T>;

/// A number of the first stream.
pub(super) fn left(key: char, value: i64, millis: i64) -> Element<Number> {
    rec_at((key, Either::Left(value)), millis)
}

/// A number of the second stream.
pub(super) fn right(key: char, value: i64, millis: i64) -> Element<Number> {
    rec_at((key, Either::Right(value)), millis)
}

/// A case over the join that `open` makes.
pub(super) fn case<P, F>(open: F) -> Case<P::Out>
where
    P: CoProcess<char, i64, i64, Out: Data + PartialEq + Debug>,
    F: Fn(&mut States<'_, char>) -> Result<P> + 'static,
{
    OperatorHarness::keyed(move |context| {
        Process::open("join", context, |states| Ok(OfEither::<P, i64, i64>::new(open(states)?)))
    })
}

/// One step of a history.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Left { key: char, value: i64, time: i64 },
    Right { key: char, value: i64, time: i64 },
    Advance(i64),
}

/// Records around the present, in no order, some of them late, and a watermark that rises now and then. Each has a value of
/// its own.
pub(super) fn histories() -> impl Strategy<Value = Vec<Step>> {
    let record = (any::<bool>(), 0..2u8, -8i64..25);
    let step = prop_oneof![4 => record.prop_map(Ok), 1 => (1i64..15).prop_map(Err)];
    proptest::collection::vec(step, 1..40).prop_map(|steps| {
        let mut now = 0;
        let step = |(number, step)| match step {
            Ok((is_left, key, time)) => {
                let (key, value, time) = (char::from(b'a' + key), number as i64, now + time);
                if is_left { Step::Left { key, value, time } } else { Step::Right { key, value, time } }
            }
            Err(by) => {
                now += by;
                Step::Advance(now)
            }
        };
        steps.into_iter().enumerate().map(step).collect()
    })
}
