//! The actor that keeps a job alive: deploys an attempt, watches it, tears it down, and decides about the next.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use actix_rt::{ArbiterHandle, System};

use crate::blueprint::Blueprint;
use crate::channel::{Credits, Deliver, Outputs, Sender};
use crate::checkpoints::{Beginning, CheckpointStore};
use crate::coordinator::{self, Coordinator};
use crate::enumerator::Enumerator;
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, panic_message};
use crate::ids::{Attempt, BlockId, ChannelId, SubtaskId};
use crate::job::JobConfig;
use crate::kill::KillSwitch;
use crate::mail::{Command, Letter, Preparation, Routes, ToCoordinator, ToEnumerator, ToSubtask, ToSupervisor};
use crate::observe::{AttemptView, JobStatus, Observed, remember};
use crate::protocol::restart::{RestartDecider, RestartDecision};
use crate::subtask::{self, Meet, Subtask};
use crate::task::{Enumeration, Task, TaskOpening};

/// What a supervisor is made of.
pub(crate) struct Setup {
    pub(crate) blueprint: Blueprint,
    pub(crate) config: JobConfig,
    pub(crate) store: Arc<dyn CheckpointStore>,
    pub(crate) environment: Environment,
    pub(crate) observed: Observed,
    /// The threads that subtasks run on.
    pub(crate) arbiters: Vec<ArbiterHandle>,
}

/// Batches in flight that every channel may have: one on its way while another is processed.
const LEAST_CREDITS: usize = 2;

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
    tasks: BTreeMap<SubtaskId, Box<dyn Task>>,
    enumerations: BTreeMap<BlockId, Box<dyn Enumeration>>,
    outstanding: usize,
    failure: Option<Failure>,
}

struct Running {
    kill: KillSwitch,
    subtasks: BTreeMap<SubtaskId, (Addr<Subtask>, KillSwitch)>,
    enumerators: Vec<Addr<Enumerator>>,
    coordinator: Addr<Coordinator>,
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
        if letter.attempt != self.attempt {
            return;
        }
        match letter.body {
            ToSupervisor::Prepared(step) => self.prepared(step, ctx),
            ToSupervisor::Failed(failure) => self.failed(failure),
            ToSupervisor::Gone(who) => self.gone(who, ctx),
            ToSupervisor::FirstRecord(at) => self.setup.observed.update(|job| {
                if let Some(last) = job.attempts.last_mut() {
                    last.first_record = Some(last.first_record.map_or(at, |first| first.min(at)));
                }
            }),
            ToSupervisor::Report(subtask, view) => self.setup.observed.update(|job| {
                job.subtasks.insert(subtask, view);
            }),
            ToSupervisor::Finished => self.record_finish(ctx),
            ToSupervisor::Stopped(checkpoint) => self.clear(AfterClearing::End(JobStatus::Stopped(checkpoint))),
            ToSupervisor::FinishRecorded(Ok(())) => self.clear(AfterClearing::End(JobStatus::Finished)),
            ToSupervisor::FinishRecorded(Err(message)) => {
                self.failed(Failure::of_job("end of the job", FailureKind::Error, message));
            }
        }
    }
}

impl Handler<Command> for Supervisor {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Context<Self>) {
        match (command, &self.phase) {
            (Command::Kill(victim), Phase::Running(running)) => match victim {
                None => running.coordinator.do_send(Letter { attempt: self.attempt, body: ToCoordinator::Kill }),
                Some(victim) => {
                    if let Some((subtask, kill)) = running.subtasks.get(&victim) {
                        kill.kill();
                        subtask.do_send(Letter { attempt: self.attempt, body: ToSubtask::Kill });
                    }
                }
            },
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
        let (phase, kill) = (Phase::Delayed, KillSwitch::default());
        Self { setup, attempt: Attempt(0), phase, restarts, random, kill, wanted: Wanted::Running, has_run: false }
    }

    // ---- deployment, the part that blocks ----

