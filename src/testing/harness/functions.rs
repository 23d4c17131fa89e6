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

impl<K, T, P> OperatorHarness<Process<K, T, P>, (K, T)>
where
    K: Key + Debug,
    T: Data + Clone + Debug,
    P: KeyedProcess<K, T, Out: PartialEq + Debug>,
{
    /// A case for the function that `open` makes, behind a `key_by`. Its input is written as pairs of key and value.
    pub fn process(open: impl Fn(&mut States<'_, K>) -> Result<P> + 'static) -> Self {
        Self::keyed(move |context| Process::open(UID, context, &open))
    }
}

impl<T, P> OperatorHarness<ProcessStream<T, P>, T>
where
    T: Data + Clone + Debug,
    P: StreamProcess<T, Out: PartialEq + Debug>,
{
    /// A case for the function that `open` makes, over a stream without keys.
    pub fn process_stream(open: impl Fn(&mut OperatorStates<'_>) -> Result<P> + 'static) -> Self {
        Self::plain(move |context| ProcessStream::open(UID, context, &open))
    }
}

impl<T, B, P> OperatorHarness<ProcessBroadcast<T, B, P>, Either<T, B>>
where
    T: Data + Clone + Debug,
    B: Data + Clone + Debug,
    P: BroadcastProcess<T, B, Out: PartialEq + Debug>,
{
    /// A case for the function that `open` makes. Records of the stream are written as `Left`, those that are broadcast as
    /// `Right`.
    pub fn process_broadcast(open: impl Fn(&mut OperatorStates<'_>) -> Result<P> + 'static) -> Self {
        Self::plain(move |context| ProcessBroadcast::open(UID, context, &open))
    }
}

impl<K, T, B, P> OperatorHarness<ProcessKeyedBroadcast<K, T, B, P>, Either<(K, T), B>>
where
    K: Key + Debug,
    T: Data + Clone + Debug,
    B: Data + Clone + Debug,
    P: KeyedBroadcastProcess<K, T, B, Out: PartialEq + Debug>,
{
    /// A case for the function that `open` makes. Records of keys are written as `Left`, with key and value, those that are
    /// broadcast as `Right`.
    pub fn process_keyed_broadcast(open: impl Fn(&mut BroadcastStates<'_, K>) -> Result<P> + 'static) -> Self {
        let enter = |record| match record {
            Either::Left((key, value)) => Either::Left(Keyed { hash: hash_key(&key), key, value }),
            Either::Right(value) => Either::Right(value),
        };
        Self::new(move |context| ProcessKeyedBroadcast::open(UID, context, &open), true, enter)
    }
}
