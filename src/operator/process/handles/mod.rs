//! The kinds of state that functions keep per key. One kind per file: its handle, and what the present key has of it.

mod aggregating;
mod list;
mod map;
mod reducing;
mod value;

pub(super) use aggregating::AggregatingCell;
pub use aggregating::{Aggregating, AggregatingState};
pub(super) use list::ListCell;
pub use list::{List, ListState};
pub(super) use map::MapCell;
pub use map::{Map, MapState};
pub(super) use reducing::ReducingCell;
pub use reducing::{Reducing, ReducingState};
pub(super) use value::ValueCell;
pub use value::{Value, ValueState};

use super::cells::{Cells, OfKey};
use crate::error::Result;
use crate::model::{Key, KeyHash};

/// A handle of a state of which each key has its own part: of a value, a list, a map, and so on.
///
/// Implemented by this library only.
pub trait KeyedState<K: Key>: Copy + 'static {
    /// What a key has of it.
    type Of<'a>;

    /// What the present key has of it.
    #[doc(hidden)]
    fn of<'a>(self, key: OfKey<'a, K>) -> Self::Of<'a>;

    /// All keys that have something of it.
    #[doc(hidden)]
    fn keys(self, cells: &mut Cells) -> Result<Vec<(KeyHash, K)>>;
}

/// The items of a table, with or without a time-to-live.
enum Items<P, T> {
    Lasting(P),
    Timed(T),
}

impl<X, P: Iterator<Item = X>, T: Iterator<Item = X>> Iterator for Items<P, T> {
    type Item = X;

    #[inline]
    fn next(&mut self) -> Option<X> {
        match self {
            Self::Lasting(items) => items.next(),
            Self::Timed(items) => items.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Lasting(items) => items.size_hint(),
            Self::Timed(items) => items.size_hint(),
        }
    }
}
