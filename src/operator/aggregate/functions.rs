//! Makes an aggregate of plain functions.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Aggregate;
use crate::error::Result;
use crate::model::{Data, Record};

/// An aggregate made of four functions. The laws of [`Aggregate`] are theirs to keep.
///
/// # Example
/// ```
/// use millstream::operator::aggregate::Functions;
///
/// let sum_of_squares = Functions::of(
///     || 0i64,
///     |sum, value: &i64| *sum += value * value,
///     |into, from| *into += from,
///     |sum| *sum,
/// );
/// # let _ = sum_of_squares;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Functions<C, A, M, R> {
    create: C,
    add: A,
    merge: M,
    result: R,
}

impl<C, A, M, R> Functions<C, A, M, R> {
    /// Begins with what `create` gives, to which `add` adds a record, and `merge` what another accumulator has;
    /// `result` makes the result of it.
    pub fn of<T, S, O>(create: C, add: A, merge: M, result: R) -> Self
    where
        C: FnMut() -> S,
        A: FnMut(&mut S, &T),
        M: FnMut(&mut S, &S),
        R: FnMut(&S) -> O,
    {
        Self { create, add, merge, result }
    }
}

impl<T, S, O, C, A, M, R> Aggregate<T> for Functions<C, A, M, R>
where
    S: Data + Clone + Serialize + DeserializeOwned,
    O: Data,
    C: FnMut() -> S + Clone + Send + 'static,
    A: FnMut(&mut S, &T) + Clone + Send + 'static,
    M: FnMut(&mut S, &S) + Clone + Send + 'static,
    R: FnMut(&S) -> O + Clone + Send + 'static,
{
    type Accumulator = S;
    type Out = O;

    #[inline]
    fn create(&mut self) -> S {
        (self.create)()
    }

    #[inline]
    fn add(&mut self, accumulator: &mut S, record: &Record<T>) -> Result<()> {
        (self.add)(accumulator, &record.value);
        Ok(())
    }

    #[inline]
    fn merge(&mut self, into: &mut S, from: &S) -> Result<()> {
        (self.merge)(into, from);
        Ok(())
    }

    #[inline]
    fn result(&mut self, accumulator: &S) -> Result<O> {
        Ok((self.result)(accumulator))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::aggregate::laws;

    proptest! {
        #[test]
        fn functions_make_an_aggregate(records in laws::records()) {
            let spread = Functions::of(
                || None,
                |bounds: &mut Option<(i64, i64)>, value: &i64| {
                    let (low, high) = bounds.unwrap_or((*value, *value));
                    *bounds = Some((low.min(*value), high.max(*value)));
                },
                |into, from| {
                    let (low, high) = into.unwrap_or((i64::MAX, i64::MIN));
                    let (other_low, other_high) = from.unwrap_or((i64::MAX, i64::MIN));
                    *into = Some((low.min(other_low), high.max(other_high)));
                },
                |bounds| bounds.map(|(low, high)| high - low),
            );
            laws::hold(spread, &records);
        }
    }
}
