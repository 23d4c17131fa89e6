//! Turns each record into any number of others.

use std::marker::PhantomData;

use millstream_actors::time::Timestamp;

use super::{Emit, Operator};
use crate::error::{BoxError, Error, Result};
use crate::model::{Data, Record};

/// Any number of records out per record in; built by [`Stream::flat_map`](crate::Stream::flat_map).
pub struct FlatMap<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> FlatMap<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T: Data, I: IntoIterator, F: FnMut(T) -> I + Send + 'static> Operator for FlatMap<T, F> {
    type In = T;
    type Out = I::Item;

    #[inline(always)]
    fn on_record<E: Emit<I::Item>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        emit_all((self.function)(record.value), record.time, out)
    }
}

/// Values emitted between two looks at whether anybody still wants them.
const LOOK_EVERY: u32 = 1024;

/// Emits all of them, unless the subtask is killed: there may be more than anybody waits for.
#[inline(always)]
fn emit_all<T, E: Emit<T>>(values: impl IntoIterator<Item = T>, time: Timestamp, out: &mut E) -> Result<()> {
    let mut left = LOOK_EVERY;
    for value in values {
        out.emit(Record { value, time })?;
        left -= 1;
        if left == 0 {
            if out.is_killed() {
                return Err(Error::killed());
            }
            left = LOOK_EVERY;
        }
    }
    Ok(())
}

/// As [`FlatMap`], with a function that may fail; built by [`Stream::try_flat_map`](crate::Stream::try_flat_map).
pub struct TryFlatMap<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> TryFlatMap<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T, I, X, F> Operator for TryFlatMap<T, F>
where
    T: Data,
    I: IntoIterator,
    X: Into<BoxError>,
    F: FnMut(T) -> Result<I, X> + Send + 'static,
{
    type In = T;
    type Out = I::Item;

    #[inline(always)]
    fn on_record<E: Emit<I::Item>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        let values = (self.function)(record.value).map_err(|error| Error::user("try_flat_map", error))?;
        emit_all(values, record.time, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::harness::{OperatorHarness, rec, rec_at, watermark};

    #[test]
    fn each_record_becomes_any_number_of_others_with_its_time() {
        OperatorHarness::plain(|_| Ok(FlatMap::new(|n: u64| 0..n)))
            .input([rec(0), rec_at(2, 5), watermark(9), rec(1)])
            .expect([rec_at(0, 5), rec_at(1, 5), watermark(9), rec(0)]);
    }

    #[test]
    fn function_may_fail_the_attempt() {
        let parts = |n: u64| if n < 9 { Ok(0..n) } else { Err("too many") };
        OperatorHarness::plain(move |_| Ok(TryFlatMap::new(parts))).input([rec(2)]).expect([rec(0), rec(1)]);
        OperatorHarness::plain(move |_| Ok(TryFlatMap::new(parts))).input([rec(9)]).expect_error("too many");
    }
}
