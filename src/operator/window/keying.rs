//! Decides what windows are kept apart by: the keys of a stream, or nothing.

use std::marker::PhantomData;

use crate::model::{Data, Key};

/// Whether windows are kept per key, as a type; it decides the form of results.
pub trait Keying: Send + 'static + sealed::Sealed {
    /// The key.
    type Key: Key;
    /// What comes out for a result of type `O`.
    type Out<O: Data>: Data;

    /// Makes what comes out of a result.
    fn out<O: Data>(key: &Self::Key, result: O) -> Self::Out<O>;
}

/// Windows of each key for itself. Results come with their keys.
#[derive(Debug, Clone, Copy)]
pub struct PerKey<K>(PhantomData<fn() -> K>);

/// Windows over all records. Results come alone.
#[derive(Debug, Clone, Copy)]
pub enum Unkeyed {}

impl<K: Key> Keying for PerKey<K> {
    type Key = K;
    type Out<O: Data> = (K, O);

    #[inline]
    fn out<O: Data>(key: &K, result: O) -> (K, O) {
        (key.clone(), result)
    }
}

impl Keying for Unkeyed {
    type Key = ();
    type Out<O: Data> = O;

    #[inline]
    fn out<O: Data>((): &(), result: O) -> O {
        result
    }
}

mod sealed {
    /// Closes [`Keying`](super::Keying): windows are per key or over everything.
    pub trait Sealed {}

    impl<K> Sealed for super::PerKey<K> {}
    impl Sealed for super::Unkeyed {}
}
