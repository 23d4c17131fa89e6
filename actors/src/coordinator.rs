//! The actor that drives the checkpoint rounds of one attempt: the shell of [`protocol::rounds`](crate::protocol::rounds).

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler};

use crate::alarms::Alarms;
use crate::checkpoints::{CheckpointStore, Manifest};
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, SeamError, panic_message};
use crate::faults::{CrashPoint, Passing, Strike, Work, WorkKind};
use crate::ids::{Attempt, BlockId, CheckpointId, SubtaskId};
use crate::mail::{Letter, Routes, ToCoordinator, ToEnumerator, ToSubtask, ToSupervisor};
use crate::observe::{CheckpointView, JobEventKind};
use crate::protocol::rounds::{RoundAction, RoundEvent, RoundKind, Rounds, RoundsConfig};
use crate::sabotage::Sabotage;
use crate::supervisor::Supervisor;
use crate::task::SubtaskSnapshot;
use crate::time::Moment;

/// What a coordinator is made of.
pub(crate) struct Setup {
    pub(crate) attempt: Attempt,
    pub(crate) rounds: RoundsConfig,
    pub(crate) first: CheckpointId,
    pub(crate) store: Arc<dyn CheckpointStore>,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) environment: Environment,
}

/// Chance may let a tick come later by so many parts of its time.
const CHANCE_OF_LATENESS: u32 = 8;

/// Drives the checkpoint rounds of one attempt.
pub(crate) struct Coordinator {
    setup: Setup,
    deployed: Option<Deployed>,
    /// What subtasks said before the coordinator knew that all of them run.
    early: Vec<ToCoordinator>,
    /// The alarms for ticks to come.
    alarms: Alarms,
    gone: Gone,
}

/// What there is once all subtasks run.
struct Deployed {
    routes: Routes,
    rounds: Rounds,
    /// The rounds that are open, published or not.
    open: BTreeMap<CheckpointId, Round>,
    drained: BTreeSet<SubtaskId>,
    /// The last checkpoint of the job: when all have committed it, the job ends.
    last: Option<Last>,
}

struct Round {
    kind: RoundKind,
    triggered: Moment,
    subtasks: BTreeMap<SubtaskId, SubtaskSnapshot>,
    enumerators: BTreeMap<BlockId, Vec<u8>>,
    oldest: Option<CheckpointId>,
}

struct Last {
    checkpoint: CheckpointId,
    kind: RoundKind,
    unsettled: BTreeSet<SubtaskId>,
}

struct Gone {
    attempt: Attempt,
    supervisor: Addr<Supervisor>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.supervisor.do_send(Letter { attempt: self.attempt, body: ToSupervisor::Gone(None) });
    }
}

impl Actor for Coordinator {
    type Context = Context<Self>;
}

impl Handler<Letter<ToCoordinator>> for Coordinator {
    type Result = ();

    fn handle(&mut self, letter: Letter<ToCoordinator>, ctx: &mut Context<Self>) {
        // CP-5: an answer of an earlier attempt describes state that no longer exists.
        if letter.attempt != self.setup.attempt && !self.setup.environment.sabotaged(Sabotage::KeepOldMail) {
            return;
        }
        match letter.body {
            ToCoordinator::Deployed(routes) => self.deploy(routes, ctx),
            ToCoordinator::Kill | ToCoordinator::Dismiss => ctx.terminate(),
            body if self.deployed.is_none() => self.early.push(body),
            body => self.hear(body, ctx),
        }
    }
}

impl Coordinator {
    pub(crate) fn new(setup: Setup) -> Self {
        let gone = Gone { attempt: setup.attempt, supervisor: setup.supervisor.clone() };
        Self { setup, deployed: None, early: Vec::new(), alarms: Alarms::default(), gone }
    }

    fn hear(&mut self, body: ToCoordinator, ctx: &mut Context<Self>) {
        match body {
            ToCoordinator::Acked { checkpoint, subtask, snapshot } => {
                if let Some(round) = self.round(checkpoint) {
                    round.subtasks.insert(subtask, snapshot);
                }
                self.advance(RoundEvent::Acked { checkpoint, subtask }, ctx);
            }
            ToCoordinator::Declined { checkpoint, subtask, reason } => {
                self.advance(RoundEvent::Declined { checkpoint, subtask, reason }, ctx);
            }
            ToCoordinator::Enumerated { checkpoint, block, state } => {
                if let Some(round) = self.round(checkpoint) {
                    round.enumerators.insert(block, state);
                }
            }
            ToCoordinator::Published { checkpoint, outcome } => self.published(checkpoint, outcome, ctx),
            ToCoordinator::Settled { checkpoint, subtask } => self.settled(checkpoint, subtask),
            ToCoordinator::Drained(subtask) => self.drained(subtask, ctx),
            ToCoordinator::Pressure => self.advance(RoundEvent::Requested { kind: RoundKind::Early }, ctx),
            ToCoordinator::Stop => self.advance(RoundEvent::Requested { kind: RoundKind::Stop }, ctx),
            ToCoordinator::Deployed(_) | ToCoordinator::Kill | ToCoordinator::Dismiss => {}
        }
    }

