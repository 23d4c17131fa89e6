//! The shared place of what can be seen of a job: actors record events, anybody reads, follows and waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::{Events, JobEvent, JobEventKind};
use super::meter::SubtaskMeter;
use super::ring::Ring;
use super::view::{AttemptView, CheckpointView, JobStatus, JobView};
use crate::ids::SubtaskId;
use crate::time::{Clock, Moment, RuntimeClock};
use crate::time_view::TimeViews;

/// How many events of each class, and how many attempts, are remembered. The classes are attempts, checkpoints, and
/// what else happens: many of one class push none of another out.
pub const KEPT: usize = 1_000;

/// What can be seen of a job. Clones are the same place.
#[derive(Clone)]
pub struct Observed {
    place: Arc<(Mutex<Place>, Condvar)>,
    time: TimeViews,
}

/// What the lock protects. It is held for moments: readers take copies, and nobody's code runs under it.
struct Place {
    /// All but the subtasks.
    view: JobView,
    meters: BTreeMap<SubtaskId, SubtaskMeter>,
    /// The attempts before the present one.
    past: Ring<AttemptView>,
    /// Events by class. Each ring is sorted by number.
    events: [Ring<Arc<JobEvent>>; 3],
    /// The number of the next event.
    next: u64,
    /// When the last event happened.
    last: Moment,
}

/// Which ring remembers an event.
fn class_of(kind: &JobEventKind) -> usize {
    match kind {
        JobEventKind::AttemptBegan { .. }
        | JobEventKind::AttemptRunning { .. }
        | JobEventKind::FirstRead { .. }
        | JobEventKind::FirstRecord { .. }
        | JobEventKind::AttemptFailed { .. }
        | JobEventKind::RestartScheduled { .. }
        | JobEventKind::Ended(_) => 0,
        JobEventKind::CheckpointCompleted(_) | JobEventKind::CheckpointAbandoned { .. } => 1,
        JobEventKind::SubtaskDrained { .. }
        | JobEventKind::FaultStruck { .. }
        | JobEventKind::EventTimeStandsStill(_) => 2,
    }
}

impl Default for Observed {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Observed {
    /// A place that remembers so many events of each class, and so many attempts.
    #[must_use]
    pub fn keeping(events: usize) -> Self {
        let place = Place {
            view: JobView::new(),
            meters: BTreeMap::new(),
            past: Ring::new(events),
            events: std::array::from_fn(|_| Ring::new(events)),
            next: 0,
            last: Moment::ZERO,
        };
        Self { place: Arc::new((Mutex::new(place), Condvar::new())), time: TimeViews::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the subtasks know of event time.
    #[must_use]
    pub fn time(&self) -> &TimeViews {
        &self.time
    }

    /// Records what happened at `at`: changes the view, wakes whoever waits, and logs it. All events go this way.
    pub(crate) fn record(&self, at: Moment, kind: JobEventKind) {
        let event = {
            let mut place = self.lock();
            if !place.view.is_news(&kind, at) {
                return;
            }
            let event = Arc::new(JobEvent { number: place.next, at, kind });
            place.next += 1;
            place.last = place.last.max(at);
            if let Some(over) = place.view.apply(&event) {
                place.past.push(over);
                place.meters.clear();
            }
            place.events[class_of(&event.kind)].push(Arc::clone(&event));
            event
        };
        self.place.1.notify_all();
        event.log();
    }

    /// Records that the job has ended in a way that its own actors could not notice.
    pub(crate) fn record_end(&self, status: JobStatus) {
        let last = self.lock().last;
        self.record(last, JobEventKind::Ended(status));
    }

    /// Where a subtask of the present attempt writes what it measures.
    pub(crate) fn meter(&self, subtask: SubtaskId) -> SubtaskMeter {
        let meter = SubtaskMeter::default();
        self.lock().meters.insert(subtask, meter.clone());
        meter
    }

    /// The job as it is now.
    #[must_use]
    pub fn view(&self) -> JobView {
        self.view_and_next().0
    }

    fn view_and_next(&self) -> (JobView, u64) {
        let (mut view, meters, next) = {
            let place = self.lock();
            (place.view.clone(), place.meters.clone(), place.next)
        };
        view.subtasks = meters.into_iter().map(|(subtask, meter)| (subtask, meter.read())).collect();
        (view, next)
    }

    /// The state of the job.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.lock().view.status.clone()
    }

    /// The attempts so far, oldest first; the latest of them, if there were more than are remembered.
    #[must_use]
    pub fn attempts(&self) -> Vec<AttemptView> {
        let place = self.lock();
        place.past.iter().chain(&place.view.attempt).cloned().collect()
    }

    /// The complete checkpoints so far, oldest first; the latest of them, if there were more than are remembered.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<CheckpointView> {
        let place = self.lock();
        let completed = |event: &Arc<JobEvent>| match &event.kind {
            JobEventKind::CheckpointCompleted(view) => Some(view.clone()),
            _ => None,
        };
        place.events.iter().flat_map(Ring::iter).filter_map(completed).collect()
    }

