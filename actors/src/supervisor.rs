//! The actor that keeps a job alive: deploys an attempt, watches it, tears it down, and decides about the next.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler};
use actix_rt::{ArbiterHandle, System};

use crate::blueprint::Blueprint;
use crate::checkpoints::{Beginning, CheckpointStore};
use crate::deployment::{self, Prepared, Running};
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, panic_message};
use crate::faults::{Work, WorkKind};
use crate::ids::{Attempt, BlockId, SubtaskId};
use crate::job::JobConfig;
use crate::kill::{KillSwitch, Victim};
use crate::mail::{Command, Letter, Preparation, ToCoordinator, ToEnumerator, ToSubtask, ToSupervisor};
use crate::observe::{JobEventKind, JobStatus};
use crate::protocol::restart::{RestartDecider, RestartDecision};
use crate::sabotage::Sabotage;
use crate::standstill::StandstillWatch;
use crate::task::{TaskOpening, Wake};

/// What a supervisor is made of.
pub(crate) struct Setup {
    pub(crate) blueprint: Blueprint,
    pub(crate) config: JobConfig,
    pub(crate) store: Arc<dyn CheckpointStore>,
    pub(crate) environment: Environment,
    /// The threads that subtasks run on.
    pub(crate) arbiters: Vec<ArbiterHandle>,
}

/// Keeps one job alive.
pub(crate) struct Supervisor {
    setup: Setup,
    attempt: Attempt,
    phase: Phase,
    restarts: RestartDecider,
    random: u64,
    kill: KillSwitch,
    wanted: Wanted,
    /// Whether any attempt came as far as to run.
    has_run: bool,
}

/// What was asked for from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Running,
    Stop,
    Cancel,
}

enum Phase {
    /// The blocking part of a deployment.
    Preparing(Preparing),
    Running(Running),
    /// Actors are told to go away; what follows waits until they are gone.
    Clearing {
        left: BTreeSet<Option<SubtaskId>>,
        then: AfterClearing,
    },
    /// The next attempt comes after a delay.
    Delayed,
    Over,
}

#[derive(Default)]
struct Preparing {
    beginning: Option<Beginning>,
    prepared: Prepared,
    outstanding: usize,
    failure: Option<Failure>,
}

enum AfterClearing {
    Restart(Failure),
    End(JobStatus),
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.begin(ctx);
    }
}

impl Handler<Letter<ToSupervisor>> for Supervisor {
    type Result = ();

    fn handle(&mut self, letter: Letter<ToSupervisor>, ctx: &mut Context<Self>) {
        let is_old = letter.attempt != self.attempt && !self.setup.environment.sabotaged(Sabotage::KeepOldMail);
        if is_old || self.machine_is_dead() {
            return;
        }
        match letter.body {
            ToSupervisor::Prepared(step) => self.prepared(step, ctx),
            ToSupervisor::Failed(failure) => self.failed(failure),
            ToSupervisor::Gone(who) => self.gone(who, ctx),
            ToSupervisor::FirstRead(at) => {
                self.setup.environment.record_at(at, JobEventKind::FirstRead { attempt: self.attempt });
            }
            ToSupervisor::FirstRecord(at) => {
                self.setup.environment.record_at(at, JobEventKind::FirstRecord { attempt: self.attempt });
            }
            ToSupervisor::Finished => self.record_finish(ctx),
            ToSupervisor::Stopped(checkpoint) => self.clear(AfterClearing::End(JobStatus::Stopped(checkpoint))),
            ToSupervisor::FinishRecorded(Ok(())) => self.clear(AfterClearing::End(JobStatus::Finished)),
            ToSupervisor::FinishRecorded(Err(error)) => {
                self.failed(error.into_failure("end of the job", FailureKind::Error));
            }
        }
    }
}

