//! Keeps windows that do not merge, and asks their trigger about each record and at each of its timers.

use millstream_actors::time::Timestamp;
use millstream_actors::time_view::NextFiring;
use serde::{Deserialize, Serialize};

use super::asking::Asking;
use super::{Keeper, Late, Parts, Rule, end_at_once, forget_windows};
use crate::error::Result;
use crate::model::{Data, KeyHash, Record};
use crate::operator::window::contents::{Contents, Firing};
use crate::operator::window::evictor::Eviction;
use crate::operator::window::present::Present;
use crate::operator::window::trigger::{Trigger, TriggerResult};
use crate::operator::window::{Keying, TimeDomain, TimeWindow, WindowAssigner};
use crate::operator::{Emit, PartVisitor, SubtaskContext};
use crate::state::WindowTable;

/// Windows with any trigger and any evictor.
///
/// # State
/// A row per window and key, from the first record until the window is over, and a row per timer of the trigger. That a
/// window is over needs no timer.
pub(crate) struct Asked<Z: Keying, T, A, R: Trigger<T>, C: Contents<Z, T>> {
    assigner: A,
    asking: Asking<Z::Key, R>,
    contents: C,
    rows: WindowTable<TimeWindow, Z::Key, Row<C::Held, R::State>>,
    rule: Rule,
    late: Late<T>,
    /// The window that a record was put into last.
    latest: TimeWindow,
}

/// What is kept of a key in a window, and what the trigger remembers of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Row<H, S> {
    /// Nothing behind a purge.
    pub(super) held: Option<H>,
    pub(super) remembered: S,
}

impl<H, S: Default> Row<H, S> {
    pub(super) fn new() -> Self {
        Self { held: None, remembered: S::default() }
    }

    /// Does what the trigger says.
    pub(super) fn carry_out<Z, T, C, E>(
        &mut self,
        result: TriggerResult,
        contents: &mut C,
        firing: &Firing<'_, Z::Key>,
        out: &mut E,
    ) -> Result<()>
    where
        Z: Keying,
        C: Contents<Z, T, Held = H>,
        E: Emit<C::Out>,
    {
        if let Some(held) = self.held.as_mut().filter(|_| result.fires()) {
            if C::CHANGED_BY_FIRING {
                let (window, watermark) = (firing.window, firing.time.watermark());
                let eviction = Eviction { window, watermark, processing_time: firing.time.now() };
                contents.evict_before(held, &eviction);
                contents.fire(firing, held, out)?;
                contents.evict_after(held, &eviction);
            } else {
                contents.fire(firing, held, out)?;
            }
        }
        if result.purges() {
            self.held = None;
        }
        Ok(())
    }
}

impl<Z, T, A, R, C> Asked<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: Trigger<T>,
    C: Contents<Z, T>,
{
    pub(crate) fn open(parts: Parts<A, R, C, T>, time: &Present, context: &mut SubtaskContext) -> Result<Self> {
        let Parts { assigner, trigger, contents, rule, late } = parts;
        let rows = WindowTable::open(context.store(time.uid())?, time.uid())?;
        let asking = Asking::open(time.uid(), trigger, context)?;
        Ok(Self { assigner, asking, contents, rows, rule, late, latest: TimeWindow::ALWAYS })
    }

    /// Puts a record into a window of its key: `record` as the trigger sees it, and what adds it.
    #[inline]
    fn put<E: Emit<C::Out>>(
        &mut self,
        window: TimeWindow,
        (hash, key): (KeyHash, &Z::Key),
        record: Given<'_, T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        self.latest = window;
        let row = self.rows.get_or_insert_with(window, hash, key, Row::new)?;
        let result = self.asking.ask((hash, key), window, time, |trigger, context| {
            trigger.on_element(record.get(), window, &mut row.remembered, context)
        })?;
        let held = row.held.get_or_insert_with(|| self.contents.create());
        match record {
            Given::Lent(record) => self.contents.add(held, record)?,
            Given::Last(record) => self.contents.add_last(held, record)?,
        }
        row.carry_out(result, &mut self.contents, &Firing { hash, key, window, time }, out)?;
        self.asking.rings_at_once(time).map_or(Ok(()), |now| end_at_once(self, now, time, out))
    }

    /// Rings the next timer.
    fn ring<E: Emit<C::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let Some(rung) = self.asking.pop(domain, until)? else { return Ok(()) };
        let (hash, key, window) = (rung.hash, &rung.key, rung.window);
        // A trigger that has not deleted its timers is not called for a window that is over.
        let Some(row) = self.rows.get_mut(window, hash, key)? else { return Ok(()) };
        let result = self.asking.ask((hash, key), window, time, |trigger, context| match domain {
            TimeDomain::Event => trigger.on_event_time(rung.at, window, &mut row.remembered, context),
            TimeDomain::Processing => trigger.on_processing_time(rung.at, window, &mut row.remembered, context),
        })?;
        row.carry_out(result, &mut self.contents, &Firing { hash, key, window, time }, out)
    }

    /// Lets go what is kept of a window that is over. Whether that was all of it.
    fn end(&mut self, window: TimeWindow, budget: &mut usize, time: &Present) -> Result<bool> {
        let (asking, at_most) = (&mut self.asking, *budget);
        self.rows.take(window, at_most, |hash, key, row| {
            *budget = budget.saturating_sub(1);
            asking.ask((hash, key), window, time, |trigger, context| trigger.clear(window, &row.remembered, context))
        })
    }
}

