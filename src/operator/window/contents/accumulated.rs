//! Keeps what an aggregate makes of the records, instead of the records.

use super::{Contents, Finish, Firing};
use crate::error::Result;
use crate::model::Record;
use crate::operator::aggregate::Aggregate;
use crate::operator::window::{Keying, TimeWindow};
use crate::operator::{Emit, PartVisitor, SubtaskContext};

/// An aggregate, and what follows its result.
pub(crate) struct Accumulated<G, P> {
    aggregate: G,
    finish: P,
}

impl<G, P> Accumulated<G, P> {
    pub(crate) fn new(aggregate: G, finish: P) -> Self {
        Self { aggregate, finish }
    }
}

impl<Z: Keying, T: 'static, G: Aggregate<T>, P: Finish<Z, G::Out>> Contents<Z, T> for Accumulated<G, P> {
    type Held = G::Accumulator;
    type Out = P::Out;

    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        self.finish.open(uid, context)
    }

    #[inline]
    fn create(&mut self) -> G::Accumulator {
        self.aggregate.create()
    }

    #[inline]
    fn add(&mut self, held: &mut G::Accumulator, record: &Record<T>) -> Result<()> {
        self.aggregate.add(held, record)
    }

    #[inline]
    fn merge(&mut self, into: &mut G::Accumulator, from: &G::Accumulator) -> Result<()> {
        self.aggregate.merge(into, from)
    }

    #[inline]
    fn fire<E: Emit<P::Out>>(&mut self, firing: &Firing<'_, Z::Key>, held: &G::Accumulator, out: &mut E) -> Result<()> {
        let result = self.aggregate.result(held)?;
        self.finish.finish(firing, result, out)
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
