//! The head of a block with two keyed inputs: the records of both meet, in one mailbox, as one or the other.

use std::vec;

use millstream_actors::time::{TimeSignal, Timestamp};
use serde::{Deserialize, Serialize};

use super::chain::{BATCH_OF_LOOK_AHEAD, end_time};
use super::{Chain, Control, Emit, Event, HeadStatus, Step};
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

/// What is left of a batch.
type Values<K, T> = vec::IntoIter<Keyed<K, T>>;

/// The head of a block that takes batches of two types of records, with keys of one type.
pub struct EitherHead<K, L, R> {
    values: Either<Values<K, L>, Values<K, R>>,
    times: vec::IntoIter<Timestamp>,
    /// Records that the operators behind hear of before they get them.
    upcoming: Vec<Keyed<K, Either<L, R>>>,
}

impl<K, L, R> EitherHead<K, L, R> {
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

impl<K, L, R> Default for EitherHead<K, L, R> {
    fn default() -> Self {
        Self::new()
    }
}

fn with<K, T, U>(keyed: Keyed<K, T>, value_of: impl FnOnce(T) -> U) -> Keyed<K, U> {
    Keyed { hash: keyed.hash, key: keyed.key, value: value_of(keyed.value) }
}

impl<K: Key, L: Data, R: Data> Chain for EitherHead<K, L, R> {
    type Out = Keyed<K, Either<L, R>>;

    fn run<E: Emit<Self::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        let records = limit.min(self.left());
        let mut left = records;
        while left > 0 {
            let next = left.min(BATCH_OF_LOOK_AHEAD);
            match &mut self.values {
                Either::Left(values) => {
                    self.upcoming.extend(values.by_ref().take(next).map(|keyed| with(keyed, Either::Left)));
                }
                Either::Right(values) => {
                    self.upcoming.extend(values.by_ref().take(next).map(|keyed| with(keyed, Either::Right)));
                }
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

    fn on_event<E: Emit<Self::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        end_time(event, out)
    }

    fn on_control(&mut self, control: &mut Control<'_>) -> Result<()> {
        let Control::Load { rows, input } = control else { return Ok(()) };
        let rows = rows.take().expect("a batch is loaded once");
        let wrong = "both ends of a channel are made by one call, for one type";
        (self.values, self.times) = match *input {
            0 => {
                let batch = rows.downcast::<RecordBatch<Keyed<K, L>>>().expect(wrong);
                (Either::Left(batch.values.into_iter()), batch.times.into_iter())
            }
            _ => {
                let batch = rows.downcast::<RecordBatch<Keyed<K, R>>>().expect(wrong);
                (Either::Right(batch.values.into_iter()), batch.times.into_iter())
            }
        };
        Ok(())
    }
}
