//! Decides what a record is: a value and the event time it carries, if any.

use millstream_actors::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What may travel through a stream. Implemented for every type that qualifies.
pub trait Data: Send + 'static {}

impl<T: Send + 'static> Data for T {}

/// A value on its way through the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<T> {
    /// What the user's functions see.
    pub value: T,
    /// Its event time, or [`Timestamp::NONE`].
    pub time: Timestamp,
}

impl<T> Record<T> {
    /// A record without event time.
    #[inline]
    pub fn new(value: T) -> Self {
        Self { value, time: Timestamp::NONE }
    }

    /// A record at `time`.
    #[inline]
    pub fn at(value: T, time: Timestamp) -> Self {
        Self { value, time }
    }

    /// The same event time with another value.
    #[inline]
    pub fn with<U>(self, value: U) -> Record<U> {
        Record { value, time: self.time }
    }
}
