//! The head of a block with two inputs: the records of both meet, in one mailbox, as one or the other.

use std::marker::PhantomData;
use std::vec;

use millstream_actors::packet::Rows;
use millstream_actors::time::{TimeSignal, Timestamp};
use serde::{Deserialize, Serialize};

use super::chain::{BATCH_OF_LOOK_AHEAD, FOREIGN_BATCH};
use super::{Chain, Emit, Event, HeadStatus, PartVisitor, Step};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record, RecordBatch};

/// A record of the one input or of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Either<L, R> {
    /// From the first input.
    Left(L),
    /// From the second input.
    Right(R),
}

/// What the records of two inputs are, and what they become where they meet.
///
/// Implemented by this library only.
pub trait Meeting: Send + 'static {
    /// A record of the first input.
    type Left: Data;
    /// A record of the second input.
    type Right: Data;
    /// A record of either.
    type Out: Data;

    /// Says that a record is of the first input.
    fn of_left(left: Self::Left) -> Self::Out;

    /// Says that a record is of the second input.
    fn of_right(right: Self::Right) -> Self::Out;
}

/// Both inputs have keys, of one type.
pub struct BothKeyed<K, L, R>(PhantomData<(K, L, R)>);

/// The inputs have nothing to do with each other.
pub struct Apart<L, R>(PhantomData<(L, R)>);

impl<K: Key, L: Data, R: Data> Meeting for BothKeyed<K, L, R> {
    type Left = Keyed<K, L>;
    type Right = Keyed<K, R>;
    type Out = Keyed<K, Either<L, R>>;

    #[inline]
    fn of_left(Keyed { hash, key, value }: Keyed<K, L>) -> Self::Out {
        Keyed { hash, key, value: Either::Left(value) }
    }

    #[inline]
    fn of_right(Keyed { hash, key, value }: Keyed<K, R>) -> Self::Out {
        Keyed { hash, key, value: Either::Right(value) }
    }
}

impl<L: Data, R: Data> Meeting for Apart<L, R> {
    type Left = L;
    type Right = R;
    type Out = Either<L, R>;

    #[inline]
    fn of_left(left: L) -> Either<L, R> {
        Either::Left(left)
    }

    #[inline]
    fn of_right(right: R) -> Either<L, R> {
        Either::Right(right)
    }
}

/// The head of a block that takes batches of two types of records.
pub struct EitherHead<M: Meeting> {
    values: Either<vec::IntoIter<M::Left>, vec::IntoIter<M::Right>>,
    times: vec::IntoIter<Timestamp>,
    /// Records that the operators behind hear of before they get them.
    upcoming: Vec<M::Out>,
}

impl<M: Meeting> EitherHead<M> {
    /// A head with no batch in hand.
    #[must_use]
    pub fn new() -> Self {
        Self { values: Either::Left(Vec::new().into_iter()), times: Vec::new().into_iter(), upcoming: Vec::new() }
    }

    fn left(&self) -> usize {
        match &self.values {
            Either::Left(values) => values.len(),
            Either::Right(values) => values.len(),
        }
    }
}

impl<M: Meeting> Default for EitherHead<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Meeting> Chain for EitherHead<M> {
    type Out = M::Out;

    fn run<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        let records = limit.min(self.left());
        let mut left = records;
        while left > 0 {
            let next = left.min(BATCH_OF_LOOK_AHEAD);
            match &mut self.values {
                Either::Left(values) => self.upcoming.extend(values.by_ref().take(next).map(M::of_left)),
                Either::Right(values) => self.upcoming.extend(values.by_ref().take(next).map(M::of_right)),
            }
            out.look_ahead(&self.upcoming);
            for value in self.upcoming.drain(..) {
                out.emit(Record { value, time: self.times.next().unwrap_or(Timestamp::NONE) })?;
            }
            left -= next;
        }
        let head = if self.left() == 0 { HeadStatus::BatchDone } else { HeadStatus::BatchGoesOn };
        Ok(Step { records, head })
    }

    fn on_signal<E: Emit<Self::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        out.signal(signal)
    }

    fn on_event<E: Emit<Self::Out>>(&mut self, _event: Event, _out: &mut E) -> Result<()> {
        Ok(())
    }

    fn parts(&mut self, _visitor: &mut dyn PartVisitor) {}

    fn load(&mut self, rows: Rows, input: usize) {
        (self.values, self.times) = match input {
            0 => {
                let batch = rows.downcast::<RecordBatch<M::Left>>().expect(FOREIGN_BATCH);
                (Either::Left(batch.values.into_iter()), batch.times.into_iter())
            }
            _ => {
                let batch = rows.downcast::<RecordBatch<M::Right>>().expect(FOREIGN_BATCH);
                (Either::Right(batch.values.into_iter()), batch.times.into_iter())
            }
        };
    }
}
