//! The block of windows whose records may have been aggregated, in part, before they came.

use millstream_actors::packet::Rows;
use millstream_actors::time::TimeSignal;

use super::contents::Contents;
use super::keep::WindowOperator;
use super::local::KeyedPartial;
use super::trigger::TriggerFor;
use super::{Keying, WindowAssigner};
use crate::error::Result;
use crate::io::SplitSignal;
use crate::model::{Data, Keyed, Record, RecordBatch};
use crate::operator::{BatchHead, Chain, Emit, Event, Operator, PartVisitor, Step, Then};

/// The windows themselves, behind the head that takes records.
type OfRecords<Z, T, A, R, C> = Then<BatchHead<Keyed<<Z as Keying>::Key, T>>, WindowOperator<Z, T, A, R, C>>;

/// Windows at the head of a block. Batches hold records, or what senders have aggregated of them.
pub(crate) struct WindowChain<Z: Keying, T: Data, A: WindowAssigner<T>, R: TriggerFor<A::Kind, T>, C: Contents<Z, T>> {
    records: OfRecords<Z, T, A, R, C>,
    partials: BatchHead<KeyedPartial<Z::Key, C::Held>>,
    /// Whether the batch in hand holds partial aggregates.
    in_parts: bool,
}

impl<Z, T, A, R, C> WindowChain<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    pub(crate) fn new(windows: WindowOperator<Z, T, A, R, C>) -> Self {
        Self { records: Then::new(BatchHead::new(), windows), partials: BatchHead::new(), in_parts: false }
    }
}

/// Hands partial aggregates to windows.
struct Into<'a, W, E> {
    windows: &'a mut W,
    out: &'a mut E,
}

impl<Z, T, A, R, C, E> Emit<KeyedPartial<Z::Key, C::Held>> for Into<'_, WindowOperator<Z, T, A, R, C>, E>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
    E: Emit<C::Out>,
{
    #[inline]
    fn emit(&mut self, record: Record<KeyedPartial<Z::Key, C::Held>>) -> Result<()> {
        self.windows.on_partial(record.value, self.out)
    }

    #[inline]
    fn look_ahead(&mut self, upcoming: &[KeyedPartial<Z::Key, C::Held>]) {
        self.windows.look_ahead_at(upcoming);
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.windows.on_signal(signal, self.out)
    }

    fn is_killed(&self) -> bool {
        self.out.is_killed()
    }

    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        self.windows.on_split(signal, self.out)
    }
}

impl<Z, T, A, R, C> Chain for WindowChain<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    type Out = C::Out;

    #[inline]
    fn run<E: Emit<C::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        if self.in_parts {
            let windows = self.records.operator_mut();
            return self.partials.run(limit, &mut Into { windows, out });
        }
        self.records.run(limit, out)
    }

    fn on_signal<E: Emit<C::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        self.records.on_signal(signal, out)
    }

    fn on_event<E: Emit<C::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        self.records.on_event(event, out)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.records.parts(visitor);
    }

    fn load(&mut self, rows: Rows, input: usize) {
        self.in_parts = rows.is::<RecordBatch<KeyedPartial<Z::Key, C::Held>>>();
        if self.in_parts {
            self.partials.load(rows, input);
        } else {
            self.records.load(rows, input);
        }
    }
}
