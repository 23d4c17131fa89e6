//! Remembers where the rows lie that will be asked for next, so that they are searched for once.

use super::places::{NOWHERE, RowId};
use super::rows::LOOK_AHEAD;

/// What a look ahead has found, in the order in which the rows will be asked for. It is not to be relied on: rows may have
/// come and gone since, and what is asked for may be something else.
pub(super) struct Upcoming {
    ids: [RowId; LOOK_AHEAD],
    next: usize,
    count: usize,
}

impl Upcoming {
    pub(super) fn none() -> Self {
        Self { ids: [NOWHERE; LOOK_AHEAD], next: 0, count: 0 }
    }

    /// Takes what `look` has found; it fills the places and gives their number.
    #[inline(always)]
    pub(super) fn fill(&mut self, look: impl FnOnce(&mut [RowId; LOOK_AHEAD]) -> usize) {
        (self.next, self.count) = (0, look(&mut self.ids));
    }

    /// What was found for the row that is asked for now; [`NOWHERE`] if nothing was.
    #[inline(always)]
    pub(super) fn next(&mut self) -> RowId {
        if self.next >= self.count {
            return NOWHERE;
        }
        let id = self.ids[self.next % LOOK_AHEAD];
        self.next += 1;
        id
    }

    /// Forgets the rest: something else is asked for.
    #[cold]
    pub(super) fn forget(&mut self) {
        self.count = 0;
    }
}
