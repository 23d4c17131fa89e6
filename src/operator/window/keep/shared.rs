//! Keeps windows that overlap by what they share: a row per pane and key, whatever the number of windows it is in.

use std::marker::PhantomData;

use millstream_actors::time::Timestamp;
use millstream_actors::time_view::NextFiring;

use super::active::{ActiveKey, ActivePanes, Place, Run};
use super::{Keeper, Late, Parts, Rule, Shown, end_at_once, forget_windows};
use crate::error::{Error, Result};
use crate::model::{Data, KeyHash, Keyed, Record};
use crate::operator::window::contents::{Contents, Firing};
use crate::operator::window::local::KeyedPartial;
use crate::operator::window::present::Present;
use crate::operator::window::{Keying, Panes, TimeDomain, TimeWindow, WindowAssigner};
use crate::operator::{Emit, PartVisitor, SubtaskContext};
use crate::state::WindowTable;

/// So many records that are the first of their keys, of those that come at once, announce more of them.
const MANY_FIRSTS: usize = 16;

/// Sliding windows whose trigger need not be asked, and which need not forget what they hold.
///
/// A record is added to its pane. A window that fires merges, for each of its keys, the panes that the key has.
///
/// # State
/// A row per pane and key, until the last window of the pane is over, and one or two more per key: which panes it has. They
/// change with the first record of a pane only, and with no firing. There are no timers.
pub(crate) struct Shared<Z: Keying, T, A, C: Contents<Z, T>> {
    panes: Panes,
    contents: C,
    rows: WindowTable<TimeWindow, Z::Key, C::Held>,
    active: ActivePanes<Z::Key>,
    /// The keys of a window of event time that fires.
    shown: Option<Shown<Z::Key>>,
    rule: Rule,
    late: Late<T>,
    /// Windows until this time have fired.
    fired: Timestamp,
    /// Where the last window begins that has fired of those that reach to the end of time: there may be several.
    fired_at_the_end: Option<Timestamp>,
    latest: Latest,
    /// Records since the last look ahead that were the first of their key in their pane.
    firsts: usize,
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
        let active = ActivePanes::open(time.uid(), &panes, rule.domain, context)?;
        let fired = rule.fired_before(time);
        let latest = Latest::of(panes.pane_at(Timestamp::MIN), &mut panes);
        // Of windows of the clock, the rows of keys say themselves how far they have fired.
        let is_event = rule.domain == TimeDomain::Event;
        let shown = if is_event { Some(Shown::open(time.uid(), context)?) } else { None };
        Ok(Self {
            panes,
            contents,
            rows,
            active,
            shown,
            rule,
            late,
            fired,
            fired_at_the_end: None,
            latest,
            firsts: 0,
            assigner: PhantomData,
        })
    }

    /// What comes next is put into `pane`.
    #[inline]
    fn goes_to(&mut self, pane: TimeWindow) {
        if pane != self.latest.pane {
            self.latest = Latest::of(pane, &mut self.panes);
        }
    }

    /// Adds something to what the latest pane has of a key.
    #[inline]
    fn put(
        &mut self,
        (hash, key): (KeyHash, &Z::Key),
        add: impl FnOnce(&mut C, &mut C::Held) -> Result<()>,
    ) -> Result<()> {
        let (mut is_new, pane) = (false, self.latest.pane);
        let held = self.rows.get_or_insert_with(pane, hash, key, || {
            is_new = true;
            self.contents.create()
        })?;
        add(&mut self.contents, held)?;
        if is_new {
            self.firsts += 1;
            let place = || self.active.place_of(pane, self.fired, &mut self.panes);
            if let Some(place) = *self.latest.place.get_or_insert_with(place) {
                self.active.add(place, self.fired, hash, key)?;
            }
        }
        Ok(())
    }

    /// Fires the windows of the latest pane that have fired already, with a record that came late.
    #[cold]
    fn fire_late<E: Emit<C::Out>>(
        &mut self,
        (hash, key): (KeyHash, &Z::Key),
        add: impl Fn(&mut C, &mut C::Held) -> Result<()>,
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
                TimeDomain::Processing => add(&mut self.contents, &mut merged)?,
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

    /// The first window with keys that has not fired.
    fn first(&mut self) -> Result<Option<TimeWindow>> {
        if let Some(start) = self.fired_at_the_end {
            return self.first_that_starts_behind(start);
        }
        // Panes that are kept for late records are passed over at once, but for a few.
        let passed = self.panes.pane_before_windows_behind(self.fired);
        let mut next = match passed {
            Some(passed) => self.rows.next(passed)?,
            None => self.rows.first()?,
        };
        while let Some(pane) = next {
            if let Some(window) = self.panes.first_window_behind(pane, self.fired) {
                return Ok(Some(window));
            }
            next = self.rows.next(pane)?;
        }
        Ok(None)
    }

    fn has_fired(&mut self, window: TimeWindow) {
        match window.max_timestamp() {
            Timestamp::MAX => self.fired_at_the_end = Some(window.start()),
            fired => self.fired = fired,
        }
    }

    #[cold]
    fn first_that_starts_behind(&mut self, start: Timestamp) -> Result<Option<TimeWindow>> {
        let mut passed = self.panes.pane_at(start);
        while let Some(pane) = self.rows.next(passed)? {
            let windows = self.panes.windows_of(pane).take_while(|window| window.start() > start);
            if let Some(window) = windows.last() {
                return Ok(Some(window));
            }
            passed = pane;
        }
        Ok(None)
    }

    /// Merges what some keys of a window have in its panes.
    fn merge(&mut self, run: &Run, keys: &[ActiveKey<Z::Key>]) -> Result<Vec<Option<C::Held>>> {
        let mut merged = keys.iter().map(|_| None).collect::<Vec<Option<C::Held>>>();
        // Pane by pane, so that the rows of all keys can be fetched at once.
        for (pane, bit) in run.panes_of(keys) {
            let having = || keys.iter().enumerate().filter(|(_, key)| key.has(bit));
            self.rows.look_ahead(pane, having().map(|(_, key)| key.hash));
            for (place, key) in having() {
                if let Some(held) = self.rows.get(pane, key.hash, &key.key)? {
                    let into = merged[place].get_or_insert_with(|| self.contents.create());
                    self.contents.merge(into, held)?;
                }
            }
        }
        Ok(merged)
    }

    /// Fires a window for some of its keys. Whether they were the last.
    fn fire<E: Emit<C::Out>>(
        &mut self,
        run: &mut Run,
        budget: &mut usize,
        time: &Present,
        out: &mut E,
    ) -> Result<bool> {
        let (mut keys, done) = self.active.find(run, budget)?;
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.has_any()) {
            let mut failure = None;
            keys.retain(|key| match shown.has(run.window, key.hash, &key.key) {
                Ok(is_shown) => !is_shown,
                Err(error) => {
                    failure = Some(error);
                    false
                }
            });
            failure.map_or(Ok(()), Err)?;
        }
        let merged = self.merge(run, &keys)?;
        for (key, merged) in keys.iter().zip(&merged) {
            if let Some(held) = merged {
                let firing = Firing { hash: key.hash, key: &key.key, window: run.window, time };
                self.contents.fire(&firing, held, out)?;
            }
        }
        match &mut self.shown {
            Some(shown) => shown.add(self.active.give_back(keys)),
            None => self.active.have_fired(run, keys)?,
        }
        Ok(done)
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
        self.goes_to(pane);
        if self.rule.is_late(self.latest.last, time.watermark()) {
            self.late.turn_away(record, self.rule, time.watermark());
            return Ok(());
        }
        let ends_at_once = self.rule.domain == TimeDomain::Processing && self.latest.first_fires_at <= time.now();
        if ends_at_once && self.fired < time.now() {
            end_at_once(self, time.now(), time, out)?;
        }
        self.put((hash, key), |contents, held| contents.add(held, &record))?;
        if self.latest.first_fires_at > self.fired {
            return Ok(());
        }
        self.fire_late((hash, key), |contents, held| contents.add(held, &record), time, out)
    }

    #[inline]
    fn add_partial<E: Emit<C::Out>>(
        &mut self,
        partial: KeyedPartial<Z::Key, C::Held>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let Keyed { hash, key, value: partial } = partial;
        self.goes_to(partial.piece);
        if self.rule.is_late(self.latest.last, time.watermark()) {
            self.late.turn_away_partial(&partial);
            return Ok(());
        }
        self.put((hash, &key), |contents, held| contents.merge(held, &partial.held))?;
        if self.latest.first_fires_at > self.fired {
            return Ok(());
        }
        let nothing = |_: &mut C, _: &mut C::Held| Ok(());
        self.fire_late((hash, &key), nothing, time, out)
    }

    #[inline]
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash> + Clone) {
        // Most records fall into the pane of the one before. Where many were the first of their keys, more will be.
        let place = self.latest.place.flatten().filter(|_| self.firsts >= MANY_FIRSTS);
        self.firsts = 0;
        match place {
            Some(place) => {
                self.rows.look_ahead(self.latest.pane, hashes.clone());
                self.active.look_ahead(place, hashes);
            }
            None => self.rows.look_ahead(self.latest.pane, hashes),
        }
    }

    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        if domain != self.rule.domain {
            return Ok(None);
        }
        let fires = self.first()?.map(TimeWindow::max_timestamp);
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
        while let Some(window) = self.first()?.filter(|window| window.max_timestamp() <= until) {
            if let Some(shown) = &mut self.shown
                && !shown.begin(window, budget)?
            {
                return Ok(false);
            }
            let mut run = self.active.run_of(window, &mut self.panes)?;
            let mut done = false;
            while !done {
                if *budget == 0 {
                    self.active.keep(run);
                    return Ok(false);
                }
                done = self.fire(&mut run, budget, time, out)?;
            }
            self.has_fired(window);
        }
        self.fired = self.fired.max(until);
        self.fired_at_the_end = None;
        // A snapshot between two parts of this must already know that all of them have fired.
        if let Some(shown) = &mut self.shown
            && !shown.forget(budget)?
        {
            return Ok(false);
        }
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
        let first = self.rows.first()?;
        if !self.active.forget_before(first, &mut self.panes, budget)? {
            return Ok(false);
        }
        forget_windows(&mut self.contents, |window| rule.over_at(window) <= until, budget)
    }

    fn fired(&self) -> Option<Timestamp> {
        Some(self.fired)
    }

    fn owes(&self) -> bool {
        self.contents.owes()
    }

    fn hand_out<E: Emit<C::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        self.contents.hand_out(budget, out)
    }

    fn unfired(&mut self) -> Result<u64> {
        let mut unfired = 0;
        // All of them pass, as if they fired: no record comes any more that could tell.
        while let Some(window) = self.first()? {
            let mut run = self.active.run_of(window, &mut self.panes)?;
            let mut done = false;
            while !done {
                let (keys, all_found) = self.active.find(&mut run, &mut usize::MAX.clone())?;
                unfired += self.merge(&run, &keys)?.iter().flatten().count() as u64;
                drop(self.active.give_back(keys));
                done = all_found;
            }
            self.has_fired(window);
        }
        Ok(unfired)
    }

    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>> {
        Ok(self.first()?.map(|window| (window, self.rule.waits_for(window))))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.rows);
        visitor.tables(&mut self.active);
        if let Some(shown) = &mut self.shown {
            shown.parts(visitor);
        }
        self.contents.parts(visitor);
    }
}
