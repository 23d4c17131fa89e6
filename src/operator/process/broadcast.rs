//! Lets a user's function see the records of a stream by the light of what is broadcast to all subtasks.

use std::marker::PhantomData;

use millstream_actors::time::{TimeSignal, Timestamp};

use super::operator_states::OperatorStates;
use super::stream_context::{ReadOnlyContext, StreamContext};
use super::subtask_part::SubtaskPart;
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::{Either, Emit, Event, Operator, PartVisitor, SubtaskContext};

/// A function over the records of a stream, and over records that every subtask hears. Given to
/// [`Broadcast::process`](crate::Broadcast::process).
///
/// A record of the stream reads the broadcast maps, a broadcast record changes them. So these are the same on all
/// subtasks, if what [`on_broadcast`](Self::on_broadcast) does to them follows from what it hears alone. If the broadcast
/// stream has several senders, their records may come in another order on each subtask.
pub trait BroadcastProcess<T, B>: Send + 'static {
    /// What it emits.
    type Out: Data;

    /// Hears a record of the stream.
    ///
    /// # Errors
    /// What it returns fails the attempt, and so does a panic.
    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<T>,
        context: &mut ReadOnlyContext<'_>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a record that every subtask hears.
    ///
    /// # Errors
    /// As [`BroadcastProcess::on_record`].
    fn on_broadcast<E: Emit<Self::Out>>(
        &mut self,
        record: Record<B>,
        context: &mut StreamContext<'_>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears that the watermark has risen; it goes on behind what is emitted now. It is the lower one of both inputs, and the last one is
    /// [`Timestamp::MAX`].
    ///
    /// # Errors
    /// As [`BroadcastProcess::on_record`].
    fn on_watermark<E: Emit<Self::Out>>(&mut self, context: &mut ReadOnlyContext<'_>, out: &mut E) -> Result<()> {
        let _ = (context, out);
        Ok(())
    }

    /// Hears that both inputs have ended: what is still held back must be emitted.
    ///
    /// # Errors
    /// As [`BroadcastProcess::on_record`].
    fn on_end<E: Emit<Self::Out>>(&mut self, context: &mut ReadOnlyContext<'_>, out: &mut E) -> Result<()> {
        let _ = (context, out);
        Ok(())
    }
}

/// Whatever the function emits; built by [`Broadcast::process`](crate::Broadcast::process).
pub struct ProcessBroadcast<T, B, P> {
    function: P,
    part: SubtaskPart,
    takes: PhantomData<fn(T, B)>,
}

impl<T: Data, B: Data, P: BroadcastProcess<T, B>> ProcessBroadcast<T, B, P> {
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

impl<T: Data, B: Data, P: BroadcastProcess<T, B>> Operator for ProcessBroadcast<T, B, P> {
    type In = Either<T, B>;
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(&mut self, record: Record<Either<T, B>>, out: &mut E) -> Result<()> {
        self.part.watch.next();
        let time = record.time;
        let mut context = self.part.at(time);
        match record.value {
            Either::Left(value) => self.function.on_record(Record { value, time }, &mut ReadOnlyContext(context), out),
            Either::Right(value) => self.function.on_broadcast(Record { value, time }, &mut context, out),
        }
    }

    #[inline]
    fn look_ahead(&mut self, upcoming: &[Either<T, B>]) {
        self.part.watch.look_ahead(upcoming.len());
    }

    fn on_signal<E: Emit<P::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        if let Some(watermark) = self.part.on_signal(signal) {
            self.function.on_watermark(&mut ReadOnlyContext(self.part.at(watermark)), out)?;
        }
        out.signal(signal)
    }

    fn on_event<E: Emit<P::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        if event == Event::End {
            self.part.watch.look_ahead(0);
            self.function.on_end(&mut ReadOnlyContext(self.part.at(Timestamp::MAX)), out)?;
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.part.parts(visitor);
    }
}
