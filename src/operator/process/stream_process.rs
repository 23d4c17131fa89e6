//! Lets a user's function see each record of a stream, with states of the subtask at hand.

use std::marker::PhantomData;

use millstream_actors::time::{TimeSignal, Timestamp};

use super::operator_states::OperatorStates;
use super::stream_context::StreamContext;
use super::subtask_part::SubtaskPart;
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::{Emit, Event, Operator, PartVisitor, SubtaskContext};

/// A function over the records of a stream, with states per subtask. Given to
/// [`Stream::process`](crate::Stream::process).
///
/// There are no timers, since those belong to keys; a function that holds records back lets them go at a watermark, or at
/// the end.
pub trait StreamProcess<T>: Send + 'static {
    /// What it emits.
    type Out: Data;

    /// Hears a record.
    ///
    /// # Errors
    /// What it returns fails the attempt, and so does a panic.
    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<T>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears that the watermark has risen; it goes on behind what is emitted now. The last one is [`Timestamp::MAX`].
    ///
    /// # Errors
    /// As [`StreamProcess::on_record`].
    fn on_watermark<E: Emit<Self::Out>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        let _ = (context, out);
        Ok(())
    }

    /// Hears that the input has ended: what is still held back must be emitted. Watermarks have passed before.
    ///
    /// # Errors
    /// As [`StreamProcess::on_record`].
    fn on_end<E: Emit<Self::Out>>(&mut self, context: &mut StreamContext<'_>, out: &mut E) -> Result<()> {
        let _ = (context, out);
        Ok(())
    }
}

/// Whatever the function emits; built by [`Stream::process`](crate::Stream::process).
pub struct ProcessStream<T, P> {
    function: P,
    part: SubtaskPart,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, P: StreamProcess<T>> ProcessStream<T, P> {
    /// Opens the operator: `open` declares the states and makes the function.
    pub(crate) fn open(
        uid: &str,
        context: &mut SubtaskContext,
        open: impl FnOnce(&mut OperatorStates<'_>) -> Result<P>,
    ) -> Result<Self> {
        let (part, function) = SubtaskPart::open(uid, context, open)?;
        Ok(Self { function, part, takes: PhantomData })
    }
}

impl<T: Data, P: StreamProcess<T>> Operator for ProcessStream<T, P> {
    type In = T;
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        self.part.watch.next();
        let time = record.time;
        self.function.on_record(record, &mut self.part.at(time), out)
    }

    #[inline]
    fn look_ahead(&mut self, upcoming: &[T]) {
        self.part.watch.look_ahead(upcoming.len());
    }

    fn on_signal<E: Emit<P::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        if let Some(watermark) = self.part.on_signal(signal) {
            self.function.on_watermark(&mut self.part.at(watermark), out)?;
        }
        out.signal(signal)
    }

    fn on_event<E: Emit<P::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        if event == Event::End {
            self.part.watch.look_ahead(0);
            self.function.on_end(&mut self.part.at(Timestamp::MAX), out)?;
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.part.parts(visitor);
    }
}
