//! Faults as values: what goes wrong, for whom, and when.

use std::fmt;
use std::time::Duration;

/// One thing that goes wrong in a simulated run.
///
/// A fault strikes once, unless [`Fault::always`] says otherwise. One that is never due changes nothing; which faults
/// struck is told by [`Run::struck`](super::Run::struck).
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use millstream::actors::faults::CrashPoint;
/// use millstream::testing::{Fault, Target};
///
/// let faults = [
///     Fault::kill(Target::subtask("counts", 1)).at(CrashPoint::AfterSnapshot),
///     Fault::kill(Target::block("counts")).at_record(100),
///     Fault::kill(Target::Coordinator).at_checkpoint(3, CrashPoint::BeforePublish),
///     Fault::kill(Target::Job).at_time(Duration::from_millis(200)),
///     Fault::power_loss().at_checkpoint(2, CrashPoint::AfterPersist),
///     Fault::panic(Target::subtask("counts", 0)).at_record(17),
///     Fault::fail_write(Target::block("counts")).nth(3),
///     Fault::fail_commit(Target::block("results")).always(),
///     Fault::slow_commit(Target::block("results"), Duration::from_secs(2)),
///     Fault::late_ack(Target::subtask("counts", 0), Duration::from_secs(2)),
/// ];
/// assert_eq!(faults[0].to_string(), "kill subtask 1 of 'counts' at AfterSnapshot");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) effect: Effect,
    pub(super) target: Target,
    pub(super) trigger: Trigger,
    pub(super) always: bool,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Actors die, or the process.
    Kill,
    /// The machine dies, with what was written and not synced.
    PowerLoss,
    /// Something panics.
    Panic,
    /// Something fails.
    Fail,
    /// Blocking work begins late.
    Delay(WorkKind, Duration),
}

/// For whom something goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One subtask of the block that has the operator, source or sink with this uid.
    Subtask {
        /// The uid.
        uid: String,
        /// The position of the subtask, counted from 0.
        index: u32,
    },
    /// All subtasks of the block that has this uid. What does not concern all at once concerns the first that is due.
    Block {
        /// The uid.
        uid: String,
    },
    /// The checkpoint coordinator.
    Coordinator,
    /// The process with all of the job. A new one is started, and resumes.
    Job,
}

/// When something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// At the n-th time that the target passes the point, counted from 1.
    Passing { point: CrashPoint, nth: u64 },
    /// When the target passes the point for the n-th checkpoint of the run, counted from 1.
    Checkpoint { nth: u64, point: CrashPoint },
    /// When a subtask has taken this many records in one attempt.
    Record(u64),
    /// When the run has come to this virtual time.
    Time(Duration),
    /// At the n-th piece of such work, counted from 1.
    Work { nth: u64 },
}

impl Target {
    /// Subtask `index` of the block that has the operator, source or sink `uid`.
    #[must_use]
    pub fn subtask(uid: &str, index: u32) -> Self {
        Self::Subtask { uid: uid.to_owned(), index }
    }

    /// All subtasks of the block that has the operator, source or sink `uid`.
    #[must_use]
    pub fn block(uid: &str) -> Self {
        Self::Block { uid: uid.to_owned() }
    }
}

impl Fault {
    fn new(effect: Effect, target: Target, trigger: Trigger) -> Self {
        Self { effect, target, trigger, always: false }
    }

    /// The target dies. If nothing else is said, when it has opened.
    #[must_use]
    pub fn kill(target: Target) -> Self {
        Self::new(Effect::Kill, target, Trigger::Passing { point: CrashPoint::Opened, nth: 1 })
    }

    /// The machine dies, and what was written to state and not synced is lost, or torn. A new process resumes. If
    /// nothing else is said, when the first subtask has written its snapshot.
    #[must_use]
    pub fn power_loss() -> Self {
        Self::new(Effect::PowerLoss, Target::Job, Trigger::Passing { point: CrashPoint::AfterPersist, nth: 1 })
    }

    /// A user function of the target panics. If nothing else is said, at the first record.
    #[must_use]
    pub fn panic(target: Target) -> Self {
        Self::new(Effect::Panic, target, Trigger::Record(0))
    }

    /// A durable write of the target's state fails: the first, if nothing else is said.
    #[must_use]
    pub fn fail_write(target: Target) -> Self {
        Self::new(Effect::Fail, target, Trigger::Passing { point: CrashPoint::BeforePersist, nth: 1 })
    }

    /// A commit of the target's sinks fails: the first, if nothing else is said.
    #[must_use]
    pub fn fail_commit(target: Target) -> Self {
        Self::new(Effect::Fail, target, Trigger::Passing { point: CrashPoint::Committing, nth: 1 })
    }

