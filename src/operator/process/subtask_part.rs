//! Keeps the states of a function over a whole stream, and carries them through snapshots.

use millstream_actors::time::{TimeSignal, Timestamp};

use super::names::Names;
use super::operator_states::OperatorStates;
use super::stream_context::StreamContext;
use super::subtask_cells::SubtaskCells;
use crate::error::Result;
use crate::operator::small_state::WATERMARK;
use crate::operator::watch::Watch;
use crate::operator::{PartVisitor, SubtaskContext};

/// What a function over a whole stream has beside itself.
pub(super) struct SubtaskPart {
    uid: String,
    cells: SubtaskCells,
    watermark: Timestamp,
    pub(super) watch: Watch,
}

impl SubtaskPart {
    /// Opens it together with the function, which `open` makes.
    pub(super) fn open<P>(
        uid: &str,
        context: &mut SubtaskContext,
        open: impl FnOnce(&mut OperatorStates<'_>) -> Result<P>,
    ) -> Result<(Self, P)> {
        let (mut names, mut cells) = (Names::of(uid), SubtaskCells::open(uid, context));
        let function = open(&mut OperatorStates::new(&mut names, context, &mut cells))?;
        cells.check(&names)?;
        let watermark = context.restored_watermark(uid)?;
        Ok((Self { uid: uid.to_owned(), cells, watermark, watch: Watch::new(&context.clock) }, function))
    }

    /// The context of what is heard at `time`.
    #[inline]
    pub(super) fn at(&mut self, time: Timestamp) -> StreamContext<'_> {
        StreamContext { cells: &mut self.cells, time, watermark: self.watermark, watch: &self.watch }
    }

    /// Hears what is said about event time: the watermark, if it rises.
    pub(super) fn on_signal(&mut self, signal: TimeSignal) -> Option<Timestamp> {
        self.watch.look_ahead(0);
        let TimeSignal::Watermark(watermark) = signal else { return None };
        let rises = watermark > self.watermark;
        self.watermark = self.watermark.max(watermark);
        rises.then_some(watermark)
    }

    pub(super) fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.small_state(&self.uid, WATERMARK, &mut |watermark| watermark.put(&self.watermark));
        self.cells.parts(visitor);
    }
}
