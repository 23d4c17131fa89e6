//! Decides when the checkpoint rounds of one attempt open, complete and fail, and when their failures fail the job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::error::SeamError;
use crate::ids::{CheckpointId, SubtaskId};
use crate::protocol::invariant::{Invariant, check};
use crate::time::Moment;

/// How often checkpoints are taken and how much may go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundsConfig {
    /// The time from the start of one round to the start of the next; `None` opens rounds only on request. Default
    /// 10 s.
    pub interval: Option<Duration>,
    /// The least time from the end of one round to the start of the next. Above zero, it also keeps rounds from running
    /// side by side. Final and stop rounds do not wait for it. Default zero.
    pub min_pause: Duration,
    /// How long a round may wait for the answers of the subtasks. Default 10 min.
    pub timeout: Duration,
    /// How many rounds may run at a time; 0 counts as 1. Default 1.
    pub max_concurrent: usize,
    /// How many rounds in a row may fail; one more fails the job. Default 0.
    pub tolerable_failures: u32,
}

/// The pause behind a round that failed, doubled with each one that fails behind it.
const FIRST_RETRY: Duration = Duration::from_millis(10);
/// The longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(1);

impl Default for RoundsConfig {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(10)),
            min_pause: Duration::ZERO,
            timeout: Duration::from_secs(10 * 60),
            max_concurrent: 1,
            tolerable_failures: 0,
        }
    }
}

/// Why a round is opened, from the least to the most pressing.
///
/// Requests that wait at the same time are answered by one round of the most pressing kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoundKind {
    /// The interval is over, or somebody asked. Asked for, it waits for the minimum pause but not for the interval.
    Periodic,
    /// A subtask asked, because its memory is short. It waits for the minimum pause but not for the interval.
    Early,
    /// All subtasks have drained their input. It waits only for a free place.
    Final,
    /// The job stops with this checkpoint. It waits until no round is running; no other round opens after it.
    Stop,
}

impl fmt::Display for RoundKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Periodic => "periodic",
            Self::Early => "early",
            Self::Final => "final",
            Self::Stop => "stop",
        })
    }
}

/// What the coordinator is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundEvent {
    /// Time has passed; due at [`Rounds::next_deadline`], harmless at any other time.
    Tick,
    /// Somebody wants a round.
    Requested {
        /// What for.
        kind: RoundKind,
    },
    /// The snapshot of a subtask is durable.
    Acked {
        /// The round it belongs to.
        checkpoint: CheckpointId,
        /// The subtask that took it.
        subtask: SubtaskId,
    },
    /// A subtask cannot take its snapshot.
    Declined {
        /// The round it belongs to.
        checkpoint: CheckpointId,
        /// The subtask that declined.
        subtask: SubtaskId,
        /// Why.
        reason: SeamError,
    },
    /// The manifest of a round is durable.
    Published {
        /// The round.
        checkpoint: CheckpointId,
    },
    /// The manifest of a round could not be made durable.
    PublishFailed {
        /// The round.
        checkpoint: CheckpointId,
        /// Why.
        reason: SeamError,
    },
}

/// What the coordinator must do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundAction {
    /// A round opened: tell every subtask.
    Trigger {
        /// The round.
        checkpoint: CheckpointId,
        /// Why it opened.
        kind: RoundKind,
    },
    /// Every subtask has answered: make the manifest durable, then say so with [`RoundEvent::Published`].
    Publish {
        /// The round.
        checkpoint: CheckpointId,
    },
    /// The checkpoint is complete: tell every subtask, and release what it replaces.
    Announce {
        /// The round.
        checkpoint: CheckpointId,
    },
    /// The round is given up: tell every subtask.
    Abandon {
        /// The round.
        checkpoint: CheckpointId,
        /// Why.
        reason: AbandonReason,
        /// The subtasks that had not answered.
        missing: Vec<SubtaskId>,
    },
    /// Too many rounds in a row have failed, or one in a way that no other round can mend: fail the attempt. Nothing is
    /// decided after this.
    GiveUp {
        /// The last failure, and both numbers.
        reason: String,
        /// How many rounds in a row have failed.
        failures: u32,
        /// The error that made the last one fail, if it was one.
        cause: Option<SeamError>,
    },
}

