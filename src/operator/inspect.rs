//! Shows each record to a function and hands it on unchanged.

use std::marker::PhantomData;

use super::{Emit, Operator};
use crate::error::{BoxError, Error, Result};
use crate::model::{Data, Record};

/// One record out per record in, the same; built by [`Stream::inspect`](crate::Stream::inspect).
pub struct Inspect<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> Inspect<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T: Data, F: FnMut(&T) + Send + 'static> Operator for Inspect<T, F> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        (self.function)(&record.value);
        out.emit(record)
    }
}

/// As [`Inspect`], with a function that may fail; built by [`Stream::try_inspect`](crate::Stream::try_inspect).
pub struct TryInspect<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> TryInspect<T, F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<T: Data, X: Into<BoxError>, F: FnMut(&T) -> Result<(), X> + Send + 'static> Operator for TryInspect<T, F> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        (self.function)(&record.value).map_err(|error| Error::user("try_inspect", error))?;
        out.emit(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::harness::{OperatorHarness, rec, rec_at, watermark};

    #[test]
    fn records_stay_as_they_are() {
        OperatorHarness::plain(|_| Ok(Inspect::new(|_: &u64| ())))
            .input([rec(1), rec_at(2, 5), watermark(9)])
            .expect([rec(1), rec_at(2, 5), watermark(9)]);
    }

    #[test]
    fn function_may_fail_the_attempt() {
        let check = |n: &u64| if *n < 9 { Ok(()) } else { Err("too many") };
        OperatorHarness::plain(move |_| Ok(TryInspect::new(check))).input([rec(1)]).expect([rec(1)]);
        OperatorHarness::plain(move |_| Ok(TryInspect::new(check))).input([rec(9)]).expect_error("too many");
    }
}
