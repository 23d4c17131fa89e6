//! Lets a function see the records of two streams in a window, each stream's for itself.

use std::marker::PhantomData;

use super::{Finish, Finishes, Firing};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::window::{Keying, TimeWindow};
use crate::operator::{Either, Emit};

/// Emits what a closure makes of key, window, the records of the one stream and those of the other, in the order in which
/// they came. Either may have none.
pub(crate) struct Sides<F, I> {
    function: F,
    makes: PhantomData<fn() -> I>,
}

impl<F, I> Sides<F, I> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, makes: PhantomData }
    }
}

impl<F: Send + 'static, I: IntoIterator<Item: Data> + 'static> Finishes for Sides<F, I> {
    type Out = I::Item;
}

impl<'a, Z, L, R, F, I> Finish<Z, &'a [Record<Either<L, R>>]> for Sides<F, I>
where
    Z: Keying,
    L: Data,
    R: Data,
    F: FnMut(&Z::Key, TimeWindow, &[&L], &[&R]) -> I + Send + 'static,
    I: IntoIterator<Item: Data> + 'static,
{
    fn finish<E: Emit<I::Item>>(
        &mut self,
        firing: &Firing<'_, Z::Key>,
        records: &'a [Record<Either<L, R>>],
        out: &mut E,
    ) -> Result<()> {
        let (left, right) = parted(records);
        let results = (self.function)(firing.key, firing.window, &left, &right);
        results.into_iter().try_for_each(|value| out.emit(firing.result(value)))
    }
}

/// The records of each side, in the order in which they came.
pub(super) fn parted<L, R>(records: &[Record<Either<L, R>>]) -> (Vec<&L>, Vec<&R>) {
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    for record in records {
        match &record.value {
            Either::Left(left) => lefts.push(left),
            Either::Right(right) => rights.push(right),
        }
    }
    (lefts, rights)
}