    fn deploy(&mut self, routes: Routes, ctx: &mut Context<Self>) {
        let subtasks = routes.subtasks.keys().copied().collect::<Vec<_>>();
        let now = self.setup.environment.clock.now();
        let rounds = Rounds::new(self.setup.rounds.clone(), subtasks, self.setup.first, now);
        let (open, drained) = (BTreeMap::new(), BTreeSet::new());
        self.deployed = Some(Deployed { routes, rounds, open, drained, last: None });
        self.advance(RoundEvent::Tick, ctx);
        for body in std::mem::take(&mut self.early) {
            self.hear(body, ctx);
        }
    }

    fn round(&mut self, checkpoint: CheckpointId) -> Option<&mut Round> {
        self.deployed.as_mut()?.open.get_mut(&checkpoint)
    }

    /// Feeds one event to the protocol, performs its answers in order, and sets the alarm for the next tick.
    fn advance(&mut self, event: RoundEvent, ctx: &mut Context<Self>) {
        let Some(deployed) = &mut self.deployed else { return };
        let now = self.setup.environment.clock.now();
        for action in deployed.rounds.step(event, now) {
            match action {
                RoundAction::Trigger { checkpoint, kind } => self.trigger(checkpoint, kind, now),
                RoundAction::Publish { checkpoint } => {
                    if !self.publish(checkpoint, ctx) {
                        return;
                    }
                }
                RoundAction::Announce { checkpoint } => self.announce(checkpoint, now),
                RoundAction::Abandon { checkpoint, reason, missing } => {
                    let missing = missing.iter().map(SubtaskId::to_string).collect::<Vec<_>>().join(", ");
                    self.abandon(checkpoint, format!("{reason} (missing: {missing})"));
                }
                RoundAction::GiveUp { reason, cause, .. } => {
                    let failure = match cause {
                        Some(cause) => cause.into_failure("checkpoints", FailureKind::Checkpoint),
                        None => Failure::of_job("checkpoints", FailureKind::Checkpoint, ""),
                    };
                    let failure = Failure { message: reason, ..failure };
                    self.tell_supervisor(ToSupervisor::Failed(failure));
                }
            }
        }
        self.set_alarm(now, ctx);
    }

    /// Sees to it that the next tick comes in time. A tick too many changes nothing.
    fn set_alarm(&mut self, now: Moment, ctx: &mut Context<Self>) {
        let deadline = self.deployed.as_ref().and_then(|deployed| deployed.rounds.next_deadline());
        let Some(at) = deadline.filter(|at| self.alarms.needs(*at)) else { return };
        // Chance may let a tick come late.
        let lateness =
            at.since(now) / CHANCE_OF_LATENESS * self.setup.environment.choose(CHANCE_OF_LATENESS as usize) as u32;
        ctx.run_later(at.since(now) + lateness, move |this, ctx| {
            this.alarms.rang(at);
            this.advance(RoundEvent::Tick, ctx);
        });
    }

    fn tell_supervisor(&self, body: ToSupervisor) {
        self.setup.supervisor.do_send(Letter { attempt: self.setup.attempt, body });
    }

    fn strikes(&self, point: CrashPoint, checkpoint: CheckpointId) -> Option<Strike> {
        let passing = Passing { point, subtask: None, attempt: self.setup.attempt, checkpoint: Some(checkpoint) };
        self.setup.environment.strikes(passing)
    }

    fn trigger(&mut self, checkpoint: CheckpointId, kind: RoundKind, now: Moment) {
        let (attempt, suspend) = (self.setup.attempt, kind == RoundKind::Stop);
        let Some(deployed) = &mut self.deployed else { return };
        let (subtasks, enumerators) = (BTreeMap::new(), BTreeMap::new());
        deployed.open.insert(checkpoint, Round { kind, triggered: now, subtasks, enumerators, oldest: None });
        for enumerator in deployed.routes.enumerators.values() {
            enumerator.do_send(Letter { attempt, body: ToEnumerator::Trigger { checkpoint, suspend } });
        }
        for (id, subtask) in &deployed.routes.subtasks {
            if !deployed.routes.enumerators.contains_key(&id.block) {
                subtask.do_send(Letter { attempt, body: ToSubtask::Trigger { checkpoint, suspend } });
            }
        }
    }

