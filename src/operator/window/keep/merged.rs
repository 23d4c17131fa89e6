//! Keeps windows that merge: all open windows of a key in one row, and a timer that wakes the key.

use millstream_actors::time::{Timespan, Timestamp};
use millstream_actors::time_view::NextFiring;

use super::asked::Row;
use super::asking::Asking;
use super::{Fires, Keeper, Late, Parts, Rule, end_at_once};
use crate::error::Result;
use crate::model::{Data, KeyHash, Record};
use crate::operator::window::contents::{Contents, Firing};
use crate::operator::window::merging::{MergingWindows, Replaced};
use crate::operator::window::present::Present;
use crate::operator::window::trigger::{Trigger, TriggerFor, TriggerResult};
use crate::operator::window::{Keying, TimeDomain, TimeWindow, WindowAssigner};
use crate::operator::{Emit, PartVisitor, SubtaskContext};
use crate::state::{Table, Timers};

/// The open windows of one key.
type KeyWindows<H, S> = MergingWindows<Row<H, S>>;

/// Sessions, and whatever else merges.
///
/// # State
/// A row per key with open windows: a key has few of them at a time. One or two timers per window: a window that grows
/// leaves its timer where it is, and sets another when that has rung too early. So a record costs one row.
pub(crate) struct Merged<Z: Keying, T, A, R: Trigger<T>, C: Contents<Z, T>> {
    assigner: A,
    /// The trigger, if it must be asked.
    asking: Option<Asking<Z::Key, R>>,
    contents: C,
    rows: Table<Z::Key, KeyWindows<C::Held, R::State>>,
    /// Per key, times at which one of its windows may have something to do. Each window has one that is not too late.
    wakes: Timers<Z::Key, ()>,
    rule: Rule,
    late: Late<T>,
    /// Until when windows of event time have fired. Those of processing time are over with that.
    fired: Timestamp,
    replaced: Vec<Replaced<Row<C::Held, R::State>>>,
}

