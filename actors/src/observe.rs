//! What can be seen of a job from outside: one value, written by the supervisor, read and waited for by anyone.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Failure;
use crate::ids::{Attempt, CheckpointId, SubtaskId};
use crate::time::Moment;
use crate::time_view::TimeViews;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// An attempt is being deployed.
    Starting,
    /// All subtasks run.
    Running,
    /// An attempt has failed; the next one comes after a delay.
    Restarting,
    /// The input has ended, and everything is committed.
    Finished,
    /// The job was stopped behind a final checkpoint.
    Stopped(CheckpointId),
    /// The job was cancelled.
    Cancelled,
    /// The job has failed for good.
    Failed(Failure),
}

impl JobStatus {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Starting | Self::Running | Self::Restarting)
    }
}

/// One deployment of the job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttemptView {
    /// Its number.
    pub attempt: Attempt,
    /// The completed checkpoint it started from.
    pub restored_from: Option<CheckpointId>,
    /// When the failure before it was noticed; for the first attempt, when the job was started.
    pub began: Moment,
    /// When a source began to read its first records.
    pub first_read: Option<Moment>,
    /// When its first record was processed at the end of the topology.
    pub first_record: Option<Moment>,
    /// The failure that ended it.
    pub failure: Option<Failure>,
    /// When that failure was noticed.
    pub failed_at: Option<Moment>,
}

/// One completed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointView {
    /// Its number.
    pub checkpoint: CheckpointId,
    /// The attempt that took it.
    pub attempt: Attempt,
    /// From the trigger to the announcement.
    pub duration: Duration,
    /// Bytes written durably.
    pub bytes: u64,
}

/// What one subtask says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubtaskView {
    /// Run slices so far.
    pub slices: u64,
    /// The longest run slice, by the clock on the wall: letters waited for as long as this.
    pub longest_slice: Duration,
    /// The most processor time that a run slice took, or up to half a millisecond more than that; zero where the system does
    /// not tell, and where time is virtual. It is less than [`Self::longest_slice`] where the thread did not work but wait: for
    /// a core, or for a function that blocks.
    pub longest_work: Duration,
    /// Slices that ended because an output had no credit.
    pub blocked: u64,
    /// The most batches that waited in its input queues at once.
    pub most_queued: usize,
    /// Whether its inputs have ended.
    pub drained: bool,
}

/// How many checkpoints, abandoned checkpoints and attempts are remembered at least.
pub const KEPT: usize = 50_000;

/// Adds to a list that must not grow for ever: at twice [`KEPT`] it forgets the older half.
pub(crate) fn remember<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= 2 * KEPT {
        list.drain(..KEPT);
    }
    list.push(entry);
}

/// A job as seen from outside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobView {
    /// Where it stands.
    pub status: JobStatus,
    /// Its deployments, oldest first.
    pub attempts: Vec<AttemptView>,
    /// How many checkpoints it has completed.
    pub completed: u64,
    /// The latest of its completed checkpoints, oldest first; at least [`KEPT`], if there are as many.
    pub checkpoints: Vec<CheckpointView>,
    /// Checkpoints that were given up, with the reason.
    pub abandoned: Vec<(CheckpointId, String)>,
    /// When it reached a final status.
    pub ended: Option<Moment>,
    /// The subtasks of the present attempt, as they were after their last report.
    pub subtasks: BTreeMap<SubtaskId, SubtaskView>,
}

/// The shared place of a [`JobView`].
#[derive(Clone)]
pub struct Observed {
    place: Arc<(Mutex<Place>, Condvar)>,
    time: TimeViews,
}

/// Where the view lies. Who reads it takes a share and lets go of the lock, so that it may ask anything of the job; the view
/// is copied only if it changes at that moment.
struct Place {
    view: Arc<JobView>,
    /// How often it has changed.
    changes: u64,
}

impl Default for Observed {
    fn default() -> Self {
        let view = JobView {
            status: JobStatus::Starting,
            attempts: Vec::new(),
            completed: 0,
            checkpoints: Vec::new(),
            abandoned: Vec::new(),
            ended: None,
            subtasks: BTreeMap::new(),
        };
        let place = Place { view: Arc::new(view), changes: 0 };
        Self { place: Arc::new((Mutex::new(place), Condvar::new())), time: TimeViews::default() }
    }
}

impl Observed {
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the subtasks say of event time.
    #[must_use]
    pub fn time(&self) -> &TimeViews {
        &self.time
    }

    /// Changes the view and wakes whoever waits.
    pub fn update(&self, change: impl FnOnce(&mut JobView)) {
        let mut place = self.lock();
        change(Arc::make_mut(&mut place.view));
        place.changes += 1;
        drop(place);
        self.place.1.notify_all();
    }

    /// Reads the view.
    pub fn read<T>(&self, read: impl FnOnce(&JobView) -> T) -> T {
        let view = Arc::clone(&self.lock().view);
        read(&view)
    }

    /// Blocks until `done` gives a value. No lock is held while it runs.
    pub fn wait_until<T>(&self, mut done: impl FnMut(&JobView) -> Option<T>) -> T {
        loop {
            let (view, changes) = {
                let place = self.lock();
                (Arc::clone(&place.view), place.changes)
            };
            if let Some(value) = done(&view) {
                return value;
            }
            drop(view);
            let changed = self.place.1.wait_while(self.lock(), |place| place.changes == changes);
            drop(changed);
        }
    }

    /// Blocks until `done` gives a value, or `limit` has passed. Only here `done` runs under a lock: it must not ask for the view
    /// in another way.
    pub fn wait_for<T>(&self, limit: Duration, mut done: impl FnMut(&JobView) -> Option<T>) -> Option<T> {
        let mut found = None;
        let wait = self.place.1.wait_timeout_while(self.lock(), limit, |place| {
            found = done(&place.view);
            found.is_none()
        });
        drop(wait);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_may_ask_for_the_view_in_another_way() {
        let observed = Observed::default();
        let status = observed.wait_until(|_| Some(observed.read(|view| view.status.clone())));
        assert_eq!(status, JobStatus::Starting);
    }

    #[test]
    fn change_that_comes_while_the_view_is_looked_at_is_not_missed() {
        let observed = Observed::default();
        let mut looks = 0;
        observed.wait_until(|view| {
            looks += 1;
            if looks == 1 {
                observed.update(|view| view.completed = 7);
            }
            (view.completed == 7).then_some(())
        });
        assert_eq!(looks, 2);
    }
}
