//! Asks triggers and evictors about one window, as an operator would.

use std::collections::BTreeSet;

use millstream_actors::time::Timestamp;

use crate::model::Record;
use crate::operator::window::evictor::{Eviction, Evictor};
use crate::operator::window::trigger::{MergingTrigger, TimerRequest, Trigger, TriggerContext, TriggerResult};
use crate::operator::window::{TimeDomain, TimeWindow};

/// A trigger with one window over numbers, of which each is its own timestamp.
pub(crate) struct Asked<R: Trigger<i64>> {
    trigger: R,
    window: TimeWindow,
    state: R::State,
    timers: BTreeSet<(TimeDomain, Timestamp)>,
    watermark: Timestamp,
    /// The machine's time.
    pub(crate) now: Timestamp,
    /// What the trigger asked for in the last call.
    pub(crate) requests: Vec<TimerRequest>,
}

impl<R: Trigger<i64>> Asked<R> {
    pub(crate) fn new(trigger: R, window: TimeWindow) -> Self {
        Self {
            trigger,
            window,
            state: R::State::default(),
            timers: BTreeSet::new(),
            watermark: Timestamp::MIN,
            now: Timestamp::from_millis(0),
            requests: Vec::new(),
        }
    }

    fn call<A>(&mut self, what: impl FnOnce(&mut R, TimeWindow, &mut R::State, &mut TriggerContext<'_>) -> A) -> A {
        self.requests.clear();
        let mut context = TriggerContext::new(self.watermark, self.now, &mut self.requests);
        let answer = what(&mut self.trigger, self.window, &mut self.state, &mut context);
        for request in &self.requests {
            match *request {
                TimerRequest::Register(domain, at) => self.timers.insert((domain, at)),
                TimerRequest::Delete(domain, at) => self.timers.remove(&(domain, at)),
            };
        }
        answer
    }

    /// Shows a number to the trigger.
    pub(crate) fn element(&mut self, number: i64) -> TriggerResult {
        let element = Record::at(number, Timestamp::from_millis(number));
        self.call(|trigger, window, state, context| trigger.on_element(&element, window, state, context))
    }

    /// Sets the watermark, rings the timers up to it, and gives the times at which the trigger fired.
    pub(crate) fn advance_watermark(&mut self, to: Timestamp) -> Vec<Timestamp> {
        self.watermark = to;
        self.ring(TimeDomain::Event, to)
    }

    /// Sets the clock, rings the timers up to it, and gives the times at which the trigger fired.
    pub(crate) fn advance_clock(&mut self, to: Timestamp) -> Vec<Timestamp> {
        self.now = to;
        self.ring(TimeDomain::Processing, to)
    }

    fn ring(&mut self, domain: TimeDomain, to: Timestamp) -> Vec<Timestamp> {
        let mut fired = Vec::new();
        while let Some(&timer) = self.timers.range((domain, Timestamp::MIN)..=(domain, to)).next() {
            self.timers.remove(&timer);
            let result = self.call(|trigger, window, state, context| match domain {
                TimeDomain::Event => trigger.on_event_time(timer.1, window, state, context),
                TimeDomain::Processing => trigger.on_processing_time(timer.1, window, state, context),
            });
            if result.fires() {
                fired.push(timer.1);
            }
        }
        fired
    }

    /// Lets a window whose trigger remembers `other` become a part of this one.
    pub(crate) fn merge(&mut self, other: R::State)
    where
        R: MergingTrigger<i64>,
    {
        self.trigger.merge(&mut self.state, other);
        self.call(|trigger, window, state, context| trigger.on_merge(window, state, context));
    }

    /// Ends the window.
    pub(crate) fn clear(&mut self) {
        self.call(|trigger, window, state, context| trigger.clear(window, state, context));
    }

    /// The timers that are set.
    pub(crate) fn timers(&self) -> Vec<(TimeDomain, Timestamp)> {
        self.timers.iter().copied().collect()
    }
}

/// What an evictor leaves of `numbers`, of which each is its own timestamp: before and after the window's function.
pub(crate) fn evicted(mut evictor: impl Evictor<i64>, numbers: &[i64]) -> (Vec<i64>, Vec<i64>) {
    let eviction =
        Eviction { window: TimeWindow::ALWAYS, watermark: Timestamp::MIN, processing_time: Timestamp::from_millis(0) };
    let numbers_of = |elements: &Vec<Record<i64>>| elements.iter().map(|element| element.value).collect();
    let mut elements: Vec<Record<i64>> =
        numbers.iter().map(|number| Record::at(*number, Timestamp::from_millis(*number))).collect();
    evictor.evict_before(&mut elements, &eviction);
    let seen = numbers_of(&elements);
    evictor.evict_after(&mut elements, &eviction);
    (seen, numbers_of(&elements))
}