    /// A manifest cannot be written: the first, if nothing else is said.
    #[must_use]
    pub fn fail_publish() -> Self {
        Self::new(Effect::Fail, Target::Coordinator, Trigger::Passing { point: CrashPoint::BeforePublish, nth: 1 })
    }

    /// A commit of the target's sinks begins late: the first, if nothing else is said.
    #[must_use]
    pub fn slow_commit(target: Target, by: Duration) -> Self {
        Self::new(Effect::Delay(WorkKind::Commit, by), target, Trigger::Work { nth: 1 })
    }

    /// A durable write of the target's state begins late: the first, if nothing else is said.
    #[must_use]
    pub fn slow_write(target: Target, by: Duration) -> Self {
        Self::new(Effect::Delay(WorkKind::Persist, by), target, Trigger::Work { nth: 1 })
    }

    /// A manifest is written late: the first, if nothing else is said. The attempt that asked for it may be over by then.
    #[must_use]
    pub fn slow_publish(by: Duration) -> Self {
        Self::new(Effect::Delay(WorkKind::Publish, by), Target::Coordinator, Trigger::Work { nth: 1 })
    }

    /// An answer of the target to the coordinator comes late: the first, if nothing else is said.
    #[must_use]
    pub fn late_ack(target: Target, by: Duration) -> Self {
        Self::new(Effect::Delay(WorkKind::Acknowledge, by), target, Trigger::Work { nth: 1 })
    }

    /// Strikes when the target passes `point`.
    #[must_use]
    pub fn at(self, point: CrashPoint) -> Self {
        Self { trigger: Trigger::Passing { point, nth: 1 }, ..self }
    }

    /// Strikes when the target passes `point` for the `nth` checkpoint of the run, counted from 1.
    #[must_use]
    pub fn at_checkpoint(self, nth: u64, point: CrashPoint) -> Self {
        Self { trigger: Trigger::Checkpoint { nth, point }, ..self }
    }

    /// Strikes when a subtask of the target has taken `records` records in one attempt: before the next one.
    #[must_use]
    pub fn at_record(self, records: u64) -> Self {
        Self { trigger: Trigger::Record(records), ..self }
    }

    /// Strikes at this virtual time.
    #[must_use]
    pub fn at_time(self, time: Duration) -> Self {
        Self { trigger: Trigger::Time(time), ..self }
    }

    /// Strikes at the `n`-th occasion, counted from 1, where it would strike at the first.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        if let Trigger::Passing { nth, .. } | Trigger::Work { nth } = &mut self.trigger {
            *nth = n;
        }
        self
    }

    /// Strikes at that occasion, and at each one after it.
    #[must_use]
    pub fn always(self) -> Self {
        Self { always: true, ..self }
    }

    /// What it does to an actor that it strikes, if it strikes actors.
    pub(super) fn strike(&self) -> Option<Strike> {
        match self.effect {
            Effect::Kill | Effect::PowerLoss => Some(Strike::Kill),
            Effect::Panic => Some(Strike::Panic),
            Effect::Fail => Some(Strike::Fail),
            Effect::Delay(..) => None,
        }
    }

    /// Whether it ends the process.
    pub(super) fn ends_process(&self) -> bool {
        self.effect == Effect::PowerLoss || self.effect == Effect::Kill && self.target == Target::Job
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subtask { uid, index } => write!(f, "subtask {index} of '{uid}'"),
            Self::Block { uid } => write!(f, "the block of '{uid}'"),
            Self::Coordinator => f.write_str("the coordinator"),
            Self::Job => f.write_str("the job"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match self.effect {
            Effect::Kill => write!(f, "kill {target}"),
            Effect::PowerLoss => f.write_str("cut the power"),
            Effect::Panic => write!(f, "panic in {target}"),
            Effect::Fail => write!(f, "failure of {target}"),
            Effect::Delay(kind, by) => write!(f, "{kind:?} of {target} late by {by:?}"),
        }?;
        match self.trigger {
            Trigger::Passing { point, nth: 1 } => write!(f, " at {point:?}"),
            Trigger::Passing { point, nth } => write!(f, " at {point:?} number {nth}"),
            Trigger::Checkpoint { nth, point } => write!(f, " at {point:?} of checkpoint {nth}"),
            Trigger::Record(records) => write!(f, " behind record {records}"),
            Trigger::Time(time) => write!(f, " at {time:?}"),
            Trigger::Work { nth } => write!(f, ", number {nth}"),
        }?;
        if self.always { f.write_str(" and from then on") } else { Ok(()) }
    }
}
use millstream_actors::faults::{CrashPoint, Strike, WorkKind};