    /// Hands the manifest to the pool. False if a fault has ended the actor.
    fn publish(&mut self, checkpoint: CheckpointId, ctx: &mut Context<Self>) -> bool {
        match self.strikes(CrashPoint::BeforePublish, checkpoint) {
            None => {}
            Some(Strike::Fail) => {
                let (outcome, attempt) = (Err(SeamError::transient("a fault struck")), self.setup.attempt);
                ctx.notify(Letter { attempt, body: ToCoordinator::Published { checkpoint, outcome } });
                return true;
            }
            Some(Strike::Kill | Strike::Panic) => {
                ctx.terminate();
                return false;
            }
        }
        let attempt = self.setup.attempt;
        let Some(round) = self.round(checkpoint) else { return true };
        let (subtasks, enumerators) = (round.subtasks.clone(), round.enumerators.clone());
        let manifest = Manifest { checkpoint, attempt, subtasks, enumerators };
        if self.setup.environment.sabotaged(Sabotage::AnnounceBeforePublishing) {
            self.tell_completed(checkpoint, checkpoint);
        }
        let (store, own) = (Arc::clone(&self.setup.store), ctx.address());
        let work = Work { kind: WorkKind::Publish, subtask: None, checkpoint: Some(checkpoint) };
        self.setup.environment.run(work, move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| store.publish(&manifest)))
                .unwrap_or_else(|payload| Err(SeamError::transient(panic_message(payload.as_ref()))));
            own.do_send(Letter { attempt, body: ToCoordinator::Published { checkpoint, outcome } });
        });
        true
    }

    fn published(
        &mut self,
        checkpoint: CheckpointId,
        outcome: Result<CheckpointId, SeamError>,
        ctx: &mut Context<Self>,
    ) {
        match outcome {
            Ok(oldest) => {
                if self.strikes(CrashPoint::AfterPublish, checkpoint).is_some() {
                    return ctx.terminate();
                }
                if let Some(round) = self.round(checkpoint) {
                    round.oldest = Some(oldest);
                }
                self.advance(RoundEvent::Published { checkpoint }, ctx);
            }
            Err(reason) => self.advance(RoundEvent::PublishFailed { checkpoint, reason }, ctx),
        }
    }

    fn announce(&mut self, checkpoint: CheckpointId, now: Moment) {
        let attempt = self.setup.attempt;
        let Some(deployed) = &mut self.deployed else { return };
        let Some(round) = deployed.open.remove(&checkpoint) else { return };
        let oldest = round.oldest.unwrap_or(checkpoint);
        if matches!(round.kind, RoundKind::Final | RoundKind::Stop) {
            let unsettled = deployed.routes.subtasks.keys().copied().collect();
            deployed.last = Some(Last { checkpoint, kind: round.kind, unsettled });
        }
        self.tell_completed(checkpoint, oldest);
        let bytes = round.subtasks.values().map(|snapshot| snapshot.bytes + snapshot.state.len() as u64).sum();
        let view = CheckpointView { checkpoint, attempt, duration: now.since(round.triggered), bytes };
        self.setup.environment.record(JobEventKind::CheckpointCompleted(view));
    }

    fn tell_completed(&self, checkpoint: CheckpointId, oldest: CheckpointId) {
        let attempt = self.setup.attempt;
        for subtask in self.deployed.iter().flat_map(|deployed| deployed.routes.subtasks.values()) {
            subtask.do_send(Letter { attempt, body: ToSubtask::Completed { checkpoint, oldest } });
        }
    }

    fn abandon(&mut self, checkpoint: CheckpointId, reason: String) {
        let attempt = self.setup.attempt;
        let Some(deployed) = &mut self.deployed else { return };
        deployed.open.remove(&checkpoint);
        for subtask in deployed.routes.subtasks.values() {
            subtask.do_send(Letter { attempt, body: ToSubtask::Abandon(checkpoint) });
        }
        self.setup.environment.record(JobEventKind::CheckpointAbandoned { checkpoint, attempt, reason });
    }

    fn drained(&mut self, subtask: SubtaskId, ctx: &mut Context<Self>) {
        let Some(deployed) = &mut self.deployed else { return };
        self.setup.environment.record(JobEventKind::SubtaskDrained { subtask });
        deployed.drained.insert(subtask);
        if deployed.drained.len() == deployed.routes.subtasks.len() {
            self.advance(RoundEvent::Requested { kind: RoundKind::Final }, ctx);
        }
    }

    fn settled(&mut self, checkpoint: CheckpointId, subtask: SubtaskId) {
        let Some(last) = self.deployed.as_mut().and_then(|deployed| deployed.last.as_mut()) else { return };
        // What a later checkpoint completes includes what the last one did.
        if checkpoint < last.checkpoint || !last.unsettled.remove(&subtask) || !last.unsettled.is_empty() {
            return;
        }
        let body = match last.kind {
            RoundKind::Stop => ToSupervisor::Stopped(checkpoint),
            _ => ToSupervisor::Finished,
        };
        self.gone.supervisor.do_send(Letter { attempt: self.setup.attempt, body });
    }
}
