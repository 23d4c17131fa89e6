//! Decides where a record goes that is in no window.

use millstream_actors::time::Timestamp;

use super::Rule;
use crate::model::{Data, Record};
use crate::operator::{Counter, SideEmitter, SubtaskContext};

/// Takes the records that windows turn away, and counts them.
pub(crate) struct Late<T> {
    side: Option<SideEmitter<T>>,
    late: Counter,
    filtered: Counter,
}

impl<T: Data> Late<T> {
    pub(crate) fn new(side: Option<SideEmitter<T>>, context: &SubtaskContext) -> Self {
        Self { side, late: context.counters.late.clone(), filtered: context.counters.filtered.clone() }
    }

    /// Takes a record whose windows are all over, or which has none.
    #[cold]
    pub(crate) fn turn_away(&mut self, record: Record<T>, rule: Rule, watermark: Timestamp) {
        if !rule.is_too_late(record.time, watermark) {
            // It lies between the windows, where the assigner leaves a gap.
            return self.filtered.add(1);
        }
        self.late.add(1);
        if let Some(side) = &self.side {
            side.emit(record);
        }
    }
}
