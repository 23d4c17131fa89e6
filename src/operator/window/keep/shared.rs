//! Keeps windows that overlap by what they share: a row per pane and key, whatever the number of windows it is in.

use std::marker::PhantomData;

use millstream_actors::time::Timestamp;
use millstream_actors::time_view::NextFiring;

use super::active::{ActivePanes, Place, Run};
use super::{Keeper, Late, Parts, Rule, end_at_once, forget_windows};
use crate::error::{Error, Result};
use crate::model::{Data, KeyHash, Record};
use crate::operator::window::contents::{Contents, EachTable, Firing};
use crate::operator::window::present::Present;
use crate::operator::window::{Keying, Panes, TimeDomain, TimeWindow, WindowAssigner};
use crate::operator::{Emit, SubtaskContext};
use crate::state::{StateError, VisitTables, WindowTable};

/// Sliding windows whose trigger need not be asked, and which need not forget what they hold.
///
/// A record is added to its pane. A window that fires merges, for each of its keys, the panes that the key has.
///
/// # State
/// A row per pane and key, until the last window of the pane is over, and one more per key that is in the next window to
/// fire: which panes it has. That row moves on from window to window. There are no timers.
pub(crate) struct Shared<Z: Keying, T, A, C: Contents<Z, T>> {
    panes: Panes,
    contents: C,
    rows: WindowTable<TimeWindow, Z::Key, C::Held>,
    active: ActivePanes<Z::Key>,
    rule: Rule,
    late: Late<T>,
    /// Windows until this time have fired.
    fired: Timestamp,
    latest: Latest,
    assigner: PhantomData<fn() -> A>,
}