    /// What has happened since the event `number`, that event included: 0 asks for everything that is remembered.
    /// Whoever follows the job asks for [`Events::next`] afterwards, and learns how many events it missed.
    #[must_use]
    pub fn events_since(&self, number: u64) -> Events {
        let place = self.lock();
        let rings = place.events.iter().flat_map(|ring| ring.from(|event| event.number < number));
        let mut events = rings.cloned().collect::<Vec<_>>();
        let next = place.next;
        drop(place);
        events.sort_unstable_by_key(|event| event.number);
        let missed = next.saturating_sub(number) - events.len() as u64;
        Events { events, missed, next }
    }

    /// Blocks until `done` gives a value for the job as it is, which is asked at each event. No lock is held while it
    /// runs.
    pub fn wait_until<T>(&self, mut done: impl FnMut(&JobView) -> Option<T>) -> T {
        loop {
            let (view, next) = self.view_and_next();
            if let Some(value) = done(&view) {
                return value;
            }
            drop(self.place.1.wait_while(self.lock(), |place| place.next == next));
        }
    }

    /// Blocks until `done` gives a value, or `limit` has passed. No lock is held while it runs.
    pub fn wait_for<T>(&self, limit: Duration, mut done: impl FnMut(&JobView) -> Option<T>) -> Option<T> {
        let clock = RuntimeClock::start();
        loop {
            let (view, next) = self.view_and_next();
            let value = done(&view);
            let left = limit.saturating_sub(clock.now().since_start());
            if value.is_some() || left.is_zero() {
                return value;
            }
            drop(self.place.1.wait_timeout_while(self.lock(), left, |place| place.next == next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, FailureKind};
    use crate::ids::{Attempt, CheckpointId};

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn began(attempt: u64) -> JobEventKind {
        JobEventKind::AttemptBegan { attempt: Attempt(attempt), restored_from: None }
    }

    fn failed(attempt: u64) -> JobEventKind {
        let failure = Failure::of_job("counts", FailureKind::Panic, "it broke");
        JobEventKind::AttemptFailed { attempt: Attempt(attempt), failure }
    }

    fn completed(checkpoint: u64, attempt: u64) -> JobEventKind {
        let (checkpoint, attempt) = (CheckpointId(checkpoint), Attempt(attempt));
        JobEventKind::CheckpointCompleted(CheckpointView { checkpoint, attempt, duration: Duration::ZERO, bytes: 7 })
    }

    #[test]
    fn view_is_what_the_events_make_of_it() {
        let observed = Observed::default();
        observed.record(at(1), began(1));
        observed.record(at(2), JobEventKind::AttemptRunning { attempt: Attempt(1) });
        observed.record(at(5), JobEventKind::FirstRead { attempt: Attempt(1) });
        observed.record(at(3), JobEventKind::FirstRead { attempt: Attempt(1) });
        observed.record(at(4), JobEventKind::FirstRead { attempt: Attempt(1) });
        observed.record(at(6), completed(1, 1));
        observed.record(at(7), failed(1));
        let view = observed.view();
        assert_eq!((view.status, view.completed, view.attempts), (JobStatus::Restarting, 1, 1));
        let attempt = view.attempt.expect("it began");
        assert_eq!((attempt.first_read, attempt.completed, attempt.failed_at), (Some(at(3)), 1, Some(at(7))));

        observed.record(at(9), began(2));
        observed.record(at(10), completed(2, 2));
        observed.record(at(11), JobEventKind::Ended(JobStatus::Finished));
        let attempts = observed.attempts();
        let known = attempts.iter().map(|attempt| (attempt.attempt.0, attempt.began, attempt.completed));
        assert_eq!(known.collect::<Vec<_>>(), [(1, at(1), 1), (2, at(7), 1)]);
        let view = observed.view();
        assert_eq!((view.restarts(), view.status, view.ended), (1, JobStatus::Finished, Some(at(11))));
        assert_eq!(view.latest.map(|latest| latest.checkpoint), Some(CheckpointId(2)));
    }

    #[test]
    fn follower_sees_each_event_once_and_in_order() {
        let observed = Observed::default();
        observed.record(at(1), began(1));
        let first = observed.events_since(0);
        assert_eq!((first.events.len(), first.missed, first.next), (1, 0, 1));
        observed.record(at(2), completed(1, 1));
        observed.record(at(3), failed(1));
        observed.record(at(4), completed(2, 1));
        let then = observed.events_since(first.next);
        assert_eq!(then.events.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((then.missed, then.next), (0, 4));
        assert_eq!(observed.events_since(then.next).events.len(), 0);
        assert_eq!(observed.events_since(u64::MAX).missed, 0);
    }

    #[test]
    fn follower_that_was_too_slow_learns_how_many_events_it_missed() {
        let observed = Observed::keeping(10);
        observed.record(at(0), began(1));
        for checkpoint in 0..100 {
            observed.record(at(checkpoint), completed(checkpoint, 1));
        }
        let seen = observed.events_since(0);
        // Many checkpoints push no attempt out.
        let numbers = seen.events.iter().map(|event| event.number).collect::<Vec<_>>();
        assert_eq!(numbers, [0].into_iter().chain(91..101).collect::<Vec<_>>());
        assert_eq!((seen.missed, seen.next), (90, 101));
        let view = observed.view();
        assert_eq!((view.completed, view.checkpoint_bytes, observed.checkpoints().len()), (100, 700, 10));
    }

    #[test]
    fn subtasks_are_seen_as_they_are_and_go_with_their_attempt() {
        let observed = Observed::default();
        observed.record(at(0), began(1));
        let subtask = SubtaskId::new(0, 0);
        let meter = observed.meter(subtask);
        meter.slice(Duration::from_micros(3));
        assert_eq!(observed.view().subtasks[&subtask].slices, 1);
        meter.slice(Duration::from_micros(3));
        assert_eq!(observed.view().subtasks[&subtask].slices, 2);
        observed.record(at(1), began(2));
        assert!(observed.view().subtasks.is_empty());
    }

    #[test]
    fn who_waits_may_ask_for_the_view_in_another_way() {
        let observed = Observed::default();
        assert_eq!(observed.wait_until(|_| Some(observed.status())), JobStatus::Starting);
        let status = observed.wait_for(Duration::from_secs(60), |_| Some(observed.view().status));
        assert_eq!(status, Some(JobStatus::Starting));
        assert_eq!(observed.wait_for(Duration::ZERO, |_| None::<()>), None);
    }

    #[test]
    fn change_that_comes_while_the_view_is_looked_at_is_not_missed() {
        for limited in [false, true] {
            let observed = Observed::default();
            let mut looks = 0;
            let done = |view: &JobView| {
                looks += 1;
                if looks == 1 {
                    observed.record(at(1), completed(7, 1));
                }
                (view.completed == 1).then_some(())
            };
            match limited {
                false => observed.wait_until(done),
                true => observed.wait_for(Duration::from_secs(60), done).expect("it is there"),
            }
            assert_eq!(looks, 2);
        }
    }
}
