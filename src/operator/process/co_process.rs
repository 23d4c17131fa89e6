//! Lets a user's function see the records of two streams, with the state of their key.

use std::marker::PhantomData;

use super::{KeyContext, KeyedProcess, Timer};
use crate::error::Result;
use crate::model::{Data, Key, Record};
use crate::operator::{Either, Emit};

/// A function over the records of two streams, by key, with state and timers. Given to
/// [`ConnectedStreams::process`](crate::ConnectedStreams::process).
pub trait CoProcess<K: Key, L, R>: Send + 'static {
    /// What it emits.
    type Out: Data;

    /// Hears a record of the first stream.
    ///
    /// # Errors
    /// What it returns fails the attempt, and so does a panic.
    fn on_left<E: Emit<Self::Out>>(
        &mut self,
        record: Record<L>,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a record of the second stream.
    ///
    /// # Errors
    /// As [`CoProcess::on_left`].
    fn on_right<E: Emit<Self::Out>>(
        &mut self,
        record: Record<R>,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a timer that the present key registered.
    ///
    /// # Errors
    /// As [`CoProcess::on_left`].
    fn on_timer<E: Emit<Self::Out>>(
        &mut self,
        timer: Timer,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()> {
        let _ = (timer, context, out);
        Ok(())
    }
}

/// A function of two streams as a function of one, whose records are of the one or of the other.
pub struct OfEither<P, L, R> {
    function: P,
    takes: PhantomData<fn(L, R)>,
}

impl<P, L, R> OfEither<P, L, R> {
    pub(crate) fn new(function: P) -> Self {
        Self { function, takes: PhantomData }
    }
}

impl<K: Key, L: Data, R: Data, P: CoProcess<K, L, R>> KeyedProcess<K, Either<L, R>> for OfEither<P, L, R> {
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(
        &mut self,
        record: Record<Either<L, R>>,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()> {
        let time = record.time;
        match record.value {
            Either::Left(value) => self.function.on_left(Record { value, time }, context, out),
            Either::Right(value) => self.function.on_right(Record { value, time }, context, out),
        }
    }

    fn on_timer<E: Emit<P::Out>>(&mut self, timer: Timer, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        self.function.on_timer(timer, context, out)
    }
}
