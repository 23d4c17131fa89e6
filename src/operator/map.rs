//! Turns each record into exactly one other.

use std::marker::PhantomData;

use super::{Emit, Operator};
use crate::error::{BoxError, Error, Result};
use crate::model::{Data, Record};

/// One record out per record in; built by [`Stream::map`](crate::Stream::map).
pub struct Map<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> Map<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T: Data, U, F: FnMut(T) -> U + Send + 'static> Operator for Map<T, F> {
    type In = T;
    type Out = U;

    #[inline(always)]
    fn on_record<E: Emit<U>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        out.emit(Record { value: (self.function)(record.value), time: record.time })
    }
}

/// As [`Map`], with a function that may fail; built by [`Stream::try_map`](crate::Stream::try_map).
pub struct TryMap<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> TryMap<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T: Data, U, X: Into<BoxError>, F: FnMut(T) -> Result<U, X> + Send + 'static> Operator for TryMap<T, F> {
    type In = T;
    type Out = U;

    #[inline(always)]
    fn on_record<E: Emit<U>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        let value = (self.function)(record.value).map_err(|error| Error::user("try_map", error))?;
        out.emit(Record { value, time: record.time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::harness::{OperatorHarness, end, rec, rec_at, watermark};

    #[test]
    fn each_record_becomes_one_other_with_its_time() {
        OperatorHarness::plain(|_| Ok(Map::new(|n: u64| n * 2)))
            .input([rec(1), rec_at(2, 5), watermark(9), end()])
            .expect([rec(2), rec_at(4, 5), watermark(9), end()]);
    }

    #[test]
    fn function_may_fail_the_attempt() {
        let half = |n: u64| if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) };
        OperatorHarness::plain(move |_| Ok(TryMap::new(half))).input([rec(4), rec(2)]).expect([rec(2), rec(1)]);
        OperatorHarness::plain(move |_| Ok(TryMap::new(half)))
            .input([rec(4), rec(3)])
            .expect_error("try_map: 3 is odd");
    }
}