/// Why a round was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbandonReason {
    /// A subtask could not take its snapshot.
    Declined {
        /// The subtask.
        subtask: SubtaskId,
        /// Why it could not.
        reason: SeamError,
    },
    /// The subtasks did not answer in time.
    Expired {
        /// The timeout.
        timeout: Duration,
    },
    /// The manifest could not be made durable.
    PublishFailed {
        /// What the store answered.
        reason: SeamError,
    },
    /// A newer checkpoint is complete. This is not a failure.
    Subsumed {
        /// The newer checkpoint.
        by: CheckpointId,
    },
}

impl fmt::Display for AbandonReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined { subtask, reason } => write!(f, "declined by subtask {subtask}: {reason}"),
            Self::Expired { timeout } => write!(f, "expired after {timeout:?}"),
            Self::PublishFailed { reason } => write!(f, "could not be published: {reason}"),
            Self::Subsumed { by } => write!(f, "subsumed by checkpoint {by}"),
        }
    }
}

#[derive(Debug, Clone)]
struct Round {
    kind: RoundKind,
    opened: Moment,
    missing: BTreeSet<SubtaskId>,
    is_publishing: bool,
}

/// The checkpoint rounds of one attempt.
///
/// # State
/// The rounds that run, each with the subtasks it waits for, and the most pressing request that waits.
///
/// # Source
/// `docs/semantics.md`, section 5; the pacing is that of Flink's checkpoint coordinator.
#[derive(Debug, Clone)]
pub struct Rounds {
    config: RoundsConfig,
    subtasks: BTreeSet<SubtaskId>,
    next: CheckpointId,
    running: BTreeMap<CheckpointId, Round>,
    /// The most pressing request that no round has answered yet.
    wanted: Option<RoundKind>,
    /// When the last round opened; before the first, when the attempt began.
    last_start: Moment,
    /// When the last round ended, well or not.
    last_end: Option<Moment>,
    /// No round opens before: the last one failed.
    retry_at: Moment,
    last_announced: Option<CheckpointId>,
    /// Rounds that failed since the last one that completed.
    failures: u32,
    is_stopping: bool,
    /// A final round is complete: there is nothing left to take a snapshot of.
    is_over: bool,
    gave_up: bool,
}

impl Rounds {
    /// Starts the rounds of an attempt at `now`; the first will be `first`, and every one waits for all `subtasks`.
    #[must_use]
    pub fn new(
        config: RoundsConfig,
        subtasks: impl IntoIterator<Item = SubtaskId>,
        first: CheckpointId,
        now: Moment,
    ) -> Self {
        Self {
            config,
            subtasks: subtasks.into_iter().collect(),
            next: first,
            running: BTreeMap::new(),
            wanted: None,
            last_start: now,
            last_end: None,
            retry_at: Moment::ZERO,
            last_announced: None,
            failures: 0,
            is_stopping: false,
            is_over: false,
            gave_up: false,
        }
    }

    /// Advances by one event.
    ///
    /// Answers that no running round waits for are ignored: of rounds that ended, of unknown subtasks, and repeats.
    /// Rounds expire at a [`RoundEvent::Tick`] and at no other event, so an answer that comes before it still counts.
    #[must_use = "the actions are not performed by the rounds themselves"]
    pub fn step(&mut self, event: RoundEvent, now: Moment) -> Vec<RoundAction> {
        let mut actions = Vec::new();
        if self.gave_up {
            return actions;
        }
        match event {
            RoundEvent::Tick => self.expire(now, &mut actions),
            RoundEvent::Requested { kind } => self.request(kind),
            RoundEvent::Acked { checkpoint, subtask } => {
                if let Some(round) = self.running.get_mut(&checkpoint) {
                    round.missing.remove(&subtask);
                }
            }
            RoundEvent::Declined { checkpoint, subtask, reason } => {
                if self.running.get(&checkpoint).is_some_and(|round| round.missing.contains(&subtask)) {
                    self.fail(checkpoint, AbandonReason::Declined { subtask, reason }, now, &mut actions);
                }
            }
            RoundEvent::Published { checkpoint } => {
                if self.is_publishing(checkpoint) {
                    self.complete(checkpoint, now, &mut actions);
                }
            }
            RoundEvent::PublishFailed { checkpoint, reason } => {
                if self.is_publishing(checkpoint) {
                    self.fail(checkpoint, AbandonReason::PublishFailed { reason }, now, &mut actions);
                }
            }
        }
        self.open(now, &mut actions);
        self.publish(&mut actions);
        actions
    }

