//! Keeps, for each key, which panes it has: so a window that fires finds its keys, and their panes.

use millstream_actors::time::{Timespan, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Key, KeyHash};
use crate::operator::SubtaskContext;
use crate::operator::window::{Panes, TimeDomain, TimeWindow};
use crate::state::{KeyedTable, StateError, VisitTables, WindowTable};

/// Keys that are looked at together: as many as rows can be fetched ahead.
const KEYS: usize = 64;

/// The panes of keys, by stretches of time.
///
/// A stretch is as long as a window, or longer: so a window lies in one of them, or in two that follow each other. A row
/// says which panes a key has of a stretch. It changes when the key gets another pane, and goes with the last pane of the
/// stretch; so a window that fires goes through the rows of its stretches and changes nothing.
///
/// # State
/// Sixteen bytes per key and stretch, of which the first are a bit per pane. In windows of more than 63 panes, a bit stands
/// for several neighbours, of which the key has at least one.
pub(super) struct ActivePanes<K: Key> {
    rows: WindowTable<i64, K, PanesOfKey>,
    /// How many neighbouring panes a bit stands for.
    panes_per_bit: i128,
    bits_per_stretch: i128,
    /// Whether rows say which windows have fired. A watermark is remembered, but no clock is.
    notes_firings: bool,
    /// Keys that were found, to be used again.
    found: Vec<ActiveKey<K>>,
    /// The run that was kept.
    run: Option<Run>,
}

/// Which panes of a stretch a key has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PanesOfKey {
    bits: u64,
    /// Windows until this time do not fire with the key any more.
    fired: Timestamp,
}

/// Where it is noted down that a key has a pane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    stretch: i64,
    bit: u32,
    /// The last moment before the first window fires that is to fire with it.
    before: Timestamp,
}

/// A key of a window that fires.
pub(super) struct ActiveKey<K> {
    pub(super) hash: KeyHash,
    pub(super) key: K,
    bits: PaneBits,
}

impl<K> ActiveKey<K> {
    /// Whether the key may have panes that `bits` stand for.
    #[inline]
    pub(super) fn has(&self, bits: PaneBits) -> bool {
        self.bits & bits != 0
    }
}

/// Bits for panes of two stretches that follow each other, those of the first one first.
pub(super) type PaneBits = u128;

/// A window as a run of panes, each with its bit; and how far it has fired.
pub(super) struct Run {
    pub(super) window: TimeWindow,
    panes: Vec<(TimeWindow, PaneBits)>,
    bits: PaneBits,
    /// The first of the two stretches that the window may lie in.
    stretch: i64,
    /// Which of the two have keys.
    has_keys: [bool; 2],
    /// Whether the keys of the first one have been found.
    is_behind_first: bool,
}

impl Run {
    /// The panes that some of `keys` may have.
    pub(super) fn panes_of<K>(&self, keys: &[ActiveKey<K>]) -> impl Iterator<Item = (TimeWindow, PaneBits)> + '_ {
        let all = keys.iter().fold(0, |all, key| all | key.bits);
        self.panes.iter().copied().filter(move |(_, bit)| all & bit != 0)
    }
}

impl<K: Key> ActivePanes<K> {
    pub(super) fn open(uid: &str, panes: &Panes, domain: TimeDomain, context: &mut SubtaskContext) -> Result<Self> {
        let rows = WindowTable::open(context.store(uid)?, &format!("{uid}/active"))?;
        // One bit more than full ones: a window may begin and end within what a bit stands for.
        let most = panes.most_per_window();
        let panes_per_bit = most.div_euclid(i128::from(u64::BITS - 1)) + 1;
        let bits_per_stretch = most.div_euclid(panes_per_bit) + 1;
        let notes_firings = domain == TimeDomain::Processing;
        Ok(Self { rows, panes_per_bit, bits_per_stretch, notes_firings, found: Vec::new(), run: None })
    }

    /// Where keys are noted down that have `pane`; `None` if all windows of it have fired, as those until `fired` have.
    pub(super) fn place_of(&self, pane: TimeWindow, fired: Timestamp, panes: &mut Panes) -> Option<Place> {
        let first = panes.first_window_behind(pane, fired)?;
        let (stretch, bit) = self.stretch_and_bit(panes.number_of(pane));
        Some(Place { stretch, bit, before: first.max_timestamp() - Timespan::from_millis(1) })
    }

    /// Brings the rows of keys that will be added next, at most 64, into the processor's caches.
    #[inline]
    pub(super) fn look_ahead(&mut self, place: Place, hashes: impl Iterator<Item = KeyHash>) {
        self.rows.look_ahead(place.stretch, hashes);
    }

    /// Notes down that a key has the pane of `place`. All windows until `fired` have fired.
    #[inline]
    pub(super) fn add(&mut self, place: Place, fired: Timestamp, hash: KeyHash, key: &K) -> Result<()> {
        let none = || PanesOfKey { bits: 0, fired: place.before };
        let row = self.rows.get_or_insert_with(place.stretch, hash, key, none)?;
        row.bits |= 1 << place.bit;
        // After a restart, the clock may be behind what it was. Windows that have fired without the key are over for it too.
        row.fired = row.fired.min(place.before).max(fired);
        Ok(())
    }

