//! What each subtask says of event time, in a place of its own that anybody may read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::{ChannelId, SubtaskId};
use crate::time::{Clock, Moment, Timestamp};

/// What a task says of event time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTime {
    /// The last watermark that it sent; [`Timestamp::NONE`] before the first.
    pub watermark: Timestamp,
    /// Whether it was idle when it said something last.
    pub is_idle: bool,
    /// What makes watermarks in its block, if anything does. Otherwise they come from its inputs.
    pub origin: Option<Origin>,
    /// The window that fires next.
    pub next_window: Option<NextWindow>,
    /// The splits that are read, if a source at the head of its block gives them names.
    pub splits: Option<Arc<[SplitView]>>,
}

impl TaskTime {
    /// Nothing was said.
    pub const SILENT: Self =
        Self { watermark: Timestamp::NONE, is_idle: false, origin: None, next_window: None, splits: None };
}

/// A split that a subtask reads, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitView {
    /// What people call it.
    pub name: Arc<str>,
    /// How far its reader had come when it was last asked; `None` if it does not say.
    pub position: Option<Arc<str>>,
    /// How much is left to read, as far as its reader knew then; `None` if it does not say.
    pub lag: Option<Arc<str>>,
}

impl fmt::Display for SplitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.name)?;
        match (&self.position, &self.lag) {
            (None, None) => Ok(()),
            (Some(position), None) => write!(f, " (at {position})"),
            (None, Some(lag)) => write!(f, " ({lag} left)"),
            (Some(position), Some(lag)) => write!(f, " (at {position}, {lag} left)"),
        }
    }
}

/// What makes the watermarks of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nothing: its source says none but what its input says.
    Source {
        /// The uid of the source.
        uid: Arc<str>,
    },
    /// The records that are read.
    Records {
        /// The split that holds the watermark back; none if no split does.
        held_by: Option<SplitTime>,
        /// The group for which the reader waits.
        waits_for: Option<GroupTime>,
    },
    /// The clock.
    Clock,
}

/// A split, as far as event time is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitTime {
    /// What is known of it; `None` for all input of a block that reads no splits.
    pub split: Option<SplitView>,
    /// What it has reached; [`Timestamp::NONE`] before its first watermark.
    pub watermark: Timestamp,
    /// About when it had its last record, in processing time; `None` if it had none in this attempt.
    pub last_record: Option<Timestamp>,
}

/// A group of readers that advance together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTime {
    /// Its name.
    pub name: Arc<str>,
    /// What its slowest reader has reached.
    pub slowest: Timestamp,
}

/// The earliest window of an operator that is open and has not fired at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NextWindow {
    /// The uid of the operator that keeps it.
    pub uid: Arc<str>,
    /// Its end. Where windows grow, none ends before.
    pub ends_at: Timestamp,
    /// Whether windows grow, so that this one may end later.
    pub grows: bool,
    /// What it waits for.
    pub waits_for: NextFiring,
}

impl NextWindow {
    /// A window of `uid` that ends at `ends_at`, and does not grow.
    #[must_use]
    pub fn new(uid: Arc<str>, ends_at: Timestamp, waits_for: NextFiring) -> Self {
        Self { uid, ends_at, grows: false, waits_for }
    }

    /// The same of windows that grow.
    #[must_use]
    pub fn growing(self) -> Self {
        Self { grows: true, ..self }
    }
}

/// What a window waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextFiring {
    /// It fires when the watermark has reached this time.
    AtWatermark(Timestamp),
    /// It fires when the clock has reached this time.
    AtClock(Timestamp),
    /// Its trigger decides, with each record, and at its timers.
    ByTrigger {
        /// The next time at which the watermark rings a timer of any window.
        watermark: Option<Timestamp>,
        /// The next time at which the clock rings a timer of any window.
        clock: Option<Timestamp>,
    },
    /// It never fires.
    Never,
}

/// The input channel that holds a subtask's watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBy {
    /// The channel.
    pub channel: ChannelId,
    /// The subtask that sends into it.
    pub sender: SubtaskId,
    /// What has come through it; [`Timestamp::NONE`] before the first watermark.
    pub watermark: Timestamp,
}

/// What one subtask says of event time, as it was at the end of its last run slice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeView {
    /// What its task says.
    pub task: TaskTime,
    /// When the watermark that it sent last came to be what it is.
    pub since: Moment,
    /// What its input channels together say; [`Timestamp::NONE`] before the first watermark.
    pub heard: Timestamp,
    /// The input channel that holds it back; none if no channel does.
    pub held_by: Option<HeldBy>,
    /// Since when it can take no input, because there is no room for what follows from it.
    pub blocked_since: Option<Moment>,
    /// Whether its inputs have ended.
    pub drained: bool,
}

/// The place of one subtask's view. Only the subtask writes.
#[derive(Debug, Clone)]
pub(crate) struct TimeCell(Arc<Mutex<TimeView>>);

impl TimeCell {
    fn lock(&self) -> MutexGuard<'_, TimeView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is true now.
    pub(crate) fn update(&self, now: Moment, change: impl FnOnce(&mut TimeView)) {
        let mut view = self.lock();
        let before = view.task.watermark;
        change(&mut view);
        if view.task.watermark != before {
            view.since = now;
        }
    }
}

/// The views of all subtasks of the present attempt.
#[derive(Clone, Default)]
pub struct TimeViews(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    clock: Option<Arc<dyn Clock>>,
    by_subtask: BTreeMap<SubtaskId, TimeCell>,
}

impl TimeViews {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins: nothing has been said.
    pub(crate) fn begin(&self, clock: &Arc<dyn Clock>) {
        *self.lock() = Places { clock: Some(Arc::clone(clock)), by_subtask: BTreeMap::new() };
    }

    /// Makes the place of `subtask`.
    pub(crate) fn cell(&self, subtask: SubtaskId) -> TimeCell {
        let mut places = self.lock();
        let since = places.clock.as_ref().map_or(Moment::ZERO, |clock| clock.now());
        let view = TimeView {
            task: TaskTime::SILENT,
            since,
            heard: Timestamp::NONE,
            held_by: None,
            blocked_since: None,
            drained: false,
        };
        let cell = TimeCell(Arc::new(Mutex::new(view)));
        places.by_subtask.insert(subtask, cell.clone());
        cell
    }

    /// What the subtasks say, and the present: none before the first attempt.
    #[must_use]
    pub fn read(&self) -> Option<TimeReading> {
        let places = self.lock();
        let clock = places.clock.as_ref()?;
        let views = places.by_subtask.iter().map(|(subtask, cell)| (*subtask, cell.lock().clone())).collect();
        Some(TimeReading { now: clock.now(), processing_time: clock.processing_time(), views })
    }
}

impl fmt::Debug for TimeViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.lock().by_subtask.iter()).finish()
    }
}

/// What the subtasks of a job say of event time at one moment; nothing, unless it runs.
#[derive(Debug, Clone)]
pub struct TimeReading {
    /// The moment.
    pub now: Moment,
    /// The same in processing time.
    pub processing_time: Timestamp,
    /// By subtask.
    pub views: BTreeMap<SubtaskId, TimeView>,
}

impl Default for TimeReading {
    fn default() -> Self {
        Self { now: Moment::ZERO, processing_time: Timestamp::NONE, views: BTreeMap::new() }
    }
}
