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