    /// Finds keys of a window, of at most `budget` rows, which is lowered by them, and not too many. Whether that was the
    /// last of them.
    pub(super) fn find(&mut self, run: &mut Run, budget: &mut usize) -> Result<(Vec<ActiveKey<K>>, bool)> {
        let mut keys = std::mem::take(&mut self.found);
        let (place, fires_at) = (usize::from(run.is_behind_first), run.window.max_timestamp());
        let mut done = true;
        if run.has_keys[place] {
            let mut seen = 0;
            done = self.rows.show(run.stretch + place as i64, KEYS.min(*budget), |hash, key, row| {
                seen += 1;
                let bits = PaneBits::from(row.bits) << (u64::BITS * place as u32);
                // The other stretch may tell more about keys of the first one.
                let may_fire = row.fired < fires_at && (bits & run.bits != 0 || place == 0 && run.has_keys[1]);
                if may_fire {
                    keys.push(ActiveKey { hash, key: key.clone(), bits });
                }
                Ok::<_, Error>(())
            })?;
            *budget = budget.saturating_sub(seen.max(1));
        }
        if run.has_keys == [true; 2] {
            self.join_stretches(run, &mut keys)?;
        }
        let all_found = done && run.is_behind_first;
        run.is_behind_first |= done;
        Ok((keys, all_found))
    }

    /// Adds to keys of the first stretch what they have in the second one, and drops keys of the second one that are in the
    /// first one.
    fn join_stretches(&mut self, run: &Run, keys: &mut Vec<ActiveKey<K>>) -> Result<()> {
        let other = run.stretch + i64::from(!run.is_behind_first);
        self.rows.look_ahead(other, keys.iter().map(|key| key.hash));
        let fires_at = run.window.max_timestamp();
        for key in keys.iter_mut() {
            match self.rows.get(other, key.hash, &key.key)? {
                Some(_) if run.is_behind_first => key.bits = 0,
                // Else the window has fired before the key had those panes.
                Some(row) if row.fired < fires_at => key.bits |= PaneBits::from(row.bits) << u64::BITS,
                _ => {}
            }
        }
        keys.retain(|key| key.bits & run.bits != 0);
        Ok(())
    }

    /// Takes note that a window has fired with keys, and takes the memory of them back.
    pub(super) fn have_fired(&mut self, run: &Run, keys: Vec<ActiveKey<K>>) -> Result<()> {
        for key in keys.iter().filter(|_| self.notes_firings) {
            let of_stretch = [key.bits as u64, (key.bits >> u64::BITS) as u64];
            for (stretch, _) in (run.stretch..).zip(of_stretch).filter(|(_, bits)| *bits != 0) {
                if let Some(row) = self.rows.get_mut(stretch, key.hash, &key.key)? {
                    row.fired = run.window.max_timestamp();
                }
            }
        }
        drop(self.give_back(keys));
        Ok(())
    }

    /// Takes the memory of keys that were found back, and gives the keys.
    pub(super) fn give_back(&mut self, keys: Vec<ActiveKey<K>>) -> impl Iterator<Item = (KeyHash, K)> + '_ {
        self.found = keys;
        self.found.drain(..).map(|found| (found.hash, found.key))
    }

    /// The panes of a window.
    pub(super) fn run_of(&mut self, window: TimeWindow, panes: &mut Panes) -> Result<Run> {
        if let Some(run) = self.run.take_if(|run| run.window == window) {
            return Ok(run);
        }
        // Neighbours have neighbouring numbers, so one is enough to know the bits of all.
        let first = panes.pane_at(window.start());
        let first_number = panes.number_of(first);
        let (stretch, bit) = self.stretch_and_bit(first_number);
        let (within_bit, per_bit) = (first_number.rem_euclid(self.panes_per_bit), self.panes_per_bit);
        let per_stretch = self.bits_per_stretch as u32;
        let bit_of = |place: i128| {
            let bit = bit + ((within_bit + place) / per_bit) as u32;
            let bit = if bit < per_stretch { bit } else { bit - per_stretch + u64::BITS };
            PaneBits::from(1u8) << bit
        };
        let panes = (0..).zip(panes.panes_of(window)).map(|(place, pane)| (pane, bit_of(place))).collect::<Vec<_>>();
        let bits = panes.iter().fold(0, |bits, (_, bit)| bits | bit);
        let next = self.rows.next(stretch - 1)?;
        let after = if next == Some(stretch) { self.rows.next(stretch)? } else { next };
        let reaches_second = bits >> u64::BITS != 0;
        let has_keys = [next == Some(stretch), reaches_second && after == Some(stretch + 1)];
        Ok(Run { window, panes, bits, stretch, has_keys, is_behind_first: false })
    }

    /// Keeps a run, for it will be asked for again if its window has more keys.
    pub(super) fn keep(&mut self, run: Run) {
        self.run = Some(run);
    }

    /// Forgets what is noted down before `first`, the first pane that there is; of at most `budget` keys, which is lowered
    /// by them. Whether all of it is forgotten.
    pub(super) fn forget_before(
        &mut self,
        first: Option<TimeWindow>,
        panes: &mut Panes,
        budget: &mut usize,
    ) -> Result<bool> {
        let first = first.map(|pane| self.stretch_and_bit(panes.number_of(pane)).0);
        while let Some(stretch) = self.rows.first()?.filter(|stretch| first.is_none_or(|first| *stretch < first)) {
            let at_most = *budget;
            let done = self.rows.take(stretch, at_most, |_, _, _| {
                *budget = budget.saturating_sub(1);
                Ok::<_, Error>(())
            })?;
            if !done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the pane with `number` is noted down.
    fn stretch_and_bit(&self, number: i128) -> (i64, u32) {
        let group = number.div_euclid(self.panes_per_bit);
        // There are two panes per millisecond at most, and more than two per stretch.
        (group.div_euclid(self.bits_per_stretch) as i64, group.rem_euclid(self.bits_per_stretch) as u32)
    }
}

impl<K: Key> VisitTables for ActivePanes<K> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.rows.visit(each)
    }
}