impl Handler<Command> for Supervisor {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Context<Self>) {
        match (command, &self.phase) {
            (Command::Kill(victim), Phase::Running(running)) => {
                if victim == Victim::Coordinator {
                    running.coordinator.do_send(Letter { attempt: self.attempt, body: ToCoordinator::Kill });
                }
                for (id, (subtask, kill)) in &running.subtasks {
                    if victim == Victim::Subtask(*id) || victim == Victim::Block(id.block) {
                        kill.kill();
                        subtask.do_send(Letter { attempt: self.attempt, body: ToSubtask::Kill });
                    }
                }
            }
            (Command::Kill(_), _) => tracing::info!("nothing to kill: the job is not running"),
            (Command::Stop, phase) => {
                if self.wanted == Wanted::Running {
                    self.wanted = Wanted::Stop;
                }
                if let Phase::Running(running) = phase {
                    running.coordinator.do_send(Letter { attempt: self.attempt, body: ToCoordinator::Stop });
                }
            }
            (Command::Cancel, phase) => {
                self.wanted = Wanted::Cancel;
                match phase {
                    Phase::Running(_) => self.clear(AfterClearing::End(JobStatus::Cancelled)),
                    Phase::Delayed => self.begin(ctx),
                    _ => {}
                }
            }
        }
    }
}

impl Supervisor {
    pub(crate) fn new(setup: Setup) -> Self {
        let restarts = RestartDecider::new(setup.config.restart.clone());
        let random = setup.environment.seed;
        let (phase, kill) = (Phase::Delayed, setup.environment.machine.below());
        Self { setup, attempt: Attempt(0), phase, restarts, random, kill, wanted: Wanted::Running, has_run: false }
    }

    /// Whether the machine is dead. A dead machine takes the actor system with it, and nothing is cleared.
    fn machine_is_dead(&self) -> bool {
        let dead = self.setup.environment.machine.is_killed();
        if dead && let Some(system) = System::try_current() {
            system.stop();
        }
        dead
    }

    // ---- deployment, the part that blocks ----

    fn begin(&mut self, ctx: &mut Context<Self>) {
        if self.machine_is_dead() {
            return;
        }
        if self.wanted == Wanted::Cancel {
            return self.end(JobStatus::Cancelled);
        }
        self.phase = Phase::Preparing(Preparing { outstanding: 1, ..Preparing::default() });
        let store = Arc::clone(&self.setup.store);
        self.prepare(ctx, move || Preparation::Begun(store.begin_attempt()));
    }

    /// Runs one blocking step on the pool. A panic in it is an answer too.
    fn prepare(&self, ctx: &Context<Self>, step: impl FnOnce() -> Preparation + Send + 'static) {
        let (own, attempt) = (ctx.address(), self.attempt);
        let work = Work { kind: WorkKind::Prepare, subtask: None, checkpoint: None };
        self.setup.environment.run(work, move || {
            let step = catch_unwind(AssertUnwindSafe(step))
                .unwrap_or_else(|payload| Preparation::Panicked(panic_message(payload.as_ref())));
            own.do_send(Letter { attempt, body: ToSupervisor::Prepared(step) });
        });
    }

