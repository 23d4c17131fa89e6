//! Keeps the records themselves, for functions that see all of them, and for evictors.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Contents, Finish, Finishes, Firing};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::aggregate::Aggregate;
use crate::operator::window::evictor::{Eviction, Evictor};
use crate::operator::window::{Keying, TimeWindow};
use crate::operator::{Emit, PartVisitor, SubtaskContext};

/// A window without evictor shows all its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAll;

/// A window with an evictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicting<E>(pub(crate) E);

/// Whether records are taken out of windows, and by whom: [`KeepAll`] or [`Evicting`].
///
/// Implemented by this library only.
pub trait Evicts<T>: Clone + Send + 'static {
    /// Whether any are.
    const EVICTS: bool;

    /// As [`Evictor::evict_before`].
    fn before(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction);

    /// As [`Evictor::evict_after`].
    fn after(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction);
}

impl<T> Evicts<T> for KeepAll {
    const EVICTS: bool = false;

    fn before(&mut self, _: &mut Vec<Record<T>>, _: &Eviction) {}

    fn after(&mut self, _: &mut Vec<Record<T>>, _: &Eviction) {}
}

impl<T, E: Evictor<T>> Evicts<T> for Evicting<E> {
    const EVICTS: bool = true;

    fn before(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction) {
        self.0.evict_before(elements, eviction);
    }

    fn after(&mut self, elements: &mut Vec<Record<T>>, eviction: &Eviction) {
        self.0.evict_after(elements, eviction);
    }
}

/// A function that sees the records of a window, less what an evictor takes out.
pub(crate) struct Listed<V, P> {
    evicts: V,
    finish: P,
}

impl<V, P> Listed<V, P> {
    pub(crate) fn new(evicts: V, finish: P) -> Self {
        Self { evicts, finish }
    }
}

/// Makes what follows an aggregate's result follow the records, by aggregating them when the window fires.
pub(crate) struct AggregatedLater<G, P> {
    aggregate: G,
    finish: P,
}

impl<G, P> AggregatedLater<G, P> {
    pub(crate) fn new(aggregate: G, finish: P) -> Self {
        Self { aggregate, finish }
    }
}

impl<G: Send + 'static, P: Finishes> Finishes for AggregatedLater<G, P> {
    type Out = P::Out;

    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        self.finish.open(uid, context)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.finish.parts(visitor);
    }

    fn first_remembered(&mut self) -> Result<Option<TimeWindow>> {
        self.finish.first_remembered()
    }

    fn forget(&mut self, window: TimeWindow, at_most: usize) -> Result<bool> {
        self.finish.forget(window, at_most)
    }
}

impl<'a, Z, T, G, P> Finish<Z, &'a [Record<T>]> for AggregatedLater<G, P>
where
    Z: Keying,
    G: Aggregate<T>,
    P: Finish<Z, G::Out>,
{
    fn finish<E: Emit<P::Out>>(
        &mut self,
        firing: &Firing<'_, Z::Key>,
        elements: &'a [Record<T>],
        out: &mut E,
    ) -> Result<()> {
        let mut accumulator = self.aggregate.create();
        elements.iter().try_for_each(|element| self.aggregate.add(&mut accumulator, element))?;
        let result = self.aggregate.result(&accumulator)?;
        self.finish.finish(firing, result, out)
    }
}

impl<Z, T, V, P> Contents<Z, T> for Listed<V, P>
where
    Z: Keying,
    T: Data + Clone + Serialize + DeserializeOwned,
    V: Evicts<T>,
    P: for<'a> Finish<Z, &'a [Record<T>]>,
{
    type Held = Vec<Record<T>>;
    type Out = P::Out;

    const CHANGED_BY_FIRING: bool = V::EVICTS;
    const LEAVES_RESULTS: bool = P::LEAVES_RESULTS;

    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        self.finish.open(uid, context)
    }

    fn create(&mut self) -> Vec<Record<T>> {
        Vec::new()
    }

    fn add(&mut self, held: &mut Vec<Record<T>>, record: &Record<T>) -> Result<()> {
        held.push(record.clone());
        Ok(())
    }

    fn add_last(&mut self, held: &mut Vec<Record<T>>, record: Record<T>) -> Result<()> {
        held.push(record);
        Ok(())
    }

    fn merge(&mut self, into: &mut Vec<Record<T>>, from: &Vec<Record<T>>) -> Result<()> {
        into.extend_from_slice(from);
        Ok(())
    }

    /// A window whose records have all been taken out has nothing to say.
    fn fire<E: Emit<P::Out>>(&mut self, firing: &Firing<'_, Z::Key>, held: &Vec<Record<T>>, out: &mut E) -> Result<()> {
        if held.is_empty() { Ok(()) } else { self.finish.finish(firing, held, out) }
    }

    fn owes(&self) -> bool {
        self.finish.owes()
    }

    fn hand_out<E: Emit<P::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        self.finish.hand_out(budget, out)
    }

    fn evict_before(&mut self, held: &mut Vec<Record<T>>, eviction: &Eviction) {
        self.evicts.before(held, eviction);
    }

    fn evict_after(&mut self, held: &mut Vec<Record<T>>, eviction: &Eviction) {
        self.evicts.after(held, eviction);
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.finish.parts(visitor);
    }

    fn first_remembered(&mut self) -> Result<Option<TimeWindow>> {
        self.finish.first_remembered()
    }

    fn forget(&mut self, window: TimeWindow, at_most: usize) -> Result<bool> {
        self.finish.forget(window, at_most)
    }
}