impl<Z, T, A, R, C> Merged<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    pub(crate) fn open(parts: Parts<A, R, C, T>, time: &Present, context: &mut SubtaskContext) -> Result<Self> {
        let Parts { assigner, trigger, contents, rule, late } = parts;
        let uid = time.uid();
        let rows = context.table(uid)?;
        let asks = rule.fires() == Fires::WhenAsked;
        let asking = if asks { Some(Asking::open(uid, trigger, context)?) } else { None };
        let wakes = Timers::open(context.store(uid)?, &format!("{uid}/timers"))?;
        let fired = rule.fired_before(time);
        Ok(Self { assigner, asking, contents, rows, wakes, rule, late, fired, replaced: Vec::new() })
    }

    /// Whether a window comes too late, also as a part of one that is open.
    fn is_late(&mut self, window: TimeWindow, hash: KeyHash, key: &Z::Key, watermark: Timestamp) -> Result<bool> {
        if !self.rule.is_late(window, watermark) {
            return Ok(false);
        }
        let merged = self.rows.get(hash, key)?.map_or(window, |windows| windows.cover_of(window));
        Ok(self.rule.is_late(merged, watermark))
    }

    /// Puts a record into a window of its key, and merges that with those it touches.
    fn put<E: Emit<C::Out>>(
        &mut self,
        window: TimeWindow,
        (hash, key): (KeyHash, &Z::Key),
        record: &Record<T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let windows = self.rows.get_or_insert_with(hash, key, MergingWindows::new)?;
        let added = windows.add(window, Row::new, &mut self.replaced);
        let (window, row) = (added.open.window, &mut added.open.state);
        let rule = self.rule;
        let has_fired = |window| rule.fires_at(window).is_some_and(|at| at <= self.fired);
        // A window that has fired waits for nothing but to be over; if it grows, it fires again.
        let waits_anew = added.is_new || self.replaced.iter().any(|old| has_fired(old.window));
        if let Some(asking) = self.asking.as_mut().filter(|_| !self.replaced.is_empty()) {
            let mut remembered = R::State::default();
            let kept = std::mem::take(&mut row.remembered);
            let states = self.replaced.iter_mut().map(|old| match &mut old.state {
                Some(row) => (old.window, std::mem::take(&mut row.remembered)),
                None => (old.window, R::State::default()),
            });
            let mut states = states.collect::<Vec<_>>();
            // The row that stays is that of the earliest window.
            states[0].1 = kept;
            for (old, state) in states {
                asking.ask((hash, key), old, time, |trigger, context| trigger.clear(old, &state, context))?;
                asking.ask((hash, key), window, time, |trigger, _| trigger.merge_states(&mut remembered, state))?;
            }
            row.remembered = remembered;
            asking.ask((hash, key), window, time, |trigger, context| {
                trigger.on_merged(window, &mut row.remembered, context);
            })?;
        }
        for held in self.replaced.drain(..).filter_map(|old| old.state?.held) {
            match &mut row.held {
                Some(into) => self.contents.merge(into, &held)?,
                none => *none = Some(held),
            }
        }
        let held = row.held.get_or_insert_with(|| self.contents.create());
        self.contents.add(held, record)?;
        let result = match (&mut self.asking, rule.fires()) {
            (Some(asking), _) => asking.ask((hash, key), window, time, |trigger, context| {
                trigger.on_element(record, window, &mut row.remembered, context)
            })?,
            (None, Fires::AtWindowEnd { purges }) if has_fired(window) => firing(purges),
            _ => TriggerResult::Continue,
        };
        row.carry_out(result, &mut self.contents, &Firing { hash, key, window, time }, out)?;
        if waits_anew {
            self.wakes.register(next_due_of(rule, window, self.fired), hash, key, &())?;
        }
        let rings = self.asking.as_mut().and_then(|asking| asking.rings_at_once(time));
        rings.or(rule.end_at_once(window, time)).map_or(Ok(()), |now| end_at_once(self, now, time, out))
    }

    /// The time of the trigger's next timer.
    fn next_timer(&self, domain: TimeDomain) -> Option<Timestamp> {
        self.asking.as_ref().and_then(|asking| asking.next(domain))
    }

    /// Rings the next timer of the trigger.
    fn ring<E: Emit<C::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let Some(asking) = &mut self.asking else { return Ok(()) };
        let Some(rung) = asking.pop(domain, until)? else { return Ok(()) };
        let (hash, key, window) = (rung.hash, &rung.key, rung.window);
        // A trigger that has not deleted its timers is not called for a window that is no more.
        let Some(windows) = self.rows.get_mut(hash, key)? else { return Ok(()) };
        let Some(row) = windows.get_mut(window) else { return Ok(()) };
        let result = asking.ask((hash, key), window, time, |trigger, context| match domain {
            TimeDomain::Event => trigger.on_event_time(rung.at, window, &mut row.remembered, context),
            TimeDomain::Processing => trigger.on_processing_time(rung.at, window, &mut row.remembered, context),
        })?;
        row.carry_out(result, &mut self.contents, &Firing { hash, key, window, time }, out)
    }

    /// Wakes the next key: its windows fire that end now, and those go that are over.
    fn wake<E: Emit<C::Out>>(&mut self, until: Timestamp, time: &Present, out: &mut E) -> Result<()> {
        let Some((at, hash, key, ())) = self.wakes.pop_due(until)? else { return Ok(()) };
        let Some(windows) = self.rows.get_mut(hash, &key)? else { return Ok(()) };
        let rule = self.rule;
        let purges = rule.fires() == Fires::AtWindowEnd { purges: true };
        for open in windows.iter_mut() {
            // Each window has a timer at its end, sooner or later: this one, or one that is set below.
            if rule.fires_at(open.window) == Some(at) {
                let fires = Firing { hash, key: &key, window: open.window, time };
                open.state.carry_out(firing(purges), &mut self.contents, &fires, out)?;
            }
        }
        while let Some(over) = windows.retire(|window| rule.over_at(window) <= at) {
            if let Some(asking) = &mut self.asking {
                let (window, remembered) = (over.window, &over.state.remembered);
                asking.ask((hash, &key), window, time, |trigger, context| {
                    trigger.clear(window, remembered, context);
                })?;
            }
        }
        for open in windows.iter_mut() {
            self.wakes.register(next_due_of(rule, open.window, at), hash, &key, &())?;
        }
        if windows.is_empty() {
            self.rows.remove(hash, &key)?;
        }
        Ok(())
    }
}