    fn prepared(&mut self, step: Preparation, ctx: &mut Context<Self>) {
        let Phase::Preparing(preparing) = &mut self.phase else { return };
        preparing.outstanding -= 1;
        let outcome = match step {
            Preparation::Begun(Ok(beginning)) => {
                self.attempt = beginning.attempt;
                preparing.beginning = Some(beginning.clone());
                self.open_all(&beginning, ctx);
                Ok(())
            }
            Preparation::Begun(Err(error)) => Err(error.into_failure("checkpoints", FailureKind::Error)),
            Preparation::Task(id, task, wake) => {
                task.map(|task| drop(preparing.prepared.tasks.insert(id, (task, wake))))
            }
            Preparation::Enumeration(block, opened) => {
                opened.map(|enumeration| drop(preparing.prepared.enumerations.insert(block, enumeration)))
            }
            Preparation::Panicked(message) => Err(Failure::of_job("deployment", FailureKind::Panic, message)),
        };
        let Phase::Preparing(preparing) = &mut self.phase else { return };
        if let Err(failure) = outcome {
            preparing.failure.get_or_insert(failure);
        }
        if preparing.outstanding > 0 {
            return;
        }
        let preparing = std::mem::take(preparing);
        if self.wanted == Wanted::Cancel {
            return self.end(JobStatus::Cancelled);
        }
        match (preparing.failure, preparing.beginning) {
            (None, Some(beginning)) => self.deploy(beginning, preparing.prepared, ctx),
            (Some(failure), _) => {
                self.note_failure(&failure);
                if self.has_run {
                    self.decide(failure, ctx);
                } else {
                    // What cannot even begin is told at once: an input that is not there, a directory that is full.
                    self.end(JobStatus::Failed(failure));
                }
            }
            (None, None) => {}
        }
    }

    fn open_all(&mut self, beginning: &Beginning, ctx: &Context<Self>) {
        let restored = beginning.restored.as_ref();
        let restored_from = restored.map(|manifest| manifest.checkpoint);
        let attempt = beginning.attempt;
        self.setup.environment.record(JobEventKind::AttemptBegan { attempt, restored_from });
        let mut outstanding = 0;
        for (block, blueprint) in self.setup.blueprint.blocks.iter().enumerate() {
            for index in 0..blueprint.parallelism {
                let subtask = SubtaskId::new(block as u32, index);
                let part = |manifest: &crate::checkpoints::Manifest| {
                    Some((manifest.checkpoint, manifest.subtasks.get(&subtask)?.clone()))
                };
                let (environment, wake) = (self.setup.environment.clone(), Wake::default());
                let restored = restored.and_then(part);
                let opening = TaskOpening { subtask, attempt, restored, environment, wake: wake.clone() };
                let tasks = Arc::clone(&blueprint.tasks);
                self.prepare(ctx, move || Preparation::Task(subtask, tasks.open(opening), wake));
                outstanding += 1;
            }
            if let Some(splits) = blueprint.splits.clone() {
                let block = BlockId(block as u32);
                let state = restored.and_then(|manifest| manifest.enumerators.get(&block).cloned());
                self.prepare(ctx, move || Preparation::Enumeration(block, splits.open(state.as_deref())));
                outstanding += 1;
            }
        }
        if let Phase::Preparing(preparing) = &mut self.phase {
            preparing.outstanding += outstanding;
        }
    }

    // ---- deployment, the part that starts actors ----

    fn deploy(&mut self, beginning: Beginning, prepared: Prepared, ctx: &mut Context<Self>) {
        self.setup.environment.observed.time().begin(&self.setup.environment.clock);
        let running = deployment::start(&self.setup, &self.kill.below(), &beginning, prepared, ctx.address());
        if self.wanted == Wanted::Stop {
            running.coordinator.do_send(Letter { attempt: self.attempt, body: ToCoordinator::Stop });
        }
        self.has_run = true;
        self.phase = Phase::Running(running);
        self.setup.environment.record(JobEventKind::AttemptRunning { attempt: self.attempt });
        self.watch_event_time(StandstillWatch::new(self.setup.config.standstill), ctx);
    }

    /// Looks again and again, for as long as the attempt runs, whether event time stands still.
    fn watch_event_time(&self, mut watch: StandstillWatch, ctx: &mut Context<Self>) {
        let Some(period) = watch.period() else { return };
        let attempt = self.attempt;
        ctx.run_later(period, move |this, ctx| {
            if this.attempt != attempt || !matches!(this.phase, Phase::Running(_)) || this.machine_is_dead() {
                return;
            }
            if let Some(reading) = this.setup.environment.observed.time().read() {
                for explanation in watch.look(&reading, &this.setup.blueprint) {
                    this.setup.environment.record(JobEventKind::EventTimeStandsStill(explanation));
                }
            }
            this.watch_event_time(watch, ctx);
        });
    }

