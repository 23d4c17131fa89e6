//! Lets some records through and counts the others.

use std::marker::PhantomData;

use super::{Emit, Operator};
use crate::error::{BoxError, Error, Result};
use crate::metrics::Counter;
use crate::model::{Data, Record};

/// No or one record out per record in; built by [`Stream::filter`](crate::Stream::filter).
pub struct Filter<T, F> {
    predicate: F,
    filtered: Counter,
    takes: PhantomData<fn(T)>,
}

impl<T, F> Filter<T, F> {
    pub(crate) fn new(predicate: F, filtered: Counter) -> Self {
        Self { predicate, filtered, takes: PhantomData }
    }
}

impl<T: Data, F: FnMut(&T) -> bool + Send + 'static> Operator for Filter<T, F> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        if (self.predicate)(&record.value) {
            out.emit(record)
        } else {
            self.filtered.add(1);
            Ok(())
        }
    }
}

/// As [`Filter`], with a predicate that may fail; built by [`Stream::try_filter`](crate::Stream::try_filter).
pub struct TryFilter<T, F> {
    predicate: F,
    filtered: Counter,
    takes: PhantomData<fn(T)>,
}

impl<T, F> TryFilter<T, F> {
    pub(crate) fn new(predicate: F, filtered: Counter) -> Self {
        Self { predicate, filtered, takes: PhantomData }
    }
}

impl<T: Data, X: Into<BoxError>, F: FnMut(&T) -> Result<bool, X> + Send + 'static> Operator for TryFilter<T, F> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        if (self.predicate)(&record.value).map_err(|error| Error::user("try_filter", error))? {
            out.emit(record)
        } else {
            self.filtered.add(1);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FILTERED;
    use crate::testing::harness::{OperatorHarness, rec, rec_at, watermark};

    #[test]
    fn records_that_are_held_back_are_counted() {
        OperatorHarness::plain(|context| Ok(Filter::new(|n: &u64| *n > 1, context.counter(FILTERED))))
            .input([rec(1), rec_at(2, 5), watermark(9), rec(0)])
            .expect_counters([(FILTERED, 2)])
            .expect([rec_at(2, 5), watermark(9)]);
    }

    #[test]
    fn predicate_may_fail_the_attempt() {
        let known = |n: &u64| if *n < 9 { Ok(*n > 1) } else { Err(format!("{n} is not known")) };
        OperatorHarness::plain(move |context| Ok(TryFilter::new(known, context.counter(FILTERED))))
            .input([rec(1), rec(2)])
            .expect_counters([(FILTERED, 1)])
            .expect([rec(2)]);
        OperatorHarness::plain(move |context| Ok(TryFilter::new(known, context.counter(FILTERED))))
            .input([rec(9)])
            .expect_error("try_filter: 9 is not known");
    }
}
