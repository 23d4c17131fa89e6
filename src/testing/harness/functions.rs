//! Cases for functions of users, which the library makes operators of.

use std::fmt::Debug;

use super::OperatorHarness;
use crate::error::Result;
use crate::model::{Data, Key, Keyed, hash_key};
use crate::operator::{
    BroadcastProcess, BroadcastStates, Either, KeyedBroadcastProcess, KeyedProcess, OperatorStates, Process,
    ProcessBroadcast, ProcessKeyedBroadcast, ProcessStream, States, StreamProcess,
};

/// What the operators of cases are called.
const UID: &str = "function";

impl<K, T, U> OperatorHarness<(K, T), U>
where
    K: Key + Debug,
    T: Data + Clone + Debug,
    U: Data + PartialEq + Debug,
{
    /// A case for the function that `open` makes, behind a `key_by`. Its input is written as pairs of key and value.
    pub fn process<P>(open: impl Fn(&mut States<'_, K>) -> Result<P> + 'static) -> Self
    where
        P: KeyedProcess<K, T, Out = U>,
    {
        Self::keyed(move |context| Process::open(UID, context, &open))
    }
}

impl<T: Data + Clone + Debug, U: Data + PartialEq + Debug> OperatorHarness<T, U> {
    /// A case for the function that `open` makes, over a stream without keys.
    pub fn process_stream<P>(open: impl Fn(&mut OperatorStates<'_>) -> Result<P> + 'static) -> Self
    where
        P: StreamProcess<T, Out = U>,
    {
        Self::plain(move |context| ProcessStream::open(UID, context, &open))
    }
}

impl<T, B, U> OperatorHarness<Either<T, B>, U>
where
    T: Data + Clone + Debug,
    B: Data + Clone + Debug,
    U: Data + PartialEq + Debug,
{
    /// A case for the function that `open` makes. Records of the stream are written as `Left`, those that are broadcast as
    /// `Right`.
    pub fn process_broadcast<P>(open: impl Fn(&mut OperatorStates<'_>) -> Result<P> + 'static) -> Self
    where
        P: BroadcastProcess<T, B, Out = U>,
    {
        Self::plain(move |context| ProcessBroadcast::open(UID, context, &open))
    }
}

impl<K, T, B, U> OperatorHarness<Either<(K, T), B>, U>
where
    K: Key + Debug,
    T: Data + Clone + Debug,
    B: Data + Clone + Debug,
    U: Data + PartialEq + Debug,
{
    /// A case for the function that `open` makes. Records of keys are written as `Left`, with key and value, those that are
    /// broadcast as `Right`.
    pub fn process_keyed_broadcast<P>(open: impl Fn(&mut BroadcastStates<'_, K>) -> Result<P> + 'static) -> Self
    where
        P: KeyedBroadcastProcess<K, T, B, Out = U>,
    {
        let enter = |record| match record {
            Either::Left((key, value)) => Either::Left(Keyed { hash: hash_key(&key), key, value }),
            Either::Right(value) => Either::Right(value),
        };
        Self::new(move |context| ProcessKeyedBroadcast::open(UID, context, &open), true, enter)
    }
}
