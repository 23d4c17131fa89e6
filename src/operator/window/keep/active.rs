//! Keeps, for each key that is in the next window to fire, which panes it has: so a window finds its keys, and their panes.

use millstream_actors::time::Timestamp;

use crate::error::{Error, Result};
use crate::model::{Key, KeyHash};
use crate::operator::SubtaskContext;
use crate::operator::window::{Panes, TimeWindow};
use crate::state::{KeyedTable, StateError, VisitTables, WindowTable};

/// Keys that are taken at once: as many as rows can be fetched ahead.
const KEYS: usize = 64;

/// The panes of keys, by the window that fires next with them.
///
/// A key stands under the first window that has one of its panes and has not fired. When that fires, the key moves on to
/// the next window, as long as that has one of its panes.
///
/// # State
/// Eight bytes per key: a bit per pane. In windows of more than 63 panes, a bit stands for several neighbours, of which
/// the key has at least one.
pub(super) struct ActivePanes<K: Key> {
    rows: WindowTable<TimeWindow, K, u64>,
    /// How many neighbouring panes a bit stands for.
    panes_per_bit: i128,
    /// Keys that were taken, to be used again.
    taken: Vec<ActiveKey<K>>,
    /// The run that was asked for last.
    run: Option<Run>,
}

/// Where it is noted down that a key has a pane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    window: TimeWindow,
    bit: u32,
}

/// A key of a window that fires.
pub(super) struct ActiveKey<K> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    bits: u64,
}

impl<K> ActiveKey<K> {
    /// Whether the key may have the panes that `bit` stands for.
    #[inline]
    pub(super) fn has(&self, bit: u32) -> bool {
        self.bits >> bit & 1 == 1
    }
}

/// A window as a run of panes, each with its bit.
pub(super) struct Run {
    pub(super) window: TimeWindow,
    panes: Vec<(TimeWindow, u32)>,
    /// The window behind it, if there is one before the end of time, and by how much bits move on their way there.
    next: Option<(TimeWindow, u32)>,
}

impl Run {
    pub(super) fn panes(&self) -> impl Iterator<Item = (TimeWindow, u32)> + '_ {
        self.panes.iter().copied()
    }
}

impl<K: Key> ActivePanes<K> {
    pub(super) fn open(uid: &str, panes: &Panes, context: &mut SubtaskContext) -> Result<Self> {
        let rows = WindowTable::open(context.store(uid)?, &format!("{uid}/active"))?;
        // One bit more than full ones: a window may begin and end within what a bit stands for.
        let panes_per_bit = panes.most_per_window().div_euclid(i128::from(u64::BITS - 1)) + 1;
        Ok(Self { rows, panes_per_bit, taken: Vec::new(), run: None })
    }

    /// Where keys are noted down that have `pane`; `None` if all windows of it have fired, as those until `fired` have.
    pub(super) fn place_of(&self, pane: TimeWindow, fired: Timestamp, panes: &mut Panes) -> Option<Place> {
        let window = panes.first_window_behind(pane, fired)?;
        let bit = (self.group_of(pane, panes) - self.first_group_of(window, panes)) as u32;
        Some(Place { window, bit })
    }

    /// Notes down that a key has the pane of `place`.
    pub(super) fn add(&mut self, place: Place, hash: KeyHash, key: &K) -> Result<()> {
        *self.rows.get_or_insert_with(place.window, hash, key, || 0)? |= 1 << place.bit;
        Ok(())
    }

    /// The first window with keys.
    pub(super) fn first(&mut self) -> Result<Option<TimeWindow>> {
        Ok(self.rows.first()?)
    }

    /// Takes keys of a window, at most `at_most` and not too many.
    pub(super) fn take(&mut self, run: &Run, at_most: usize) -> Result<Vec<ActiveKey<K>>> {
        let mut keys = std::mem::take(&mut self.taken);
        self.rows.take(run.window, at_most.min(KEYS), |hash, key, bits| {
            keys.push(ActiveKey { hash, key: key.clone(), bits });
            Ok::<_, Error>(())
        })?;
        Ok(keys)
    }

    /// Moves a key on to the window behind the one that has fired.
    pub(super) fn move_on(&mut self, run: &Run, key: &ActiveKey<K>) -> Result<()> {
        let Some((window, shift)) = run.next else { return Ok(()) };
        let bits = key.bits.checked_shr(shift).unwrap_or(0);
        if bits != 0 {
            *self.rows.get_or_insert_with(window, key.hash, &key.key, || 0)? |= bits;
        }
        Ok(())
    }

    /// Takes the memory of taken keys back.
    pub(super) fn give_back(&mut self, mut keys: Vec<ActiveKey<K>>) {
        keys.clear();
        self.taken = keys;
    }

    /// The panes of a window.
    pub(super) fn run_of(&mut self, window: TimeWindow, panes: &mut Panes) -> Run {
        if let Some(run) = self.run.take_if(|run| run.window == window) {
            return run;
        }
        let first = self.first_group_of(window, panes);
        let next = panes.next_window(window).map(|next| {
            let shift = u32::try_from(self.first_group_of(next, panes) - first).unwrap_or(u32::MAX);
            (next, shift)
        });
        // Neighbours have neighbouring numbers, so one is enough to know the bits of all.
        let first_pane = panes.pane_at(window.start());
        let first_number = panes.number_of(first_pane);
        let within_bit = first_number.rem_euclid(self.panes_per_bit) as u64;
        let panes_per_bit = u64::try_from(self.panes_per_bit).unwrap_or(u64::MAX);
        let run = panes.panes_of(window).zip(within_bit..);
        let panes = run.map(|(pane, number)| (pane, (number / panes_per_bit) as u32)).collect();
        Run { window, panes, next }
    }

    /// Keeps a run, for it will be asked for again if its window has more keys.
    pub(super) fn keep(&mut self, run: Run) {
        self.run = Some(run);
    }

    fn group_of(&self, pane: TimeWindow, panes: &mut Panes) -> i128 {
        panes.number_of(pane).div_euclid(self.panes_per_bit)
    }

    fn first_group_of(&self, window: TimeWindow, panes: &mut Panes) -> i128 {
        let first = panes.pane_at(window.start());
        self.group_of(first, panes)
    }
}

impl<K: Key> VisitTables for ActivePanes<K> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.rows.visit(each)
    }
}
