//! Decides what is said of a row of a table that changes.

use serde::{Deserialize, Serialize};

/// What a stream of changes says of the row that its key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Change<V> {
    /// From now on the row is this, whether there was one or not.
    Upsert(V),
    /// From now on there is no row.
    Delete,
}

impl<V> Change<V> {
    /// The row behind the change, if there is one.
    #[must_use]
    pub fn row(&self) -> Option<&V> {
        match self {
            Self::Upsert(row) => Some(row),
            Self::Delete => None,
        }
    }
}
