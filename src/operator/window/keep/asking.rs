//! Asks a trigger, and keeps the timers that it wants.

use millstream_actors::time::Timestamp;
use millstream_actors::time_view::NextFiring;

use crate::error::Result;
use crate::model::{Key, KeyHash, hash_key};
use crate::operator::SubtaskContext;
use crate::operator::window::present::Present;
use crate::operator::window::trigger::{TimerRequest, TriggerContext};
use crate::operator::window::{TimeDomain, TimeWindow};
use crate::state::{KeyedTable, StateError, Timers, VisitTables};

/// A trigger with its timers.
///
/// # State
/// One row per timer.
pub(super) struct Asking<K: Key, R> {
    trigger: R,
    event: Timers<K, TimeWindow>,
    processing: Timers<K, TimeWindow>,
    requests: Vec<TimerRequest>,
    /// Whether a timer was set for what the clock shows already.
    is_overdue: bool,
}

/// A timer that rings.
pub(super) struct Rung<K> {
    pub(super) at: Timestamp,
    pub(super) hash: KeyHash,
    pub(super) key: K,
    pub(super) window: TimeWindow,
}

impl<K: Key, R> Asking<K, R> {
    pub(super) fn open(uid: &str, trigger: R, context: &mut SubtaskContext) -> Result<Self> {
        let event = Timers::open(context.store(uid)?, &format!("{uid}/event timers"))?;
        let processing = Timers::open(context.store(uid)?, &format!("{uid}/processing timers"))?;
        Ok(Self { trigger, event, processing, requests: Vec::new(), is_overdue: false })
    }

    /// Asks the trigger about a key in a window, and sets and deletes the timers that it wants.
    #[inline]
    pub(super) fn ask<B>(
        &mut self,
        (hash, key): (KeyHash, &K),
        window: TimeWindow,
        time: &Present,
        what: impl FnOnce(&mut R, &mut TriggerContext<'_>) -> B,
    ) -> Result<B> {
        let mut context = TriggerContext::of(time, &mut self.requests);
        let answer = what(&mut self.trigger, &mut context);
        for request in self.requests.drain(..) {
            let (TimerRequest::Register(domain, at) | TimerRequest::Delete(domain, at)) = request;
            let timers = match domain {
                TimeDomain::Event => &mut self.event,
                TimeDomain::Processing => &mut self.processing,
            };
            match request {
                TimerRequest::Register(..) => {
                    self.is_overdue |= domain == TimeDomain::Processing && at <= time.now();
                    timers.register(at, hash, key, &window)?;
                }
                TimerRequest::Delete(..) => drop(timers.delete(at, hash, key, &window)?),
            }
        }
        Ok(answer)
    }

    /// What the clock shows, if a timer was set for that, or for earlier: such a timer rings before another record comes.
    pub(super) fn rings_at_once(&mut self, time: &Present) -> Option<Timestamp> {
        std::mem::take(&mut self.is_overdue).then(|| time.now())
    }

    /// The time of the next timer.
    pub(super) fn next(&self, domain: TimeDomain) -> Option<Timestamp> {
        match domain {
            TimeDomain::Event => self.event.next(),
            TimeDomain::Processing => self.processing.next(),
        }
    }

    /// What windows wait for whose trigger is asked.
    pub(super) fn waits_for(&self) -> NextFiring {
        NextFiring::ByTrigger { watermark: self.event.next(), clock: self.processing.next() }
    }

    /// How many keys, once per window, wait for the clock.
    pub(super) fn waiting_for_clock(&mut self) -> Result<u64> {
        let mut waiting = Vec::new();
        self.processing.scan(|key, window| waiting.push((hash_key(key).0, *window)))?;
        // A window may have several timers.
        waiting.sort_unstable();
        waiting.dedup();
        Ok(waiting.len() as u64)
    }

    /// Takes the next timer, if its time has come.
    pub(super) fn pop(&mut self, domain: TimeDomain, until: Timestamp) -> Result<Option<Rung<K>>> {
        let timers = match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        };
        let due = timers.pop_due(until)?;
        Ok(due.map(|(at, hash, key, window)| Rung { at, hash, key, window }))
    }
}

impl<K: Key, R> VisitTables for Asking<K, R> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.event.visit(each)?;
        self.processing.visit(each)
    }
}