    fn begin(&mut self, ctx: &mut Context<Self>) {
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
        self.setup.environment.pool.run(Box::new(move || {
            let step = catch_unwind(AssertUnwindSafe(step))
                .unwrap_or_else(|payload| Preparation::Panicked(panic_message(payload.as_ref())));
            own.do_send(Letter { attempt, body: ToSupervisor::Prepared(step) });
        }));
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
            Preparation::Begun(Err(message)) => Err(Failure::of_job("checkpoints", FailureKind::Untrusted, message)),
            Preparation::Task(id, task) => task.map(|task| drop(preparing.tasks.insert(id, task))),
            Preparation::Enumeration(block, opened) => {
                opened.map(|enumeration| drop(preparing.enumerations.insert(block, enumeration)))
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
            (None, Some(beginning)) => self.deploy(beginning, preparing.tasks, preparing.enumerations, ctx),
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
        let now = self.setup.environment.clock.now();
        let restored_from = restored.map(|manifest| manifest.checkpoint);
        let attempt = beginning.attempt;
        tracing::info!(%attempt, ?restored_from, "attempt begins");
        self.setup.observed.update(|job| {
            let began = job.attempts.last().and_then(|last| last.failed_at).unwrap_or(now);
            let (first_record, failure, failed_at) = (None, None, None);
            let view = AttemptView { attempt, restored_from, began, first_record, failure, failed_at };
            remember(&mut job.attempts, view);
            job.subtasks.clear();
        });
        let mut outstanding = 0;
        for (block, blueprint) in self.setup.blueprint.blocks.iter().enumerate() {
            for index in 0..blueprint.parallelism {
                let subtask = SubtaskId::new(block as u32, index);
                let part = |manifest: &crate::checkpoints::Manifest| {
                    Some((manifest.checkpoint, manifest.subtasks.get(&subtask)?.clone()))
                };
                let opening = TaskOpening { subtask, attempt, restored: restored.and_then(part) };
                let tasks = Arc::clone(&blueprint.tasks);
                self.prepare(ctx, move || Preparation::Task(subtask, tasks.open(opening)));
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

    fn deploy(
        &mut self,
        beginning: Beginning,
        mut tasks: BTreeMap<SubtaskId, Box<dyn Task>>,
        enumerations: BTreeMap<BlockId, Box<dyn Enumeration>>,
        ctx: &mut Context<Self>,
    ) {
        let attempt = self.attempt;
        let kill = self.kill.below();
        let coordinator = Coordinator::new(coordinator::Setup {
            attempt,
            rounds: self.setup.config.rounds.clone(),
            first: beginning.next_checkpoint,
            store: Arc::clone(&self.setup.store),
            supervisor: ctx.address(),
            environment: self.setup.environment.clone(),
            observed: self.setup.observed.clone(),
        })
        .start();
        let drained = |id: SubtaskId| {
            let part = beginning.restored.as_ref().and_then(|manifest| manifest.subtasks.get(&id));
            part.is_some_and(|part| part.drained)
        };
        let wiring = Wiring::of(&self.setup.blueprint);
        let mut subtasks = BTreeMap::<SubtaskId, (Addr<Subtask>, KillSwitch)>::new();
        // Receivers first: a sender knows the addresses it sends to from its birth.
        while let Some((id, task)) = tasks.pop_last() {
            let (mut credits, mut edges) = (Vec::new(), Vec::new());
            for channels in wiring.outgoing(id) {
                edges.push(
                    channels
                        .iter()
                        .map(|&(receiver, channel)| {
                            let address = subtasks[&receiver].0.clone();
                            let deliver: Deliver = Arc::new(move |packet| {
                                address.do_send(Letter { attempt, body: ToSubtask::Packet(packet) });
                            });
                            let shared_by = wiring.incoming(receiver);
                            let channel_credits =
                                Credits::new((self.setup.config.credits / shared_by).max(LEAST_CREDITS));
                            credits.push(channel_credits.clone());
                            Sender::new(channel, channel_credits, deliver)
                        })
                        .collect(),
                );
            }
            let block = &self.setup.blueprint.blocks[id.block.0 as usize];
            let own_kill = kill.below();
            let setup = subtask::Setup {
                id,
                block: block.name.clone(),
                attempt,
                task,
                channels: wiring.incoming(id),
                outputs: Outputs::new(edges),
                credits,
                coordinator: coordinator.clone(),
                supervisor: ctx.address(),
                kill: own_kill.clone(),
                environment: self.setup.environment.clone(),
                drained: drained(id),
                is_source: block.splits.is_some(),
            };
            let arbiter = &self.setup.arbiters[id.index as usize % self.setup.arbiters.len()];
            let address = Subtask::start_in_arbiter(arbiter, move |ctx| Subtask::new(setup, ctx.address()));
            subtasks.insert(id, (address, own_kill));
        }
        let mut enumerators = BTreeMap::new();
        for (block, enumeration) in enumerations {
            let of_block = subtasks.iter().filter(|(id, _)| id.block == block);
            let readers = of_block.map(|(id, (address, _))| (*id, address.clone())).collect::<Vec<_>>();
            let (coordinator, supervisor) = (coordinator.clone(), ctx.address());
            let enumerator =
                Enumerator { attempt, block, enumeration, readers: readers.clone(), coordinator, supervisor }.start();
            for (_, reader) in readers {
                reader.do_send(Meet { enumerator: enumerator.clone() });
            }
            enumerators.insert(block, enumerator);
        }
        let routes = Routes {
            subtasks: subtasks.iter().map(|(id, (address, _))| (*id, address.clone())).collect(),
            enumerators: enumerators.clone(),
        };
        coordinator.do_send(Letter { attempt, body: ToCoordinator::Deployed(routes) });
        if self.wanted == Wanted::Stop {
            coordinator.do_send(Letter { attempt, body: ToCoordinator::Stop });
        }
        let enumerators = enumerators.into_values().collect();
        self.has_run = true;
        self.phase = Phase::Running(Running { kill, subtasks, enumerators, coordinator });
        self.setup.observed.update(|job| job.status = JobStatus::Running);
    }

    // ---- the end of an attempt ----

    fn note_failure(&self, failure: &Failure) {
        tracing::warn!(attempt = %self.attempt, %failure, "attempt failed");
        let now = self.setup.environment.clock.now();
        self.setup.observed.update(|job| {
            job.status = JobStatus::Restarting;
            if let Some(last) = job.attempts.last_mut() {
                last.failure.get_or_insert_with(|| failure.clone());
                last.failed_at.get_or_insert(now);
            }
        });
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
            self.failed(Failure {
                subtask: who,
                operator,
                kind: FailureKind::Killed,
                message: "was killed".to_owned(),
            });
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
            RestartDecision::RestartAfter(delay) if delay.is_zero() => self.begin(ctx),
            RestartDecision::RestartAfter(delay) => {
                tracing::info!(?delay, "restart is scheduled");
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
        self.setup.environment.pool.run(Box::new(move || {
            let body = ToSupervisor::FinishRecorded(store.finish());
            own.do_send(Letter { attempt, body });
        }));
    }

    fn end(&mut self, status: JobStatus) {
        self.phase = Phase::Over;
        tracing::info!(?status, "job ends");
        let now = self.setup.environment.clock.now();
        self.setup.observed.update(|job| {
            job.status = status;
            job.ended = Some(now);
        });
        if let Some(system) = System::try_current() {
            system.stop();
        }
    }
}

/// The channels of a blueprint, numbered per receiver.
struct Wiring {
    /// Per sender, per outgoing edge, the receivers and the channels they know it by.
    outgoing: BTreeMap<SubtaskId, Vec<Vec<(SubtaskId, ChannelId)>>>,
    incoming: BTreeMap<SubtaskId, u32>,
}

impl Wiring {
    fn of(blueprint: &Blueprint) -> Self {
        let mut wiring = Self { outgoing: BTreeMap::new(), incoming: BTreeMap::new() };
        for edge in &blueprint.edges {
            let senders = blueprint.blocks[edge.from.0 as usize].parallelism;
            let receivers = blueprint.blocks[edge.to.0 as usize].parallelism;
            for sender in 0..senders {
                let channels = edge.pattern.receivers(sender, senders, receivers).into_iter().map(|receiver| {
                    let receiver = SubtaskId { block: edge.to, index: receiver };
                    let next = wiring.incoming.entry(receiver).or_default();
                    let channel = ChannelId(*next);
                    *next += 1;
                    (receiver, channel)
                });
                let sender = SubtaskId { block: edge.from, index: sender };
                wiring.outgoing.entry(sender).or_default().push(channels.collect());
            }
        }
        wiring
    }

    fn outgoing(&self, sender: SubtaskId) -> &[Vec<(SubtaskId, ChannelId)>] {
        self.outgoing.get(&sender).map_or(&[], Vec::as_slice)
    }

    fn incoming(&self, receiver: SubtaskId) -> usize {
        self.incoming.get(&receiver).map_or(0, |&channels| channels as usize)
    }
}