    // ---- the end of an attempt ----

    fn note_failure(&self, failure: &Failure) {
        let (attempt, failure) = (self.attempt, failure.clone());
        self.setup.environment.record(JobEventKind::AttemptFailed { attempt, failure });
    }

    fn failed(&mut self, failure: Failure) {
        if matches!(self.phase, Phase::Running(_)) {
            self.note_failure(&failure);
            self.clear(AfterClearing::Restart(failure));
        }
    }

    fn gone(&mut self, who: Option<SubtaskId>, ctx: &mut Context<Self>) {
        if let Phase::Running(_) = self.phase {
            let name = |id: SubtaskId| self.setup.blueprint.blocks[id.block.0 as usize].name.clone();
            let operator = who.map_or_else(|| "coordinator".to_owned(), name);
            let failure = Failure::of_job(&operator, FailureKind::Killed, "was killed");
            self.failed(Failure { subtask: who, ..failure });
        }
        let Phase::Clearing { left, .. } = &mut self.phase else { return };
        left.remove(&who);
        if !left.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Clearing { then: AfterClearing::Restart(failure), .. } => self.decide(failure, ctx),
            Phase::Clearing { then: AfterClearing::End(status), .. } => self.end(status),
            _ => {}
        }
    }

    /// Tells all actors of the attempt to go away.
    fn clear(&mut self, then: AfterClearing) {
        let Phase::Running(running) = &self.phase else { return };
        let attempt = self.attempt;
        running.kill.kill();
        for (subtask, _) in running.subtasks.values() {
            subtask.do_send(Letter { attempt, body: ToSubtask::Dismiss });
        }
        for enumerator in &running.enumerators {
            enumerator.do_send(Letter { attempt, body: ToEnumerator::Dismiss });
        }
        running.coordinator.do_send(Letter { attempt, body: ToCoordinator::Dismiss });
        let left = running.subtasks.keys().map(|id| Some(*id)).chain([None]).collect();
        self.phase = Phase::Clearing { left, then };
    }

    fn decide(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        if self.wanted == Wanted::Cancel {
            return self.end(JobStatus::Cancelled);
        }
        if !failure.allows_restart() {
            return self.end(JobStatus::Failed(failure));
        }
        let random = self.next_random();
        match self.restarts.on_failure(self.setup.environment.clock.now(), random) {
            RestartDecision::RestartAfter(delay) => {
                self.setup.environment.record(JobEventKind::RestartScheduled { after: self.attempt, delay });
                if delay.is_zero() {
                    return self.begin(ctx);
                }
                self.phase = Phase::Delayed;
                ctx.run_later(delay, |this, ctx| {
                    if matches!(this.phase, Phase::Delayed) {
                        this.begin(ctx);
                    }
                });
            }
            RestartDecision::AlreadyScheduled => {}
            RestartDecision::GiveUp { reason } => {
                let message = format!("{}; {reason}", failure.message);
                self.end(JobStatus::Failed(Failure { message, ..failure }));
            }
        }
    }

    /// The next number of a SplitMix64 sequence, as a fraction.
    fn next_random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn record_finish(&self, ctx: &Context<Self>) {
        let (store, own, attempt) = (Arc::clone(&self.setup.store), ctx.address(), self.attempt);
        let work = Work { kind: WorkKind::Finish, subtask: None, checkpoint: None };
        self.setup.environment.run(work, move || {
            let body = ToSupervisor::FinishRecorded(store.finish());
            own.do_send(Letter { attempt, body });
        });
    }

    fn end(&mut self, status: JobStatus) {
        self.phase = Phase::Over;
        self.setup.environment.record(JobEventKind::Ended(status));
        if let Some(system) = System::try_current() {
            system.stop();
        }
    }
}