/// What is known of the pane that a record was put into last.
#[derive(Debug, Clone, Copy)]
struct Latest {
    pane: TimeWindow,
    /// The last of its windows.
    last: TimeWindow,
    /// When the first of its windows fires.
    first_fires_at: Timestamp,
    /// Where new keys of it are noted down, once that is known.
    place: Option<Option<Place>>,
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, C: Contents<Z, T>> Shared<Z, T, A, C> {
    pub(crate) fn open<R>(
        parts: Parts<A, R, C, T>,
        mut panes: Panes,
        time: &Present,
        context: &mut SubtaskContext,
    ) -> Result<Self> {
        let Parts { contents, rule, late, .. } = parts;
        let rows = WindowTable::open(context.store(time.uid())?, time.uid())?;
        let active = ActivePanes::open(time.uid(), &panes, context)?;
        let fired = rule.fired_before(time.watermark());
        let latest = Latest::of(panes.pane_at(Timestamp::MIN), &mut panes);
        Ok(Self { panes, contents, rows, active, rule, late, fired, latest, assigner: PhantomData })
    }

    /// Fires the windows of the latest pane that have fired already, with a record that came late.
    #[cold]
    fn fire_late<E: Emit<C::Out>>(
        &mut self,
        (hash, key): (KeyHash, &Z::Key),
        record: &Record<T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        for window in self.panes.windows_of(self.latest.pane) {
            if window.max_timestamp() > self.fired || self.rule.is_late(window, time.watermark()) {
                continue;
            }
            let mut merged = self.contents.create();
            match self.rule.domain {
                // Such a window is over, and begins anew with each record.
                TimeDomain::Processing => self.contents.add(&mut merged, record)?,
                TimeDomain::Event => {
                    for pane in self.panes.panes_of(window) {
                        if let Some(held) = self.rows.get(pane, hash, key)? {
                            self.contents.merge(&mut merged, held)?;
                        }
                    }
                }
            }
            self.contents.fire(&Firing { hash, key, window, time }, &merged, out)?;
        }
        Ok(())
    }

    /// Fires a window for some of its keys, and moves them on to the next.
    fn fire<E: Emit<C::Out>>(&mut self, run: &Run, budget: &mut usize, time: &Present, out: &mut E) -> Result<()> {
        let keys = self.active.take(run, *budget)?;
        *budget = budget.saturating_sub(keys.len().max(1));
        let mut merged = keys.iter().map(|_| None).collect::<Vec<Option<C::Held>>>();
        // Pane by pane, so that the rows of all keys can be fetched at once.
        for (pane, bit) in run.panes() {
            let having = || keys.iter().enumerate().filter(|(_, key)| key.has(bit));
            self.rows.look_ahead(pane, having().map(|(_, key)| key.hash));
            for (place, key) in having() {
                if let Some(held) = self.rows.get(pane, key.hash, &key.key)? {
                    let into = merged[place].get_or_insert_with(|| self.contents.create());
                    self.contents.merge(into, held)?;
                }
            }
        }
        for (key, merged) in keys.iter().zip(&merged) {
            if let Some(held) = merged {
                let firing = Firing { hash: key.hash, key: &key.key, window: run.window, time };
                self.contents.fire(&firing, held, out)?;
            }
            self.active.move_on(run, key)?;
        }
        self.active.give_back(keys);
        Ok(())
    }
}

impl Latest {
    fn of(pane: TimeWindow, panes: &mut Panes) -> Self {
        let last = panes.windows_of(pane).next().unwrap_or(pane);
        let first = panes.first_window_behind(pane, Timestamp::MIN).unwrap_or(last);
        Self { pane, last, first_fires_at: first.max_timestamp(), place: None }
    }
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, C: Contents<Z, T>> Keeper<Z, T> for Shared<Z, T, A, C> {
    type Out = C::Out;
    type Held = C::Held;

    #[inline]
    fn add<E: Emit<C::Out>>(
        &mut self,
        hash: KeyHash,
        key: &Z::Key,
        record: Record<T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let pane = self.panes.pane_at(time.time_of::<T, A>(&record)?);
        if pane != self.latest.pane {
            self.latest = Latest::of(pane, &mut self.panes);
        }
        if self.rule.is_late(self.latest.last, time.watermark()) {
            self.late.turn_away(record, self.rule, time.watermark());
            return Ok(());
        }
        let ends_at_once = self.rule.domain == TimeDomain::Processing && self.latest.first_fires_at <= time.now();
        if ends_at_once && self.fired < time.now() {
            end_at_once(self, time.now(), time, out)?;
        }
        let mut is_new = false;
        let held = self.rows.get_or_insert_with(pane, hash, key, || {
            is_new = true;
            self.contents.create()
        })?;
        self.contents.add(held, &record)?;
        if is_new {
            let place = || self.active.place_of(pane, self.fired, &mut self.panes);
            if let Some(place) = *self.latest.place.get_or_insert_with(place) {
                self.active.add(place, hash, key)?;
            }
        }
        if self.latest.first_fires_at <= self.fired { self.fire_late((hash, key), &record, time, out) } else { Ok(()) }
    }

    #[inline]
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash>) {
        // Most records fall into the pane of the one before.
        self.rows.look_ahead(self.latest.pane, hashes);
    }

    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        if domain != self.rule.domain {
            return Ok(None);
        }
        let fires = self.active.first()?.map(TimeWindow::max_timestamp);
        let pane_is_over = self.rows.first()?.and_then(|pane| self.panes.windows_of(pane).next());
        let is_over =
            pane_is_over.into_iter().chain(self.contents.first_remembered()?).map(|window| self.rule.over_at(window));
        Ok(is_over.chain(fires).min())
    }

    fn advance<E: Emit<C::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        budget: &mut usize,
        time: &Present,
        out: &mut E,
    ) -> Result<bool> {
        if domain != self.rule.domain {
            return Ok(true);
        }
        while let Some(window) = self.active.first()?.filter(|window| window.max_timestamp() <= until) {
            if *budget == 0 {
                return Ok(false);
            }
            let run = self.active.run_of(window, &mut self.panes);
            self.fire(&run, budget, time, out)?;
            self.active.keep(run);
        }
        self.fired = self.fired.max(until);
        self.latest.place = None;
        let rule = self.rule;
        while let Some(pane) = self.rows.first()? {
            let last = self.panes.windows_of(pane).next();
            if last.is_some_and(|last| rule.over_at(last) > until) {
                break;
            }
            let at_most = *budget;
            let done = self.rows.take(pane, at_most, |_, _, _| {
                *budget = budget.saturating_sub(1);
                Ok::<_, Error>(())
            })?;
            if !done {
                return Ok(false);
            }
        }
        forget_windows(&mut self.contents, |window| rule.over_at(window) <= until, budget)
    }

    fn owes(&self) -> bool {
        self.contents.owes()
    }

    fn hand_out<E: Emit<C::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        self.contents.hand_out(budget, out)
    }

    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>> {
        Ok(self.active.first()?.map(|window| (window, self.rule.waits_for(window))))
    }

    fn tables(&mut self, each: EachTable<'_>) -> Result<(), StateError> {
        self.rows.visit(each)?;
        self.active.visit(each)?;
        self.contents.tables(each)
    }
}
