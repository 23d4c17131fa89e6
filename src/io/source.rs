//! What a source is: splits of the input, an enumerator that hands them out, readers that read them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{SourceReader, SplitEnumerator};
use crate::error::{Error, Result};
use crate::model::Data;
use crate::operator::{SideId, SubtaskContext};

/// A kind of input.
///
/// The input is cut into splits: files, partitions, ranges of keys. One enumerator per source hands them to readers;
/// each subtask of the source has one reader.
///
/// # Recovery
/// A checkpoint holds the enumerator (with the splits not yet handed out) and, per reader, its unfinished splits with
/// the position reached in each. After a failure readers get these splits back and read on from there.
pub trait Source: Send + Sync + 'static {
    /// What it reads.
    type Out: Data;
    /// A part of the input together with the position reached in it. It lies in checkpoints; see [`Self::SPLIT_SCHEMA`].
    type Split: Serialize + DeserializeOwned + Send + 'static;
    /// Hands out the splits.
    type Enumerator: SplitEnumerator<Split = Self::Split>;
    /// Reads splits, inside one subtask.
    type Reader: SourceReader<Out = Self::Out, Split = Self::Split>;

    /// The form in which [`Self::Split`] and [`Self::Enumerator`] lie in checkpoints.
    ///
    /// A checkpoint of another schema is refused, with both in the message, and not read as if it were of this one. A
    /// source whose splits or enumerator change so that older ones cannot be decoded raises the version.
    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("splits", 1);

    /// Looks at the input and cuts it into splits, when a run starts from nothing. May block.
    ///
    /// # Errors
    /// If the input cannot be found or looked at.
    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator>;

    /// Makes the reader of one subtask. May block.
    ///
    /// # Errors
    /// If the reader cannot be set up.
    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader>;

    /// The side outputs that its readers fill.
    fn side_outputs(&self) -> Vec<SideId> {
        Vec::new()
    }
}

/// The name and the version of the form in which the splits of a source lie in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SplitSchema {
    /// Its name: sources of different kinds have different ones.
    pub name: &'static str,
    /// Its version, counted from 1.
    pub version: u32,
}

impl SplitSchema {
    /// The schema of this name and version.
    #[must_use]
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self { name, version }
    }

    /// Looks whether the source `uid`, which has this schema, can read splits of another.
    ///
    /// # Errors
    /// If it is not the same.
    pub(crate) fn check(self, uid: &str, name: &str, version: u32) -> Result<()> {
        if (self.name, self.version) == (name, version) {
            return Ok(());
        }
        let Self { name: own_name, version: own_version } = self;
        Err(Error::declaration(
            uid,
            format!(
                "the checkpoint has its splits as '{name}' version {version}, this program has '{own_name}' version \
                 {own_version}: start the program that took the checkpoint, or give the source another uid"
            ),
        ))
    }
}

/// A split within its subtask: splits are numbered from 0, in the order in which the reader was given them in its
/// attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SplitNumber(pub u64);

impl SplitNumber {
    /// The number of the split that is taken next.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a source reports of its splits, between its records. Watermarks are kept per split, and follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitSignal {
    /// The reader has the split: it holds event time back, since it will be read, sooner or later.
    Taken(SplitNumber),
    /// The split is being read, and the records that follow are its records. A reader that reads several splits at
    /// once reports each of them, and once more whenever records follow that are of another split than those before.
    Reading(SplitNumber),
    /// Nothing more comes from the split.
    Finished(SplitNumber),
    /// The reader has finished its splits and has no other one for now: it holds event time back for nobody.
    Unassigned,
}
