//! Windows played through on plain maps: what an operator does with assigner, trigger, evictor and merging windows,
//! without its state, its speed and its order of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use millstream_actors::time::{Timespan, Timestamp};

use crate::model::Record;
use crate::operator::window::evictor::{Eviction, Evictor};
use crate::operator::window::trigger::{MergingTrigger, TimerRequest, Trigger, TriggerContext, TriggerResult};
use crate::operator::window::{
    Fixed, Merging, MergingWindows, TimeDomain, TimeWindow, WindowAssigner, WindowError, WindowTime,
};

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Element(&'static str, Record<i64>),
    Watermark(Timestamp),
    Clock(Timestamp),
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Fired { key: &'static str, window: TimeWindow, values: Vec<i64> },
    Late { key: &'static str, value: i64 },
}

impl fmt::Display for Seen {
    /// Sums the values, as most scenarios do: `key=sum@timestamp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fired { key, window, values } => {
                write!(f, "{key}={}@{}", values.iter().sum::<i64>(), window.max_timestamp())
            }
            Self::Late { key, value } => write!(f, "late {key}={value}"),
        }
    }
}

/// No evictor.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepsAll;

impl<T> Evictor<T> for KeepsAll {}

/// A key in one of its windows.
type Place = (&'static str, TimeWindow);

/// How a record is added to a window: as it is, or merged with others first.
type Add<A, R, E> = fn(&mut Rehearsal<A, R, E>, &'static str, Record<i64>, TimeWindow) -> bool;

pub(super) struct Rehearsal<A: WindowAssigner<i64>, R: Trigger<i64>, E = KeepsAll> {
    assigner: A,
    trigger: R,
    evictor: E,
    add: Add<A, R, E>,
    lateness: Timespan,
    watermark: Timestamp,
    now: Timestamp,
    /// By the window under which the state lies.
    contents: BTreeMap<Place, Vec<Record<i64>>>,
    remembered: BTreeMap<Place, R::State>,
    merging: BTreeMap<&'static str, MergingWindows>,
    timers: BTreeSet<(TimeDomain, Timestamp, TimeWindow, &'static str)>,
    seen: Vec<Seen>,
}

impl<A: WindowAssigner<i64, Kind = Fixed>, R: Trigger<i64>> Rehearsal<A, R> {
    pub(super) fn new(assigner: A, trigger: R) -> Self {
        Self::with(assigner, trigger, KeepsAll, Self::add_fixed)
    }
}

impl<A: WindowAssigner<i64, Kind = Merging>, R: MergingTrigger<i64>> Rehearsal<A, R> {
    pub(super) fn merging(assigner: A, trigger: R) -> Self {
        Self::with(assigner, trigger, KeepsAll, Self::add_merging)
    }
}

impl<A: WindowAssigner<i64, Kind = Fixed>, R: Trigger<i64>, E: Evictor<i64>> Rehearsal<A, R, E> {
    pub(super) fn evicting(assigner: A, trigger: R, evictor: E) -> Self {
        Self::with(assigner, trigger, evictor, Self::add_fixed)
    }
}

impl<A: WindowAssigner<i64>, R: Trigger<i64>, E: Evictor<i64>> Rehearsal<A, R, E> {
    fn with(assigner: A, trigger: R, evictor: E, add: Add<A, R, E>) -> Self {
        assert_eq!(assigner.check(), Ok(()));
        Self {
            assigner,
            trigger,
            evictor,
            add,
            lateness: Timespan::ZERO,
            watermark: Timestamp::MIN,
            now: Timestamp::MIN,
            contents: BTreeMap::new(),
            remembered: BTreeMap::new(),
            merging: BTreeMap::new(),
            timers: BTreeSet::new(),
            seen: Vec::new(),
        }
    }

    pub(super) fn lateness(self, lateness: Timespan) -> Self {
        Self { lateness, ..self }
    }

    /// Plays the steps, and gives what is seen in words.
    pub(super) fn play(&mut self, steps: impl IntoIterator<Item = Step>) -> Vec<String> {
        steps.into_iter().flat_map(|step| self.step(step).unwrap()).map(|seen| seen.to_string()).collect()
    }

    pub(super) fn step(&mut self, step: Step) -> Result<Vec<Seen>, WindowError> {
        match step {
            Step::Element(key, element) => self.element(key, element)?,
            Step::Watermark(to) => self.watermark = to,
            Step::Clock(to) => self.now = to,
        }
        self.ring();
        Ok(std::mem::take(&mut self.seen))
    }

    /// Whether nothing is kept of any key.
    pub(super) fn is_empty(&self) -> bool {
        let no_windows = self.merging.values().all(MergingWindows::is_empty);
        self.contents.is_empty() && self.remembered.is_empty() && self.timers.is_empty() && no_windows
    }

    fn element(&mut self, key: &'static str, element: Record<i64>) -> Result<(), WindowError> {
        let time = A::time_of(&element, self.now)?;
        let mut was_added = false;
        for window in self.assigner.assign(&element.value, time)? {
            was_added |= (self.add)(self, key, element, window);
        }
        if !was_added && A::Time::DOMAIN == TimeDomain::Event && time + self.lateness <= self.watermark {
            self.seen.push(Seen::Late { key, value: element.value });
        }
        Ok(())
    }

    fn add_fixed(&mut self, key: &'static str, element: Record<i64>, window: TimeWindow) -> bool {
        if self.is_late(window) {
            return false;
        }
        self.put(key, element, window, window);
        true
    }

    fn is_late(&self, window: TimeWindow) -> bool {
        A::Time::DOMAIN == TimeDomain::Event && self.cleanup_time(window) <= self.watermark
    }

    fn cleanup_time(&self, window: TimeWindow) -> Timestamp {
        match A::Time::DOMAIN {
            TimeDomain::Event => window.cleanup_time(self.lateness),
            TimeDomain::Processing => window.max_timestamp(),
        }
    }

    /// Adds a record to a window whose contents lie under `state`, and asks the trigger.
    fn put(&mut self, key: &'static str, element: Record<i64>, window: TimeWindow, state: TimeWindow) {
        self.contents.entry((key, state)).or_default().push(element);
        let result = self
            .ask(key, window, |trigger, remembered, context| trigger.on_element(&element, window, remembered, context));
        self.carry_out(result, key, window, state);
        let cleanup = self.cleanup_time(window);
        if cleanup < Timestamp::MAX {
            self.timers.insert((A::Time::DOMAIN, cleanup, window, key));
        }
    }

    /// Asks the trigger about a key in a window, and sets and deletes the timers it wants.
    fn ask<B>(
        &mut self,
        key: &'static str,
        window: TimeWindow,
        what: impl FnOnce(&mut R, &mut R::State, &mut TriggerContext<'_>) -> B,
    ) -> B {
        let mut requests = Vec::new();
        let mut context = TriggerContext::new(self.watermark, self.now, &mut requests);
        let answer = what(&mut self.trigger, self.remembered.entry((key, window)).or_default(), &mut context);
        for request in requests {
            match request {
                TimerRequest::Register(domain, at) => self.timers.insert((domain, at, window, key)),
                TimerRequest::Delete(domain, at) => self.timers.remove(&(domain, at, window, key)),
            };
        }
        answer
    }

    fn carry_out(&mut self, result: TriggerResult, key: &'static str, window: TimeWindow, state: TimeWindow) {
        let eviction = Eviction { window, watermark: self.watermark, processing_time: self.now };
        if let Some(contents) = self.contents.get_mut(&(key, state)).filter(|_| result.fires()) {
            self.evictor.evict_before(contents, &eviction);
            let values = contents.iter().map(|element| element.value).collect();
            self.seen.push(Seen::Fired { key, window, values });
            self.evictor.evict_after(contents, &eviction);
        }
        if result.purges() {
            self.contents.remove(&(key, state));
        }
    }

    fn due(&self) -> Option<(TimeDomain, Timestamp, TimeWindow, &'static str)> {
        let is_due = |&(domain, at, ..): &(TimeDomain, Timestamp, TimeWindow, &'static str)| match domain {
            TimeDomain::Event => at <= self.watermark,
            TimeDomain::Processing => at <= self.now,
        };
        self.timers.iter().copied().find(is_due)
    }

    /// Rings all timers that are due, also those that are set meanwhile.
    fn ring(&mut self) {
        while let Some(timer) = self.due() {
            self.timers.remove(&timer);
            let (domain, at, window, key) = timer;
            let state = self.merging.get(key).and_then(|windows| windows.state_of(window)).unwrap_or(window);
            let result = self.ask(key, window, |trigger, remembered, context| match domain {
                TimeDomain::Event => trigger.on_event_time(at, window, remembered, context),
                TimeDomain::Processing => trigger.on_processing_time(at, window, remembered, context),
            });
            self.carry_out(result, key, window, state);
            if domain == A::Time::DOMAIN && at == self.cleanup_time(window) && at < Timestamp::MAX {
                self.end(key, window, state);
            }
        }
    }

    /// Lets everything go that is kept for a key in a window.
    fn end(&mut self, key: &'static str, window: TimeWindow, state: TimeWindow) {
        self.ask(key, window, |trigger, remembered, context| trigger.clear(window, remembered, context));
        self.remembered.remove(&(key, window));
        self.contents.remove(&(key, state));
        if let Some(windows) = self.merging.get_mut(key) {
            windows.retire(window);
        }
    }
}

impl<A: WindowAssigner<i64>, R: MergingTrigger<i64>, E: Evictor<i64>> Rehearsal<A, R, E> {
    fn add_merging(&mut self, key: &'static str, element: Record<i64>, window: TimeWindow) -> bool {
        let mut replaced = Vec::new();
        let windows = self.merging.entry(key).or_default();
        let merged = windows.add(window, &mut replaced);
        if self.is_late(merged.window) {
            assert_eq!(replaced, [], "an open window has become late by growing");
            self.merging.entry(key).or_default().retire(merged.window);
            return false;
        }
        let mut into = R::State::default();
        for old in &replaced {
            self.ask(key, old.window, |trigger, remembered, context| trigger.clear(old.window, remembered, context));
            self.timers.remove(&(A::Time::DOMAIN, self.cleanup_time(old.window), old.window, key));
            let from = self.remembered.remove(&(key, old.window)).unwrap_or_default();
            self.trigger.merge(&mut into, from);
            if old.state != merged.state {
                let contents = self.contents.remove(&(key, old.state)).unwrap_or_default();
                self.contents.entry((key, merged.state)).or_default().extend(contents);
            }
        }
        if !replaced.is_empty() {
            self.remembered.insert((key, merged.window), into);
            self.ask(key, merged.window, |trigger, remembered, context| {
                trigger.on_merge(merged.window, remembered, context);
            });
        }
        self.put(key, element, merged.window, merged.state);
        true
    }
}
