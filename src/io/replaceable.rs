//! A source that a test may have put a script in the place of.

use std::sync::Arc;
use std::time::Duration;

use millstream_actors::ids::CheckpointId;
use serde::{Deserialize, Serialize};

use super::script::{LanePosition, Lanes, ScriptReader};
use super::surroundings::Surroundings;
use super::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber, SplitProgress};
use crate::error::{Error, Result};
use crate::model;
use crate::operator::{Emit, SubtaskContext};

/// What a source has, or what the script in its place has.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Either<A, B> {
    Own(A),
    Scripted(B),
}

/// The reader of a source, or of the script in its place.
pub(crate) struct EitherReader<S: Source>(Either<S::Reader, ScriptReader<S::Out>>);

/// The enumerator of a source, or of the script in its place.
pub(crate) type EitherEnumerator<S> = Either<<S as Source>::Enumerator, Lanes>;

/// Looks at the input of `source`, or at the script in its place.
pub(crate) fn discover<S: Source>(
    source: &S,
    uid: &str,
    surroundings: &Surroundings,
    parallelism: u32,
) -> Result<EitherEnumerator<S>> {
    match surroundings.script::<S::Out>(uid)? {
        Some(script) => Ok(Either::Scripted(Lanes::of(script.lanes(), parallelism))),
        None => source.discover(parallelism).map(Either::Own),
    }
}

impl<S: Source> EitherReader<S> {
    /// The reader of one subtask.
    pub(crate) fn open(source: &Arc<S>, uid: &str, context: &mut SubtaskContext) -> Result<Self> {
        Ok(Self(match context.surroundings.script::<S::Out>(uid)? {
            Some(script) => Either::Scripted(ScriptReader::new(script, context)),
            None => {
                context.uid = uid.into();
                Either::Own(source.reader(context)?)
            }
        }))
    }
}

impl<A: SplitEnumerator> SplitEnumerator for Either<A, Lanes> {
    type Split = Either<A::Split, LanePosition>;

    fn next_split(&mut self, reader: u32) -> Result<Option<Self::Split>> {
        match self {
            Self::Own(own) => Ok(own.next_split(reader)?.map(Either::Own)),
            Self::Scripted(lanes) => Ok(lanes.next_split(reader)?.map(Either::Scripted)),
        }
    }

    fn ask_again(&self, reader: u32) -> Option<Duration> {
        match self {
            Self::Own(own) => own.ask_again(reader),
            Self::Scripted(lanes) => lanes.ask_again(reader),
        }
    }

    fn total(&self) -> Option<u64> {
        match self {
            Self::Own(own) => own.total(),
            Self::Scripted(_) => None,
        }
    }
}

impl<S: Source> SourceReader for EitherReader<S> {
    type Out = S::Out;
    type Split = Either<S::Split, LanePosition>;

    const PAUSES_SPLITS: bool = S::Reader::PAUSES_SPLITS;

    fn add_split(&mut self, number: SplitNumber, split: Self::Split) -> Result<()> {
        match (&mut self.0, split) {
            (Either::Own(reader), Either::Own(split)) => reader.add_split(number, split),
            (Either::Scripted(reader), Either::Scripted(split)) => reader.add_split(number, split),
            _ => Err(Error::other("the checkpoint was taken with another input than this")),
        }
    }

    #[inline]
    fn read<E: Emit<S::Out>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        match &mut self.0 {
            Either::Own(reader) => reader.read(limit, out),
            Either::Scripted(reader) => reader.read(limit, out),
        }
    }

    fn split_name(&self, split: &Self::Split) -> Option<String> {
        match (&self.0, split) {
            (Either::Own(reader), Either::Own(split)) => reader.split_name(split),
            (Either::Scripted(reader), Either::Scripted(split)) => reader.split_name(split),
            _ => None,
        }
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<Self::Split>> {
        Ok(match &mut self.0 {
            Either::Own(reader) => reader.snapshot(checkpoint)?.into_iter().map(Either::Own).collect(),
            Either::Scripted(reader) => reader.snapshot(checkpoint)?.into_iter().map(Either::Scripted).collect(),
        })
    }

    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<Self::Split>> {
        Ok(match &mut self.0 {
            Either::Own(reader) => reader.remove_split(split)?.map(Either::Own),
            Either::Scripted(reader) => reader.remove_split(split)?.map(Either::Scripted),
        })
    }

    fn pause_split(&mut self, split: SplitNumber, is_paused: bool) -> Result<()> {
        match &mut self.0 {
            Either::Own(reader) => reader.pause_split(split, is_paused),
            Either::Scripted(reader) => reader.pause_split(split, is_paused),
        }
    }

    fn checkpoint_complete(&mut self, checkpoint: CheckpointId, positions: &[Self::Split]) -> Result<()> {
        let Either::Own(reader) = &mut self.0 else { return Ok(()) };
        // Splits need not be clonable, but those of a snapshot can be encoded: they were.
        let own = positions.iter().filter_map(|position| match position {
            Either::Own(split) => Some(model::encode(split).and_then(|bytes| model::decode(&bytes))),
            Either::Scripted(_) => None,
        });
        let own = own.collect::<Result<Vec<S::Split>, _>>().map_err(|source| Error::codec("a position", source))?;
        reader.checkpoint_complete(checkpoint, &own)
    }

    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        match &self.0 {
            Either::Own(reader) => reader.progress(split),
            Either::Scripted(reader) => reader.progress(split),
        }
    }
}
