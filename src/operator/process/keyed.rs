//! Lets a user's function see each record with the state of its key, register timers, and emit whatever it wants.

use std::marker::PhantomData;

use millstream_actors::time::TimeSignal;

use super::clockwork::Timer;
use super::key_context::KeyContext;
use super::keyed_part::KeyedPart;
use super::states::States;
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record};
use crate::operator::{Emit, Event, Operator, PartVisitor, SubtaskContext};

/// A function over the records of each key, with state and timers. Given to
/// [`KeyedStream::process`](crate::KeyedStream::process).
///
/// What it keeps in its own fields is its own, per subtask, and is lost at a failure; what must survive goes into the
/// states that it declares.
pub trait KeyedProcess<K: Key, T>: Send + 'static {
    /// What it emits.
    type Out: Data;

    /// Hears a record of the present key.
    ///
    /// # Errors
    /// What it returns fails the attempt, and so does a panic.
    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<T>,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a timer that the present key registered. It is gone, and may be registered again.
    ///
    /// # Errors
    /// As [`KeyedProcess::on_record`].
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

/// Whatever the function emits; built by [`KeyedStream::process`](crate::KeyedStream::process).
pub struct Process<K: Key, T, P> {
    function: P,
    part: KeyedPart<K>,
    takes: PhantomData<fn(T)>,
}

impl<K: Key, T: Data, P: KeyedProcess<K, T>> Process<K, T, P> {
    /// Opens the operator: `open` declares the states and makes the function.
    pub(crate) fn open(
        uid: &str,
        context: &mut SubtaskContext,
        open: impl FnOnce(&mut States<'_, K>) -> Result<P>,
    ) -> Result<Self> {
        let (part, function) =
            KeyedPart::open(uid, context, |names, context, cells, _| open(&mut States::new(names, context, cells)))?;
        Ok(Self { function, part, takes: PhantomData })
    }
}

impl<K: Key, T: Data, P: KeyedProcess<K, T>> Operator for Process<K, T, P> {
    type In = Keyed<K, T>;
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(&mut self, record: Record<Keyed<K, T>>, out: &mut E) -> Result<()> {
        let (Keyed { hash, key, value }, time) = (record.value, record.time);
        self.part.watch.next();
        self.function.on_record(Record { value, time }, &mut self.part.of_key(hash, &key, time), out)
    }

    #[inline]
    fn look_ahead(&mut self, upcoming: &[Keyed<K, T>]) {
        self.part.watch.look_ahead(upcoming.len());
    }

    fn on_signal<E: Emit<P::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        let function = &mut self.function;
        self.part.on_signal(signal, out, |timer, context, out| function.on_timer(timer, context, out))
    }

    fn on_event<E: Emit<P::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        let function = &mut self.function;
        self.part.on_event(event, out, |timer, context, out| function.on_timer(timer, context, out))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.part.parts(visitor);
    }
}
