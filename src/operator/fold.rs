//! Keeps one accumulator per key and emits it, changed, after each record.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Emit, Operator, PartVisitor};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record};
use crate::state::Table;

/// One `(key, accumulator)` out per record in; built by [`KeyedStream::fold`](crate::KeyedStream::fold) and its kin.
///
/// `step` takes the accumulator, or `None` at the first record of a key, and the record.
pub struct Fold<K: Key, T, A, F> {
    accumulators: Table<K, A>,
    start: A,
    step: F,
    takes: PhantomData<fn(T)>,
}

impl<K: Key, T, A, F> Fold<K, T, A, F> {
    pub(crate) fn new(accumulators: Table<K, A>, start: A, step: F) -> Self {
        Self { accumulators, start, step, takes: PhantomData }
    }
}

impl<K, T, A, F> Operator for Fold<K, T, A, F>
where
    K: Key,
    T: Data,
    A: Data + Clone + Serialize + DeserializeOwned,
    F: FnMut(&mut A, T) + Send + 'static,
{
    type In = Keyed<K, T>;
    type Out = (K, A);

    #[inline(always)]
    fn on_record<E: Emit<(K, A)>>(&mut self, record: Record<Keyed<K, T>>, out: &mut E) -> Result<()> {
        let Keyed { hash, key, value } = record.value;
        let accumulator = self.accumulators.get_or_insert_with(hash, &key, || self.start.clone())?;
        (self.step)(accumulator, value);
        let accumulator = accumulator.clone();
        out.emit(Record { value: (key, accumulator), time: record.time })
    }

    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[Keyed<K, T>]) {
        self.accumulators.look_ahead(upcoming.iter().map(|keyed| keyed.hash));
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.accumulators);
    }
}

/// One `(key, value)` out per record in, the first record of a key as it is; built by
/// [`KeyedStream::reduce`](crate::KeyedStream::reduce).
pub struct Reduce<K: Key, T, F> {
    reduced: Table<K, T>,
    step: F,
}

impl<K: Key, T, F> Reduce<K, T, F> {
    pub(crate) fn new(reduced: Table<K, T>, step: F) -> Self {
        Self { reduced, step }
    }
}

impl<K, T, F> Operator for Reduce<K, T, F>
where
    K: Key,
    T: Data + Clone + Serialize + DeserializeOwned,
    F: FnMut(&mut T, T) + Send + 'static,
{
    type In = Keyed<K, T>;
    type Out = (K, T);

    #[inline(always)]
    fn on_record<E: Emit<(K, T)>>(&mut self, record: Record<Keyed<K, T>>, out: &mut E) -> Result<()> {
        let Keyed { hash, key, value } = record.value;
        let mut next = Some(value);
        let reduced = self.reduced.get_or_insert_with(hash, &key, || next.take().expect("called at most once"))?;
        if let Some(value) = next {
            (self.step)(reduced, value);
        }
        let reduced = reduced.clone();
        out.emit(Record { value: (key, reduced), time: record.time })
    }

    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[Keyed<K, T>]) {
        self.reduced.look_ahead(upcoming.iter().map(|keyed| keyed.hash));
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.reduced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::harness::{OperatorHarness, end, rec, rec_at, watermark};

    #[test]
    fn accumulator_of_each_key_is_emitted_after_each_record() {
        OperatorHarness::keyed(|context| Ok(Fold::new(context.table("sums")?, 10, |sum: &mut u64, n: u64| *sum += n)))
            .input([rec(('a', 1)), rec_at(('b', 2), 5), watermark(9), rec(('a', 3)), end()])
            .expect([rec(('a', 11)), rec_at(('b', 12), 5), watermark(9), rec(('a', 14)), end()]);
    }

    #[test]
    fn first_record_of_each_key_is_what_the_others_are_merged_into() {
        OperatorHarness::keyed(|context| Ok(Reduce::new(context.table("sums")?, |sum: &mut u64, n: u64| *sum += n)))
            .input([rec(('a', 1)), rec_at(('b', 2), 5), watermark(9), rec(('a', 3)), end()])
            .expect([rec(('a', 1)), rec_at(('b', 2), 5), watermark(9), rec(('a', 4)), end()]);
    }
}
