//! Gives each record its key, and hashes it: the only time that a key is hashed.

use std::marker::PhantomData;

use super::{Emit, Operator};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record, hash_key};

/// One keyed record out per record in; built by [`Stream::key_by`](crate::Stream::key_by).
pub struct KeyBy<T, F> {
    key_of: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> KeyBy<T, F> {
    pub(crate) fn new(key_of: F) -> Self {
        Self { key_of, takes: PhantomData }
    }
}

impl<T: Data, K: Key, F: FnMut(&T) -> K + Send + 'static> Operator for KeyBy<T, F> {
    type In = T;
    type Out = Keyed<K, T>;

    #[inline(always)]
    fn on_record<E: Emit<Keyed<K, T>>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        let key = (self.key_of)(&record.value);
        out.emit(Record { time: record.time, value: Keyed { hash: hash_key(&key), key, value: record.value } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::harness::{OperatorHarness, rec_at, watermark};

    #[test]
    fn record_gets_its_key_and_the_hash_of_it() {
        OperatorHarness::plain(|_| Ok(KeyBy::new(|n: &u64| n % 10)))
            .input([rec_at(12, 5), watermark(9)])
            .expect([rec_at(Keyed { hash: hash_key(&2u64), key: 2, value: 12 }, 5), watermark(9)]);
    }
}