/// A record for one of its windows.
enum Given<'a, T> {
    /// More windows get it.
    Lent(&'a Record<T>),
    /// This is the last one.
    Last(Record<T>),
}

impl<T> Given<'_, T> {
    fn get(&self) -> &Record<T> {
        match self {
            Self::Lent(record) => record,
            Self::Last(record) => record,
        }
    }
}

impl<Z, T, A, R, C> Keeper<Z, T> for Asked<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: Trigger<T>,
    C: Contents<Z, T>,
{
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
        let mut last = None;
        for window in time.windows_of(&mut self.assigner, &record)? {
            if self.rule.is_late(window, time.watermark()) {
                continue;
            }
            if let Some(window) = last.replace(window) {
                self.put(window, (hash, key), Given::Lent(&record), time, out)?;
            }
        }
        match last {
            Some(window) => self.put(window, (hash, key), Given::Last(record), time, out),
            None => {
                self.late.turn_away(record, self.rule, time.watermark());
                Ok(())
            }
        }
    }

    #[inline]
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash>) {
        self.rows.look_ahead(self.latest, hashes);
    }

    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        let timer = self.asking.next(domain);
        if domain != self.rule.domain {
            return Ok(timer);
        }
        let is_over = self.rows.first()?.into_iter().chain(self.contents.first_remembered()?);
        Ok(is_over.map(|window| self.rule.over_at(window)).chain(timer).min())
    }

    fn advance<E: Emit<C::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        budget: &mut usize,
        time: &Present,
        out: &mut E,
    ) -> Result<bool> {
        let (rule, is_own) = (self.rule, domain == self.rule.domain);
        loop {
            let timer = self.asking.next(domain).filter(|at| *at <= until);
            let first = if is_own { self.rows.first()? } else { None };
            let over = first.filter(|window| rule.over_at(*window) <= until);
            if *budget == 0 && (timer.is_some() || over.is_some()) {
                return Ok(false);
            }
            match (timer, over) {
                // All that a window has to say is said before it is over.
                (Some(at), over) if over.is_none_or(|window| at <= rule.over_at(window)) => {
                    *budget -= 1;
                    self.ring(domain, until, time, out)?;
                }
                (_, Some(window)) => {
                    if !self.end(window, budget, time)? {
                        return Ok(false);
                    }
                }
                _ => break,
            }
        }
        if !is_own {
            return Ok(true);
        }
        forget_windows(&mut self.contents, |window| rule.over_at(window) <= until, budget)
    }

    fn fired(&self) -> Option<Timestamp> {
        None
    }

    fn owes(&self) -> bool {
        self.contents.owes()
    }

    fn hand_out<E: Emit<C::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        self.contents.hand_out(budget, out)
    }

    fn unfired(&mut self) -> Result<u64> {
        self.asking.waiting_for_clock()
    }

    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>> {
        Ok(self.rows.first()?.map(|window| (window, self.asking.waits_for())))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.rows);
        visitor.tables(&mut self.asking);
        self.contents.parts(visitor);
    }
}