    /// When the next [`RoundEvent::Tick`] is due, if no other event comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let expiry = self.running.values().filter_map(|round| self.expires_at(round)).min();
        let opening = self.next_opening().map(|(at, _)| at);
        expiry.into_iter().chain(opening).min().filter(|_| !self.gave_up)
    }

    fn request(&mut self, kind: RoundKind) {
        // Invariant CP-7: what is asked for after the stop round opened is never opened.
        if !self.is_stopping {
            self.wanted = self.wanted.max(Some(kind));
        }
    }

    /// When the next round may open, as things stand, and of which kind it will be.
    fn next_opening(&self) -> Option<(Moment, RoundKind)> {
        self.next_wanted().map(|(at, kind)| (at.max(self.retry_at), kind))
    }

    /// The same, failures left aside.
    fn next_wanted(&self) -> Option<(Moment, RoundKind)> {
        if self.is_over || self.running.len() >= self.config.max_concurrent.max(1) {
            return None;
        }
        match self.wanted {
            // A round that still runs when the stop round opens could complete after it.
            Some(RoundKind::Stop) => self.running.is_empty().then_some((Moment::ZERO, RoundKind::Stop)),
            Some(RoundKind::Final) => Some((Moment::ZERO, RoundKind::Final)),
            Some(kind) => Some((self.rested_at()?, kind)),
            None if self.is_stopping => None,
            None => {
                let due = self.last_start + self.config.interval?;
                Some((due.max(self.rested_at()?), RoundKind::Periodic))
            }
        }
    }

    /// When the minimum pause is over; unknown while a round runs.
    fn rested_at(&self) -> Option<Moment> {
        if self.config.min_pause.is_zero() {
            return Some(Moment::ZERO);
        }
        self.running.is_empty().then(|| self.last_end.map_or(Moment::ZERO, |end| end + self.config.min_pause))
    }

    fn open(&mut self, now: Moment, actions: &mut Vec<RoundAction>) {
        let Some((_, kind)) = self.next_opening().filter(|(at, _)| *at <= now && !self.gave_up) else {
            return;
        };
        check!(Invariant::NothingOpensAfterStop, !self.is_stopping || kind == RoundKind::Stop, "{kind} {}", self.next);
        let checkpoint = self.next;
        self.next = checkpoint.next();
        self.wanted = None;
        self.last_start = now;
        self.is_stopping |= kind == RoundKind::Stop;
        let round = Round { kind, opened: now, missing: self.subtasks.clone(), is_publishing: false };
        self.running.insert(checkpoint, round);
        actions.push(RoundAction::Trigger { checkpoint, kind });
    }

    /// Publishes the oldest round that every subtask has answered, unless another is being published.
    ///
    /// One at a time, so that checkpoints become durable in the order in which they are announced (CP-6).
    fn publish(&mut self, actions: &mut Vec<RoundAction>) {
        if self.gave_up || self.running.values().any(|round| round.is_publishing) {
            return;
        }
        if let Some((checkpoint, round)) = self.running.iter_mut().find(|(_, round)| round.missing.is_empty()) {
            round.is_publishing = true;
            actions.push(RoundAction::Publish { checkpoint: *checkpoint });
        }
    }

    fn is_publishing(&self, checkpoint: CheckpointId) -> bool {
        self.running.get(&checkpoint).is_some_and(|round| round.is_publishing)
    }

    /// Announces a round that is published, and gives up the older ones, which nobody needs any more.
    fn complete(&mut self, checkpoint: CheckpointId, now: Moment, actions: &mut Vec<RoundAction>) {
        check!(Invariant::AnnounceAfterPublish, self.is_publishing(checkpoint), "checkpoint {checkpoint}");
        check!(
            Invariant::AnnouncementsIncrease,
            self.last_announced < Some(checkpoint),
            "checkpoint {checkpoint} after {:?}",
            self.last_announced
        );
        let round = self.running.remove(&checkpoint);
        self.is_over |= round.is_some_and(|round| round.kind == RoundKind::Final);
        self.last_announced = Some(checkpoint);
        self.last_end = Some(now);
        (self.failures, self.retry_at) = (0, Moment::ZERO);
        actions.push(RoundAction::Announce { checkpoint });

        let newer = self.running.split_off(&checkpoint);
        for (older, round) in std::mem::replace(&mut self.running, newer) {
            if round.kind == RoundKind::Final {
                // The job ends with a final checkpoint and with no other, so somebody still waits for one.
                self.wanted = self.wanted.max(Some(RoundKind::Final));
            }
            let reason = AbandonReason::Subsumed { by: checkpoint };
            let missing = round.missing.into_iter().collect();
            actions.push(RoundAction::Abandon { checkpoint: older, reason, missing });
        }
    }

    fn expire(&mut self, now: Moment, actions: &mut Vec<RoundAction>) {
        let is_late = |round: &Round| self.expires_at(round).is_some_and(|at| at <= now);
        let late: Vec<_> = self.running.iter().filter(|(_, round)| is_late(round)).map(|(id, _)| *id).collect();
        for checkpoint in late {
            if !self.gave_up {
                self.fail(checkpoint, AbandonReason::Expired { timeout: self.config.timeout }, now, actions);
            }
        }
    }

    /// When the round is out of time; never once every subtask has answered.
    fn expires_at(&self, round: &Round) -> Option<Moment> {
        (!round.missing.is_empty()).then(|| round.opened + self.config.timeout)
    }

    fn fail(&mut self, checkpoint: CheckpointId, reason: AbandonReason, now: Moment, actions: &mut Vec<RoundAction>) {
        let Some(round) = self.running.remove(&checkpoint) else {
            return;
        };
        self.last_end = Some(now);
        self.failures = self.failures.saturating_add(1);
        // What made the round fail may take a while to go away, and a round that is wanted would open at once.
        let doublings = (self.failures - 1).min(16);
        self.retry_at = now + FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
        if round.kind > RoundKind::Periodic {
            // Somebody waits for this kind of checkpoint, not for an attempt at it.
            self.wanted = self.wanted.max(Some(round.kind));
        }
        let (failures, tolerable) = (self.failures, self.config.tolerable_failures);
        let cause = match &reason {
            AbandonReason::Declined { reason, .. } | AbandonReason::PublishFailed { reason } => Some(reason.clone()),
            AbandonReason::Expired { .. } | AbandonReason::Subsumed { .. } => None,
        };
        // What can't be trusted, or is wrong in itself, is no failure that others may follow.
        let is_final = cause.as_ref().is_some_and(|cause| !cause.is_transient());
        let verdict = (is_final || failures > tolerable).then(|| {
            let in_a_row = format!(" (failed checkpoints in a row: {failures}, tolerable: {tolerable})");
            let in_a_row = if is_final { String::new() } else { in_a_row };
            RoundAction::GiveUp { reason: format!("checkpoint {checkpoint} {reason}{in_a_row}"), failures, cause }
        });
        self.gave_up = verdict.is_some();
        actions.push(RoundAction::Abandon { checkpoint, reason, missing: round.missing.into_iter().collect() });
        actions.extend(verdict);
    }
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
