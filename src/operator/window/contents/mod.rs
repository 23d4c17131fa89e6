//! What is kept of the records of one key in one window, and what is made of it when the window fires.

mod accumulated;
mod finish;
mod listed;
mod pairs;
mod processed;
mod sides;

pub(crate) use accumulated::Accumulated;
pub(crate) use finish::{Call, Finish, Finishes, Pair};
pub(crate) use listed::{AggregatedLater, Listed};
pub use listed::{Evicting, Evicts, KeepAll};
pub(crate) use pairs::Pairs;
pub(crate) use processed::Processed;
pub(crate) use sides::Sides;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::evictor::Eviction;
use super::present::Present;
use super::{Keying, TimeWindow};
use crate::error::Result;
use crate::model::{Data, KeyHash, Record};
use crate::operator::{Emit, PartVisitor, SubtaskContext};

/// Keeps records, and makes results of them. One value serves all keys and windows.
pub(crate) trait Contents<Z: Keying, T>: Sized + Send + 'static {
    /// What is kept of one key in one window.
    type Held: Serialize + DeserializeOwned + Send + 'static;
    /// What comes out.
    type Out: Data;

    /// Whether a firing changes what is kept: then each key must be found by itself when its window fires.
    const CHANGED_BY_FIRING: bool = false;

    /// Whether one firing may give so many results that some are left for later; see [`Self::hand_out`].
    const LEAVES_RESULTS: bool = false;

    /// Opens the tables it has of its own, under names that begin with `uid`.
    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()>;

    /// What is kept of no record.
    fn create(&mut self) -> Self::Held;

    /// Adds a record.
    fn add(&mut self, held: &mut Self::Held, record: &Record<T>) -> Result<()>;

    /// Adds a record that nobody needs any more.
    #[inline]
    fn add_last(&mut self, held: &mut Self::Held, record: Record<T>) -> Result<()> {
        self.add(held, &record)
    }

    /// Adds the records of `from` behind those of `into`.
    fn merge(&mut self, into: &mut Self::Held, from: &Self::Held) -> Result<()>;

    /// Emits what the window makes of what is kept of a key.
    fn fire<E: Emit<Self::Out>>(&mut self, firing: &Firing<'_, Z::Key>, held: &Self::Held, out: &mut E) -> Result<()>;

    /// Whether firings have left results for later. Then no other window should fire before they are handed out.
    fn owes(&self) -> bool {
        false
    }

    /// Emits results that firings have left for later, about as many as `budget` allows, which is lowered. Whether that was
    /// all of them.
    fn hand_out<E: Emit<Self::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        let _ = (budget, out);
        Ok(true)
    }

    /// Takes out what must not be seen by the window's function.
    fn evict_before(&mut self, held: &mut Self::Held, eviction: &Eviction) {
        let _ = (held, eviction);
    }

    /// Takes out what must not be seen by later firings.
    fn evict_after(&mut self, held: &mut Self::Held, eviction: &Eviction) {
        let _ = (held, eviction);
    }

    /// Lists the parts it has of its own.
    fn parts(&mut self, visitor: &mut dyn PartVisitor);

    /// The first window that it remembers something of in tables of its own.
    fn first_remembered(&mut self) -> Result<Option<TimeWindow>> {
        Ok(None)
    }

    /// Forgets a window that is over, about `at_most` keys of it. Whether it is done.
    fn forget(&mut self, window: TimeWindow, at_most: usize) -> Result<bool> {
        let _ = (window, at_most);
        Ok(true)
    }
}

/// A key and a window that fires, and the present.
pub(crate) struct Firing<'a, K> {
    pub(crate) hash: KeyHash,
    pub(crate) key: &'a K,
    pub(crate) window: TimeWindow,
    pub(crate) time: &'a Present,
}

impl<K> Firing<'_, K> {
    /// A result of the window, with the timestamp that results carry.
    #[inline]
    fn result<O>(&self, value: O) -> Record<O> {
        Record::at(value, self.window.max_timestamp())
    }
}
