//! What is made of what a window gives: a pair with the key, or what a user's function makes of it.

use std::marker::PhantomData;

use super::Firing;
use crate::error::Result;
use crate::model::Data;
use crate::operator::window::{Keying, TimeWindow};
use crate::operator::{Emit, PartVisitor, SubtaskContext};

/// The last step of a firing, whatever it is given.
pub(crate) trait Finishes: Send + 'static {
    /// What it makes.
    type Out: Data;

    /// As [`Contents::LEAVES_RESULTS`](super::Contents::LEAVES_RESULTS).
    const LEAVES_RESULTS: bool = false;

    /// Opens the tables it has of its own.
    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        let _ = (uid, context);
        Ok(())
    }

    /// As [`Contents::owes`](super::Contents::owes).
    fn owes(&self) -> bool {
        false
    }

    /// As [`Contents::hand_out`](super::Contents::hand_out).
    fn hand_out<E: Emit<Self::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        let _ = (budget, out);
        Ok(true)
    }

    /// Lists the parts it has of its own.
    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        let _ = visitor;
    }

    /// As [`Contents::first_remembered`](super::Contents::first_remembered).
    fn first_remembered(&mut self) -> Result<Option<TimeWindow>> {
        Ok(None)
    }

    /// As [`Contents::forget`](super::Contents::forget).
    fn forget(&mut self, window: TimeWindow, at_most: usize) -> Result<bool> {
        let _ = (window, at_most);
        Ok(true)
    }
}

/// The last step of a firing that is given an `I`.
pub(crate) trait Finish<Z: Keying, I>: Finishes {
    /// Emits what it makes of what the window gives.
    fn finish<E: Emit<Self::Out>>(&mut self, firing: &Firing<'_, Z::Key>, given: I, out: &mut E) -> Result<()>;
}

/// Emits the result with its key.
pub(crate) struct Pair<Z, O>(PhantomData<fn() -> (Z, O)>);

impl<Z, O> Pair<Z, O> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Z: Keying, O: Data> Finishes for Pair<Z, O> {
    type Out = Z::Out<O>;
}

impl<Z: Keying, O: Data> Finish<Z, O> for Pair<Z, O> {
    #[inline]
    fn finish<E: Emit<Z::Out<O>>>(&mut self, firing: &Firing<'_, Z::Key>, given: O, out: &mut E) -> Result<()> {
        out.emit(firing.result(Z::out(firing.key, given)))
    }
}

/// Emits what a closure makes of key, window and contents.
pub(crate) struct Call<F, I> {
    function: F,
    makes: PhantomData<fn() -> I>,
}

impl<F, I> Call<F, I> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, makes: PhantomData }
    }
}

impl<F: Send + 'static, I: IntoIterator<Item: Data> + 'static> Finishes for Call<F, I> {
    type Out = I::Item;
}

impl<Z, G, F, I> Finish<Z, G> for Call<F, I>
where
    Z: Keying,
    F: FnMut(&Z::Key, TimeWindow, G) -> I + Send + 'static,
    I: IntoIterator<Item: Data> + 'static,
{
    fn finish<E: Emit<I::Item>>(&mut self, firing: &Firing<'_, Z::Key>, given: G, out: &mut E) -> Result<()> {
        let results = (self.function)(firing.key, firing.window, given);
        results.into_iter().try_for_each(|value| out.emit(firing.result(value)))
    }
}