/// When a window has something to do next, if those until `fired` have fired.
fn next_due_of(rule: Rule, window: TimeWindow, fired: Timestamp) -> Timestamp {
    rule.fires_at(window).filter(|at| *at > fired).unwrap_or_else(|| rule.over_at(window))
}

fn firing(purges: bool) -> TriggerResult {
    if purges { TriggerResult::FireAndPurge } else { TriggerResult::Fire }
}

impl<Z, T, A, R, C> Keeper<Z, T> for Merged<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    type Out = C::Out;
    type Held = C::Held;

    fn add<E: Emit<C::Out>>(
        &mut self,
        hash: KeyHash,
        key: &Z::Key,
        record: Record<T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let mut is_in_none = true;
        for window in time.windows_of(&mut self.assigner, &record)? {
            if !self.is_late(window, hash, key, time.watermark())? {
                is_in_none = false;
                self.put(window, (hash, key), &record, time, out)?;
            }
        }
        if is_in_none {
            self.late.turn_away(record, self.rule, time.watermark());
        }
        Ok(())
    }

    #[inline]
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash>) {
        self.rows.look_ahead(hashes);
    }

    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        let wake = if domain == self.rule.domain { self.wakes.next() } else { None };
        Ok(wake.into_iter().chain(self.next_timer(domain)).min())
    }

    fn advance<E: Emit<C::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        budget: &mut usize,
        time: &Present,
        out: &mut E,
    ) -> Result<bool> {
        let is_own = domain == self.rule.domain;
        loop {
            let timer = self.next_timer(domain).filter(|at| *at <= until);
            let wake = self.wakes.next().filter(|at| is_own && *at <= until);
            if timer.is_none() && wake.is_none() {
                break;
            }
            let Some(left) = budget.checked_sub(1) else { return Ok(false) };
            *budget = left;
            match (timer, wake) {
                // All that a window has to say is said before it is over.
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => self.ring(domain, until, time, out)?,
                _ => self.wake(until, time, out)?,
            }
        }
        if is_own && domain == TimeDomain::Event {
            self.fired = self.fired.max(until);
        }
        Ok(true)
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
        if let Some(asking) = &mut self.asking {
            return asking.waiting_for_clock();
        }
        let mut unfired = 0;
        if matches!(self.rule.fires(), Fires::AtWindowEnd { .. }) {
            self.rows.scan(|_, windows| {
                unfired += windows.len() as u64;
                Ok(())
            })?;
        }
        Ok(unfired)
    }

    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>> {
        // A window that has grown has left its timer where it was, so the next timer is no later than what it is for.
        let Some(at) = self.wakes.next() else { return Ok(None) };
        let earliest = match self.rule.fires() {
            Fires::AtWindowEnd { .. } => TimeWindow::new(at, at + Timespan::from_millis(1)),
            Fires::AtEndOfStream | Fires::Never | Fires::WhenAsked => self.rule.window_over_at(at),
        };
        let waits_for = match &self.asking {
            Some(asking) => asking.waits_for(),
            None => self.rule.waits_for(earliest),
        };
        Ok(Some((earliest, waits_for)))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.rows);
        if let Some(asking) = &mut self.asking {
            visitor.tables(asking);
        }
        visitor.tables(&mut self.wakes);
        self.contents.parts(visitor);
    }
}
