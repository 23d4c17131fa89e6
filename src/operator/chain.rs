//! Fuses the operators of one block by type: a head that takes batches or reads, and operators behind it, all inlined.

use std::vec;

use millstream_actors::packet::Rows;
use millstream_actors::time::{TimeSignal, Timestamp};

use super::parts::HasParts;
use super::{Emit, Event, Operator, PartVisitor};
use crate::error::Result;
use crate::io::{ReadStatus, SplitSignal};
use crate::model::{Data, Record, RecordBatch};

/// The operators of one block up to some point: what a stream's type remembers of it.
///
/// Implemented by this library only.
pub trait Chain: Send + 'static {
    /// What leaves at the end of the chain.
    type Out: Data;

    /// Takes at most `limit` records through the chain.
    ///
    /// # Errors
    /// If a source or an operator fails.
    fn run<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step>;

    /// Takes what the inputs say about event time through the chain.
    ///
    /// # Errors
    /// If an operator fails.
    fn on_signal<E: Emit<Self::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()>;

    /// Takes an event to all operators, one after the other.
    ///
    /// # Errors
    /// If an operator fails.
    fn on_event<E: Emit<Self::Out>>(&mut self, event: Event, out: &mut E) -> Result<()>;

    /// Shows the parts of all operators, in the order of the chain.
    fn parts(&mut self, visitor: &mut dyn PartVisitor);

    /// Gives the head its next batch, from the input of the block with this number. The one before is used up.
    ///
    /// # Panics
    /// If the head takes no batches, or others: both ends of a channel are made by one call, for one type.
    fn load(&mut self, rows: Rows, input: usize);
}

impl<C: Chain> HasParts for C {
    fn visit_parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.parts(visitor);
    }
}

/// How far a call of [`Chain::run`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Records that entered the chain.
    pub records: usize,
    /// What the head says.
    pub head: HeadStatus,
}

/// What the head of a chain says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStatus {
    /// The batch in hand is used up.
    BatchDone,
    /// There is more in the batch in hand.
    BatchGoesOn,
    /// What a source's reader said.
    Read(ReadStatus),
}

/// A chain with one more operator at its end.
pub struct Then<C, O> {
    chain: C,
    operator: O,
}

impl<C, O> Then<C, O> {
    /// Puts `operator` behind `chain`.
    pub fn new(chain: C, operator: O) -> Self {
        Self { chain, operator }
    }

    /// The operator at the end.
    #[inline]
    pub(crate) fn operator_mut(&mut self) -> &mut O {
        &mut self.operator
    }
}

/// Hands what leaves a chain to the operator behind it.
struct Into<'a, O, E> {
    operator: &'a mut O,
    out: &'a mut E,
}

impl<O: Operator, E: Emit<O::Out>> Emit<O::In> for Into<'_, O, E> {
    #[inline(always)]
    fn emit(&mut self, record: Record<O::In>) -> Result<()> {
        self.operator.on_record(record, self.out)
    }

    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[O::In]) {
        self.operator.look_ahead(upcoming);
    }

    #[inline]
    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.operator.on_signal(signal, self.out)
    }

    fn is_killed(&self) -> bool {
        self.out.is_killed()
    }

    #[inline]
    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        self.operator.on_split(signal, self.out)
    }
}

impl<C: Chain, O: Operator<In = C::Out>> Chain for Then<C, O>
where
    O::Out: Data,
{
    type Out = O::Out;

    #[inline]
    fn run<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        self.chain.run(limit, &mut Into { operator: &mut self.operator, out })
    }

    fn on_signal<E: Emit<Self::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        self.chain.on_signal(signal, &mut Into { operator: &mut self.operator, out })
    }

    fn on_event<E: Emit<Self::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        self.chain.on_event(event, &mut Into { operator: &mut self.operator, out })?;
        self.operator.on_event(event, out)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.chain.parts(visitor);
        self.operator.parts(visitor);
    }

    fn load(&mut self, rows: Rows, input: usize) {
        self.chain.load(rows, input);
    }
}

/// Records that an operator hears of before it gets them: enough to hide the latency of memory, few enough to fit into
/// the first cache.
pub(super) const BATCH_OF_LOOK_AHEAD: usize = 64;

/// The head of a block that takes batches from channels.
pub struct BatchHead<T> {
    values: vec::IntoIter<T>,
    times: vec::IntoIter<Timestamp>,
}

impl<T> BatchHead<T> {
    /// A head with no batch in hand.
    #[must_use]
    pub fn new() -> Self {
        Self { values: Vec::new().into_iter(), times: Vec::new().into_iter() }
    }
}

impl<T> Default for BatchHead<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Data> Chain for BatchHead<T> {
    type Out = T;

