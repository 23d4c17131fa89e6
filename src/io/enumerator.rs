//! What hands out the splits of a source.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// Hands out the splits of one source. Its serialized form is its part of a checkpoint.
pub trait SplitEnumerator: Serialize + DeserializeOwned + Send + 'static {
    /// What it hands out.
    type Split;

    /// The next split for subtask `reader`, or `None` when nothing is left for it.
    ///
    /// # Errors
    /// If the next split cannot be determined.
    fn next_split(&mut self, reader: u32) -> Result<Option<Self::Split>>;

    /// For a reader that was given nothing: after which time it asks again. Until then it holds event time back for
    /// nobody. `None`, the default, says that the input has ended for it.
    fn ask_again(&self, reader: u32) -> Option<Duration> {
        let _ = reader;
        None
    }

    /// The size of the whole input, in the units in which readers count
    /// [`PROGRESS`](crate::metrics::PROGRESS); `None` if it is unknown or endless.
    fn total(&self) -> Option<u64> {
        None
    }
}
