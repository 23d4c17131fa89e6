//! Keeps windows that do not merge, a row per window and key, and fires all keys of a window at once.

use millstream_actors::time::{Timespan, Timestamp};
use millstream_actors::time_view::NextFiring;

use super::{Fires, Keeper, Late, Parts, Rule, Shown, end_at_once, forget_windows};
use crate::error::{Error, Result};
use crate::model::{Data, KeyHash, Keyed, Record};
use crate::operator::window::contents::{Contents, Firing};
use crate::operator::window::local::KeyedPartial;
use crate::operator::window::present::Present;
use crate::operator::window::{Keying, TimeDomain, TimeWindow, WindowAssigner};
use crate::operator::{Emit, PartVisitor, SubtaskContext};
use crate::state::WindowTable;

/// Windows whose trigger need not be asked.
///
/// # State
/// A row per window and key, from the first record until the window is over. There are no timers: the rows of a window
/// lie together, and windows are in order.
pub(crate) struct Aligned<Z: Keying, T, A, C: Contents<Z, T>> {
    assigner: A,
    contents: C,
    rows: WindowTable<TimeWindow, Z::Key, C::Held>,
    /// The keys of a window that fires, if records may come into it later.
    shown: Option<Shown<Z::Key>>,
    rule: Rule,
    late: Late<T>,
    /// Behind all windows of event time that have fired at their end. Those of processing time are over with that.
    fired: TimeWindow,
    /// The window that a record was put into last.
    latest: TimeWindow,
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, C: Contents<Z, T>> Aligned<Z, T, A, C> {
    pub(crate) fn open<R>(parts: Parts<A, R, C, T>, time: &Present, context: &mut SubtaskContext) -> Result<Self> {
        let Parts { assigner, contents, rule, late, .. } = parts;
        let rows = WindowTable::open(context.store(time.uid())?, time.uid())?;
        let fired = behind_windows_until(rule.fired_before(time));
        // Windows that are over when they fire lose their rows one by one. Others keep them.
        let shown = if rule.allows_late() { Some(Shown::open(time.uid(), context)?) } else { None };
        Ok(Self { assigner, contents, rows, shown, rule, late, fired, latest: TimeWindow::ALWAYS })
    }

    /// Puts a record into a window of its key.
    #[inline]
    fn put<E: Emit<C::Out>>(
        &mut self,
        window: TimeWindow,
        (hash, key): (KeyHash, &Z::Key),
        add: impl FnOnce(&mut C, &mut C::Held) -> Result<()>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        self.latest = window;
        let held = self.rows.get_or_insert_with(window, hash, key, || self.contents.create())?;
        add(&mut self.contents, held)?;
        if let Fires::AtWindowEnd { purges } = self.rule.fires()
            && window <= self.fired
        {
            self.contents.fire(&Firing { hash, key, window, time }, held, out)?;
            if purges {
                self.rows.remove(window, hash, key)?;
            }
        }
        self.rule.end_at_once(window, time).map_or(Ok(()), |now| end_at_once(self, now, time, out))
    }

    /// What is to be done next, at `until`.
    fn next_job(&mut self, until: Timestamp) -> Result<Option<Job>> {
        let Some(first) = self.rows.first()? else { return Ok(None) };
        let fires = |window| self.rule.fires_at(window).is_some_and(|at| at <= until) && window > self.fired;
        let purges = self.rule.fires() == Fires::AtWindowEnd { purges: true };
        if self.rule.over_at(first) <= until || (purges && fires(first)) {
            return Ok(Some(Job { window: first, fires: fires(first), takes: true }));
        }
        if first > self.fired && !self.rule.allows_late() {
            return Ok(None);
        }
        let next = self.rows.next(self.fired)?;
        let fires = |window: &TimeWindow| self.rule.fires_at(*window).is_some_and(|at| at <= until);
        Ok(next.filter(fires).map(|window| Job { window, fires: true, takes: false }))
    }

    /// Does a part of a job. Whether it is done.
    fn work<E: Emit<C::Out>>(&mut self, job: Job, budget: &mut usize, time: &Present, out: &mut E) -> Result<bool> {
        let (contents, window) = (&mut self.contents, job.window);
        if !job.takes
            && let Some(shown) = &mut self.shown
            && !shown.begin(window, budget)?
        {
            return Ok(false);
        }
        let at_most = *budget;
        if job.takes {
            return self.rows.take(window, at_most, |hash, key, held| {
                *budget = budget.saturating_sub(1);
                if job.fires {
                    contents.fire(&Firing { hash, key, window, time }, &held, out)
                } else {
                    Ok::<_, Error>(())
                }
            });
        }
        let mut shown = self.shown.as_mut();
        self.rows.show(window, at_most, |hash, key, held| {
            *budget = budget.saturating_sub(1);
            if let Some(shown) = &mut shown {
                if shown.has(window, hash, key)? {
                    return Ok(());
                }
                shown.add([(hash, key.clone())]);
            }
            contents.fire(&Firing { hash, key, window, time }, held, out)
        })
    }
}

/// A window that fires, or is over, or both.
#[derive(Debug, Clone, Copy)]
struct Job {
    window: TimeWindow,
    fires: bool,
    /// Whether its rows go.
    takes: bool,
}

/// A window that lies, in the order in which windows fire, behind all whose last timestamp is `time` or earlier.
fn behind_windows_until(time: Timestamp) -> TimeWindow {
    let behind = time + Timespan::from_millis(1);
    // What reaches to the end of time holds that as well: it fires when that is reached, and not a millisecond before.
    let end = if time == Timestamp::MAX { time } else { behind.min(Timestamp::MAX - Timespan::from_millis(1)) };
    TimeWindow::new(Timestamp::MAX, end)
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, C: Contents<Z, T>> Keeper<Z, T> for Aligned<Z, T, A, C> {
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
                self.put(window, (hash, key), |contents, held| contents.add(held, &record), time, out)?;
            }
        }
        match last {
            Some(window) => self.put(window, (hash, key), |contents, held| contents.add_last(held, record), time, out),
            None => {
                self.late.turn_away(record, self.rule, time.watermark());
                Ok(())
            }
        }
    }

    #[inline]
    fn add_partial<E: Emit<C::Out>>(
        &mut self,
        partial: KeyedPartial<Z::Key, C::Held>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let Keyed { hash, key, value: partial } = partial;
        if self.rule.is_late(partial.piece, time.watermark()) {
            self.late.turn_away_partial(&partial);
            return Ok(());
        }
        self.put(partial.piece, (hash, &key), |contents, held| contents.merge(held, &partial.held), time, out)
    }

    #[inline]
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash>) {
        // Most records fall into the window of the one before.
        self.rows.look_ahead(self.latest, hashes);
    }

    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        if domain != self.rule.domain {
            return Ok(None);
        }
        let mut due = self.contents.first_remembered()?.map(|window| self.rule.over_at(window));
        let mut consider = |at: Timestamp| due = Some(due.map_or(at, |due| due.min(at)));
        let Some(first) = self.rows.first()? else { return Ok(due) };
        consider(self.rule.over_at(first));
        // Windows that have fired lie before the others, if they are kept at all.
        let next = if first > self.fired { Some(first) } else { self.rows.next(self.fired)? };
        if let Some(at) = next.and_then(|window| self.rule.fires_at(window)) {
            consider(at);
        }
        Ok(due)
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
        while let Some(job) = self.next_job(until)? {
            if domain == TimeDomain::Event && job.fires {
                // Windows fire in the order of their ends: all that end earlier have.
                let before = job.window.max_timestamp() - Timespan::from_millis(1);
                self.fired = self.fired.max(behind_windows_until(before));
            }
            if *budget == 0 || !self.work(job, budget, time, out)? {
                return Ok(false);
            }
            // All windows before it have fired, or never will.
            if domain == TimeDomain::Event {
                self.fired = self.fired.max(job.window);
            }
        }
        if domain == TimeDomain::Event {
            self.fired = self.fired.max(behind_windows_until(until));
        }
        // A snapshot between two parts of this must already know that all of them have fired.
        if let Some(shown) = &mut self.shown
            && !shown.forget(budget)?
        {
            return Ok(false);
        }
        let rule = self.rule;
        forget_windows(&mut self.contents, |window| rule.over_at(window) <= until, budget)
    }

    fn fired(&self) -> Option<Timestamp> {
        let last = self.fired.max_timestamp();
        // Another window of the same end may not have fired.
        let is_alone = self.fired.start() == Timestamp::MAX;
        Some(if is_alone { last } else { last - Timespan::from_millis(1) })
    }

    fn owes(&self) -> bool {
        self.contents.owes()
    }

    fn hand_out<E: Emit<C::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        self.contents.hand_out(budget, out)
    }

    fn unfired(&mut self) -> Result<u64> {
        let (mut unfired, mut next) = (0, self.rows.first()?);
        while let Some(window) = next.filter(|window| self.rule.fires_at(*window).is_some()) {
            let mut count = |_, _: &Z::Key, _: &C::Held| {
                unfired += 1;
                Ok::<_, Error>(())
            };
            while !self.rows.show(window, usize::MAX, &mut count)? {}
            next = self.rows.next(window)?;
        }
        Ok(unfired)
    }

    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>> {
        let next = self.rows.next(self.fired)?;
        Ok(next.map(|window| (window, self.rule.waits_for(window))))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.rows);
        if let Some(shown) = &mut self.shown {
            shown.parts(visitor);
        }
        self.contents.parts(visitor);
    }
}