    #[inline]
    fn run<E: Emit<T>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        let records = limit.min(self.values.len());
        let mut left = records;
        while left > 0 {
            let next = left.min(BATCH_OF_LOOK_AHEAD);
            out.look_ahead(&self.values.as_slice()[..next]);
            if self.times.len() == 0 {
                for value in self.values.by_ref().take(next) {
                    out.emit(Record::new(value))?;
                }
            } else {
                for (value, time) in self.values.by_ref().zip(self.times.by_ref()).take(next) {
                    out.emit(Record::at(value, time))?;
                }
            }
            left -= next;
        }
        let head = if self.values.len() == 0 { HeadStatus::BatchDone } else { HeadStatus::BatchGoesOn };
        Ok(Step { records, head })
    }

    fn on_signal<E: Emit<T>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        out.signal(signal)
    }

    fn on_event<E: Emit<T>>(&mut self, _event: Event, _out: &mut E) -> Result<()> {
        Ok(())
    }

    fn parts(&mut self, _visitor: &mut dyn PartVisitor) {}

    fn load(&mut self, rows: Rows, _input: usize) {
        let batch = rows.downcast::<RecordBatch<T>>().expect(FOREIGN_BATCH);
        (self.values, self.times) = (batch.values.into_iter(), batch.times.into_iter());
    }
}

/// Why a batch cannot be one of another type.
pub(super) const FOREIGN_BATCH: &str = "both ends of a channel are made by one call, for one type";

/// A chain whose type is forgotten. Costs one indirect call per run of records, and a copy of each record.
pub struct BoxedChain<T> {
    chain: Box<dyn ErasedChain<T>>,
    /// What left the chain, in order.
    emitted: Vec<Element<T>>,
}

/// Keeps what leaves a chain.
struct Emitted<'a, T> {
    elements: &'a mut Vec<Element<T>>,
    is_killed: &'a dyn Fn() -> bool,
}

enum Element<T> {
    Record(Record<T>),
    Signal(TimeSignal),
    Split(SplitSignal),
}

impl<T> Emit<T> for Emitted<'_, T> {
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.elements.push(Element::Record(record));
        Ok(())
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.elements.push(Element::Signal(signal));
        Ok(())
    }

    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        self.elements.push(Element::Split(signal));
        Ok(())
    }

    fn is_killed(&self) -> bool {
        (self.is_killed)()
    }
}

trait ErasedChain<T>: Send {
    fn run(&mut self, limit: usize, out: &mut Emitted<'_, T>) -> Result<Step>;
    fn on_signal(&mut self, signal: TimeSignal, out: &mut Emitted<'_, T>) -> Result<()>;
    fn on_event(&mut self, event: Event, out: &mut Emitted<'_, T>) -> Result<()>;
    fn parts(&mut self, visitor: &mut dyn PartVisitor);
    fn load(&mut self, rows: Rows, input: usize);
}

impl<C: Chain> ErasedChain<C::Out> for C {
    fn run(&mut self, limit: usize, out: &mut Emitted<'_, C::Out>) -> Result<Step> {
        Chain::run(self, limit, out)
    }

    fn on_signal(&mut self, signal: TimeSignal, out: &mut Emitted<'_, C::Out>) -> Result<()> {
        Chain::on_signal(self, signal, out)
    }

    fn on_event(&mut self, event: Event, out: &mut Emitted<'_, C::Out>) -> Result<()> {
        Chain::on_event(self, event, out)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        Chain::parts(self, visitor);
    }

    fn load(&mut self, rows: Rows, input: usize) {
        Chain::load(self, rows, input);
    }
}

impl<T: Data> BoxedChain<T> {
    /// Forgets the type of `chain`.
    pub fn new(chain: impl Chain<Out = T>) -> Self {
        Self { chain: Box::new(chain), emitted: Vec::new() }
    }

    /// Does `work` on the chain, and emits what leaves it.
    fn emitting<E: Emit<T>, R>(
        &mut self,
        out: &mut E,
        work: impl FnOnce(&mut dyn ErasedChain<T>, &mut Emitted<'_, T>) -> Result<R>,
    ) -> Result<R> {
        let mut emitted = Emitted { elements: &mut self.emitted, is_killed: &|| out.is_killed() };
        let outcome = work(&mut *self.chain, &mut emitted)?;
        self.emitted.drain(..).try_for_each(|element| match element {
            Element::Record(record) => out.emit(record),
            Element::Signal(signal) => out.signal(signal),
            Element::Split(signal) => out.split(signal),
        })?;
        Ok(outcome)
    }
}

impl<T: Data> Chain for BoxedChain<T> {
    type Out = T;

    fn run<E: Emit<T>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        self.emitting(out, |chain, emitted| chain.run(limit, emitted))
    }

    fn on_signal<E: Emit<T>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        self.emitting(out, |chain, emitted| chain.on_signal(signal, emitted))
    }

    fn on_event<E: Emit<T>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        self.emitting(out, |chain, emitted| chain.on_event(event, emitted))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.chain.parts(visitor);
    }

    fn load(&mut self, rows: Rows, input: usize) {
        self.chain.load(rows, input);
    }
}
