//! The actor that hosts one task: sorts mail into input queues, works in slices, aligns barriers, reports its end.
//!
//! A handler never blocks and never waits. Records are worked on in *run slices*, each of bounded length, between which
//! every letter is answered; a slice without input or without output credit ends, and the next letter wakes the actor.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as PollContext, Poll};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};

use crate::channel::{Credits, Outputs, Permit};
use crate::coordinator::Coordinator;
use crate::enumerator::Enumerator;
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, panic_message};
use crate::ids::{Attempt, ChannelId, CheckpointId, SubtaskId};
use crate::kill::{CrashPoint, KillSwitch, Passing};
use crate::mail::{Letter, ToCoordinator, ToEnumerator, ToSubtask, ToSupervisor};
use crate::observe::SubtaskView;
use crate::packet::{Item, Packet, Rows, Signal};
use crate::protocol::alignment::{Alignment, AlignmentAction, AlignmentEvent};
use crate::protocol::valve::{ValveEvent, ValveOutput, WatermarkValve};
use crate::supervisor::Supervisor;
use crate::task::{Pressure, SubtaskSnapshot, Task, TaskEvent, Then};
use crate::time::Moment;

/// A run slice ends behind the first chunk that ends later than this after its beginning: letters are answered within a
/// millisecond, and every actor of a thread gets its turn.
const SLICE: Duration = Duration::from_micros(500);

/// Records taken between two looks at the clock.
const CHUNK_RECORDS: usize = 512;

/// What a subtask is made of.
pub(crate) struct Setup {
    pub(crate) id: SubtaskId,
    /// Its block, as failures name it.
    pub(crate) block: String,
    pub(crate) attempt: Attempt,
    pub(crate) task: Box<dyn Task>,
    pub(crate) channels: usize,
    pub(crate) outputs: Outputs,
    /// The credits of `outputs`, to be woken by.
    pub(crate) credits: Vec<Credits>,
    pub(crate) coordinator: Addr<Coordinator>,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) kill: KillSwitch,
    pub(crate) environment: Environment,
    /// Whether the snapshot it starts from was taken behind the end of its inputs.
    pub(crate) drained: bool,
    /// Whether it is a subtask of a source.
    pub(crate) is_source: bool,
}

/// One parallel instance of a block.
pub(crate) struct Subtask {
    setup: Setup,
    own: Addr<Subtask>,
    queues: Vec<VecDeque<Item>>,
    next_queue: usize,
    alignment: Alignment,
    valve: WatermarkValve,
    /// Set while a batch is in hand.
    in_hand: Option<Permit>,
    persisting: Persisting,
    committing: bool,
    completed: Option<(CheckpointId, CheckpointId)>,
    background_runs: bool,
    asked_for_checkpoint: bool,
    reader: Reader,
    drained: bool,
    slice_scheduled: bool,
    /// When the actor will be woken to read on, if it waits for that.
    alarm: Option<Moment>,
    saw_record: bool,
    view: SubtaskView,
    _gone: Gone,
}

/// What a source's subtask has of its enumerator.
enum Reader {
    /// It is no source, or has nothing more to read.
    None,
    /// The enumerator is not known yet.
    Waiting,
    /// It reads its splits.
    Reading(Addr<Enumerator>),
    /// It has asked for a split.
    Asked(Addr<Enumerator>),
    /// A stop has been asked for: it reads nothing more.
    Suspended,
}

enum Persisting {
    No,
    /// The snapshot is being encoded, a part per slice.
    Encoding {
        checkpoint: CheckpointId,
        drained: bool,
    },
    /// The job runs on the pool.
    Writing,
}

/// Why an actor ends in the middle of its work.
enum Ended {
    Failed(Failure),
    Struck,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What follows a slice.
enum Next {
    Again,
    Sleep,
    SleepFor(Duration),
}

/// Tells the supervisor that the actor is gone, however it went.
struct Gone {
    attempt: Attempt,
    subtask: SubtaskId,
    supervisor: Addr<Supervisor>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        let body = ToSupervisor::Gone(Some(self.subtask));
        self.supervisor.do_send(Letter { attempt: self.attempt, body });
    }
}

/// Gives other actors of the thread their turn: ready at the second poll.
struct Yield {
    yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Actor for Subtask {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for credits in std::mem::take(&mut self.setup.credits) {
            let (own, attempt) = (self.own.clone(), self.setup.attempt);
            credits.on_release(move || own.do_send(Letter { attempt, body: ToSubtask::CreditReturned }));
        }
        self.guarded(ctx, |this| {
            this.pass(CrashPoint::Opened, None)?;
            if this.setup.drained {
                this.reader = Reader::None;
                this.drain_done()?;
            }
            Ok(())
        });
        self.schedule(ctx);
    }
}

impl Handler<Letter<ToSubtask>> for Subtask {
    type Result = ();

    fn handle(&mut self, letter: Letter<ToSubtask>, ctx: &mut Context<Self>) {
        if letter.attempt != self.setup.attempt {
            return;
        }
        match letter.body {
            ToSubtask::Packet(Packet { channel, item }) => {
                self.queues[channel.index()].push_back(item);
                let queued = self.queues.iter().map(VecDeque::len).sum();
                self.view.most_queued = self.view.most_queued.max(queued);
            }
            ToSubtask::CreditReturned => {}
            ToSubtask::Trigger { checkpoint, suspend } => self.guarded(ctx, |this| {
                this.align(AlignmentEvent::Triggered { checkpoint })?;
                if suspend && this.setup.is_source && !this.drained {
                    this.reader = Reader::Suspended;
                }
                Ok(())
            }),
            ToSubtask::Abandon(checkpoint) => {
                self.guarded(ctx, |this| this.align(AlignmentEvent::Abandoned { checkpoint }));
            }
            ToSubtask::Completed { checkpoint, oldest } => {
                self.completed = Some((checkpoint, oldest));
                self.guarded(ctx, Self::commit);
            }
            ToSubtask::Split(split) => self.guarded(ctx, |this| this.take_split(split)),
            ToSubtask::Persisted { checkpoint, outcome } => {
                self.guarded(ctx, |this| this.persisted(checkpoint, outcome))
            }
            ToSubtask::Committed { checkpoint, outcome } => {
                self.guarded(ctx, |this| this.committed(checkpoint, outcome))
            }
            ToSubtask::BackgroundDone(outcome) => self.guarded(ctx, |this| {
                this.background_runs = false;
                let now = this.setup.environment.clock.now();
                Ok(this.setup.task.background_done(outcome, now)?)
            }),
            ToSubtask::Kill | ToSubtask::Dismiss => return ctx.terminate(),
        }
        self.schedule(ctx);
    }
}

/// Gives a source's subtask its enumerator, which is made after it.
pub(crate) struct Meet {
    pub(crate) enumerator: Addr<Enumerator>,
}

impl actix::Message for Meet {
    type Result = ();
}

impl Handler<Meet> for Subtask {
    type Result = ();

    fn handle(&mut self, meeting: Meet, ctx: &mut Context<Self>) {
        if matches!(self.reader, Reader::Waiting) {
            self.reader = Reader::Reading(meeting.enumerator);
        }
        self.schedule(ctx);
    }
}

impl Subtask {
    /// Makes the actor; `own` is its address.
    pub(crate) fn new(setup: Setup, own: Addr<Self>) -> Self {
        let gone = Gone { attempt: setup.attempt, subtask: setup.id, supervisor: setup.supervisor.clone() };
        Self {
            own,
            queues: (0..setup.channels).map(|_| VecDeque::new()).collect(),
            next_queue: 0,
            alignment: Alignment::new(setup.channels),
            valve: WatermarkValve::new(setup.channels),
            in_hand: None,
            persisting: Persisting::No,
            committing: false,
            completed: None,
            background_runs: false,
            asked_for_checkpoint: false,
            reader: if setup.is_source { Reader::Waiting } else { Reader::None },
            drained: false,
            slice_scheduled: false,
            alarm: None,
            saw_record: false,
            view: SubtaskView::default(),
            setup,
            _gone: gone,
        }
    }

    /// Does `work`; a panic, a failure or a fault in it ends the actor.
    fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self) -> Result<(), Ended>) {
        let ended = match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(Ok(())) => return,
            Ok(Err(ended)) => ended,
            Err(payload) => Ended::Failed(self.failure(FailureKind::Panic, panic_message(payload.as_ref()))),
        };
        if let Ended::Failed(mut failure) = ended {
            failure.subtask = Some(self.setup.id);
            self.tell_supervisor(ToSupervisor::Failed(failure));
        }
        ctx.terminate();
    }

    fn failure(&self, kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure::of_subtask(self.setup.id, &self.setup.block, kind, message)
    }

    fn pass(&self, point: CrashPoint, checkpoint: Option<CheckpointId>) -> Result<(), Ended> {
        let passing = Passing { point, subtask: Some(self.setup.id), attempt: self.setup.attempt, checkpoint };
        if self.setup.environment.strikes(passing) { Err(Ended::Struck) } else { Ok(()) }
    }

    fn tell_supervisor(&self, body: ToSupervisor) {
        self.setup.supervisor.do_send(Letter { attempt: self.setup.attempt, body });
    }

    fn tell_coordinator(&self, body: ToCoordinator) {
        self.setup.coordinator.do_send(Letter { attempt: self.setup.attempt, body });
    }

    // ---- run slices ----

    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.slice_scheduled, true) {
            // A letter to oneself would be handled in the same poll of the mailbox, and starve the thread's other actors.
            let turn = Yield { yielded: false }.into_actor(self).map(|(), this: &mut Self, ctx| this.slice(ctx));
            ctx.spawn(turn);
        }
    }

    fn slice(&mut self, ctx: &mut Context<Self>) {
        self.slice_scheduled = false;
        if self.setup.kill.is_killed() {
            return ctx.terminate();
        }
        let began = self.setup.environment.clock.now();
        let mut next = Next::Sleep;
        self.guarded(ctx, |this| {
            next = this.work()?;
            Ok(())
        });
        self.view.slices += 1;
        self.view.longest_slice = self.view.longest_slice.max(self.setup.environment.clock.now().since(began));
        match next {
            Next::Again => self.schedule(ctx),
            Next::Sleep => {}
            Next::SleepFor(time) => self.sleep_for(time, ctx),
        }
    }

    /// Sets an alarm, unless an earlier one is set. Alarms are not cancelled: a context of actix that has nothing else
    /// to do loops for ever over a cancelled future.
    fn sleep_for(&mut self, time: Duration, ctx: &mut Context<Self>) {
        let at = self.setup.environment.clock.now() + time;
        if self.alarm.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
            ctx.run_later(time, move |this, ctx| {
                this.alarm.take_if(|alarm| *alarm == at);
                this.schedule(ctx);
            });
        }
    }

    fn work(&mut self) -> Result<Next, Ended> {
        self.encode_snapshot()?;
        let next = if self.must_hold()? { Next::Sleep } else { self.process()? };
        let idle = !matches!(next, Next::Again);
        self.run_background(idle)?;
        Ok(if matches!(self.persisting, Persisting::Encoding { .. }) { Next::Again } else { next })
    }

    /// Works on input until the slice's time is used up, the inputs are empty, or an output has no room.
    fn process(&mut self) -> Result<Next, Ended> {
        let began = self.setup.environment.clock.now();
        // Set once the outputs were asked to wake this actor: what is released from then on is a letter.
        let mut will_be_woken = false;
        loop {
            if !self.setup.outputs.drain() {
                if will_be_woken {
                    self.view.blocked += 1;
                    return Ok(Next::Sleep);
                }
                self.setup.outputs.wait();
                will_be_woken = true;
                continue;
            }
            let reads = matches!(self.reader, Reader::Reading(_));
            if self.in_hand.is_some() || reads {
                let progress = self.setup.task.run(CHUNK_RECORDS, &mut self.setup.outputs)?;
                if progress.records > 0
                    && self.setup.outputs.edges() == 0
                    && !std::mem::replace(&mut self.saw_record, true)
                {
                    self.tell_supervisor(ToSupervisor::FirstRecord(self.setup.environment.clock.now()));
                }
                match progress.then {
                    Then::BatchDone => self.in_hand = None,
                    Then::More => {}
                    Then::Blocked if will_be_woken => {
                        self.view.blocked += 1;
                        return Ok(Next::Sleep);
                    }
                    Then::Blocked => {
                        self.setup.outputs.wait();
                        will_be_woken = true;
                    }
                    Then::Wait(time) => {
                        self.flush()?;
                        return Ok(Next::SleepFor(time));
                    }
                    Then::SplitsFinished => self.ask_for_split()?,
                }
                if self.setup.environment.clock.now().since(began) > SLICE {
                    return Ok(Next::Again);
                }
                continue;
            }
            match self.next_item() {
                Some((channel, item)) => self.take(channel, item)?,
                None => {
                    self.flush()?;
                    return Ok(Next::Sleep);
                }
            }
        }
    }

    /// The next element of the inputs in turn, passing over channels that wait for a barrier of others.
    fn next_item(&mut self) -> Option<(ChannelId, Item)> {
        let count = self.queues.len();
        for step in 0..count {
            let index = (self.next_queue + step) % count;
            let channel = ChannelId(index as u32);
            if self.alignment.is_blocked(channel) {
                continue;
            }
            if let Some(item) = self.queues[index].pop_front() {
                self.next_queue = (index + 1) % count;
                return Some((channel, item));
            }
        }
        None
    }

    fn take(&mut self, channel: ChannelId, item: Item) -> Result<(), Ended> {
        match item {
            Item::Batch(batch) => {
                self.setup.task.load(batch.rows);
                self.in_hand = Some(batch.permit);
                Ok(())
            }
            Item::Signal(Signal::Barrier(checkpoint)) => self.align(AlignmentEvent::Barrier { channel, checkpoint }),
            Item::Signal(Signal::End) => {
                self.move_valve(ValveEvent::End { channel })?;
                self.align(AlignmentEvent::End { channel })
            }
            Item::Signal(Signal::Watermark(at)) => self.move_valve(ValveEvent::Watermark { channel, at }),
            Item::Signal(Signal::Idle) => self.move_valve(ValveEvent::Idle { channel }),
            Item::Signal(Signal::Active) => self.move_valve(ValveEvent::Active { channel }),
        }
    }

    fn move_valve(&mut self, event: ValveEvent) -> Result<(), Ended> {
        for output in self.valve.step(event) {
            let signal = match output {
                ValveOutput::Watermark(at) => {
                    self.setup.task.on_event(TaskEvent::Watermark(at), &mut self.setup.outputs)?;
                    Signal::Watermark(at)
                }
                ValveOutput::Idle => Signal::Idle,
                ValveOutput::Active => Signal::Active,
            };
            self.flush()?;
            self.setup.outputs.broadcast(signal);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Ended> {
        Ok(self.setup.task.on_event(TaskEvent::Flush, &mut self.setup.outputs)?)
    }

    // ---- sources ----

    fn ask_for_split(&mut self) -> Result<(), Ended> {
        self.flush()?;
        self.reader = match std::mem::replace(&mut self.reader, Reader::None) {
            Reader::Reading(enumerator) => {
                let body = ToEnumerator::Request(self.setup.id);
                enumerator.do_send(Letter { attempt: self.setup.attempt, body });
                Reader::Asked(enumerator)
            }
            other => other,
        };
        Ok(())
    }

    fn take_split(&mut self, split: Option<Rows>) -> Result<(), Ended> {
        match (std::mem::replace(&mut self.reader, Reader::None), split) {
            (Reader::Asked(enumerator), Some(split)) => {
                self.setup.task.add_split(split)?;
                self.reader = Reader::Reading(enumerator);
            }
            (Reader::Asked(_), None) => self.end_of_input()?,
            // A split that arrives behind the barrier of a stop is in no snapshot, but its enumerator's is older: it
            // is handed out again.
            (other, _) => self.reader = other,
        }
        Ok(())
    }

    // ---- checkpoints ----

    fn align(&mut self, event: AlignmentEvent) -> Result<(), Ended> {
        for action in self.alignment.step(event) {
            match action {
                AlignmentAction::Align { checkpoint } => self.pass(CrashPoint::Aligning, Some(checkpoint))?,
                AlignmentAction::Snapshot { checkpoint } => self.snapshot(checkpoint)?,
                AlignmentAction::Subsumed { checkpoint } => {
                    let reason = "a newer barrier came first".to_owned();
                    self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask: self.setup.id, reason });
                }
                AlignmentAction::AllEnded => self.end_of_input()?,
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<(), Ended> {
        self.pass(CrashPoint::BeforeSnapshot, Some(checkpoint))?;
        if !matches!(self.persisting, Persisting::No) {
            let reason = "the snapshot before it is still being written".to_owned();
            self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask: self.setup.id, reason });
            return Ok(());
        }
        self.flush()?;
        self.setup.task.snapshot(checkpoint)?;
        if !self.drained {
            self.setup.outputs.broadcast(Signal::Barrier(checkpoint));
        }
        self.asked_for_checkpoint = false;
        self.persisting = Persisting::Encoding { checkpoint, drained: self.drained };
        self.tell_supervisor(ToSupervisor::Report(self.setup.id, self.view));
        self.pass(CrashPoint::AfterSnapshot, Some(checkpoint))
    }

    /// Encodes a part of the snapshot; behind the last part, hands the write to the pool.
    fn encode_snapshot(&mut self) -> Result<(), Ended> {
        let Persisting::Encoding { checkpoint, drained } = self.persisting else { return Ok(()) };
        let Some(write) = self.setup.task.persist()? else { return Ok(()) };
        self.persisting = Persisting::Writing;
        let (own, environment) = (self.own.clone(), self.setup.environment.clone());
        let (attempt, subtask) = (self.setup.attempt, self.setup.id);
        self.setup.environment.pool.run(Box::new(move || {
            let passing = |point| Passing { point, subtask: Some(subtask), attempt, checkpoint: Some(checkpoint) };
            let send = |body| own.do_send(Letter { attempt, body });
            if environment.strikes(passing(CrashPoint::BeforePersist)) {
                return send(ToSubtask::Kill);
            }
            let outcome = catch_unwind(AssertUnwindSafe(write))
                .unwrap_or_else(|payload| Err(panic_message(payload.as_ref())))
                .map(|snapshot| SubtaskSnapshot { drained, ..snapshot });
            if environment.strikes(passing(CrashPoint::AfterPersist)) {
                return send(ToSubtask::Kill);
            }
            send(ToSubtask::Persisted { checkpoint, outcome });
        }));
        Ok(())
    }

    fn persisted(&mut self, checkpoint: CheckpointId, outcome: Result<SubtaskSnapshot, String>) -> Result<(), Ended> {
        self.persisting = Persisting::No;
        self.setup.task.persisted(checkpoint, outcome.is_ok())?;
        let subtask = self.setup.id;
        match outcome {
            Ok(snapshot) => {
                self.tell_coordinator(ToCoordinator::Acked { checkpoint, subtask, snapshot });
                self.pass(CrashPoint::AfterAck, Some(checkpoint))
            }
            Err(reason) => {
                self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask, reason });
                Ok(())
            }
        }
    }

    /// Commits what the latest complete checkpoint completed, unless a commit is still running.
    fn commit(&mut self) -> Result<(), Ended> {
        if self.committing {
            return Ok(());
        }
        let Some((checkpoint, oldest)) = self.completed.take() else { return Ok(()) };
        self.pass(CrashPoint::BeforeCommit, Some(checkpoint))?;
        let commits = self.setup.task.completed(checkpoint, oldest)?;
        if commits.is_empty() {
            return self.settled(checkpoint);
        }
        self.committing = true;
        let (own, attempt) = (self.own.clone(), self.setup.attempt);
        self.setup.environment.pool.run(Box::new(move || {
            let commit_all = || commits.into_iter().try_for_each(|commit| commit());
            let outcome = catch_unwind(AssertUnwindSafe(commit_all))
                .unwrap_or_else(|payload| Err(panic_message(payload.as_ref())));
            own.do_send(Letter { attempt, body: ToSubtask::Committed { checkpoint, outcome } });
        }));
        Ok(())
    }

    fn committed(&mut self, checkpoint: CheckpointId, outcome: Result<(), String>) -> Result<(), Ended> {
        self.committing = false;
        outcome.map_err(|message| {
            self.failure(FailureKind::Error, format!("commit of checkpoint {checkpoint} failed: {message}"))
        })?;
        self.settled(checkpoint)?;
        self.commit()
    }

    fn settled(&self, checkpoint: CheckpointId) -> Result<(), Ended> {
        self.pass(CrashPoint::AfterCommit, Some(checkpoint))?;
        self.tell_coordinator(ToCoordinator::Settled { checkpoint, subtask: self.setup.id });
        Ok(())
    }

    /// Flushes what the task holds back, and ends the outputs. The actor lives on until the job has committed.
    fn end_of_input(&mut self) -> Result<(), Ended> {
        if self.drained {
            return Ok(());
        }
        self.reader = Reader::None;
        self.setup.task.on_event(TaskEvent::End, &mut self.setup.outputs)?;
        self.flush()?;
        self.drain_done()
    }

    fn drain_done(&mut self) -> Result<(), Ended> {
        self.drained = true;
        self.view.drained = true;
        self.setup.outputs.broadcast(Signal::End);
        self.pass(CrashPoint::Drained, None)?;
        self.tell_supervisor(ToSupervisor::Report(self.setup.id, self.view));
        self.tell_coordinator(ToCoordinator::Drained(self.setup.id));
        Ok(())
    }

    // ---- memory ----

    /// Whether memory must be given back before more input is taken. Never while a barrier is still to come through
    /// the inputs: only a checkpoint makes memory free.
    fn must_hold(&mut self) -> Result<bool, Ended> {
        match self.setup.task.pressure()? {
            Pressure::None => Ok(false),
            Pressure::Checkpoint => {
                if matches!(self.persisting, Persisting::No) && !std::mem::replace(&mut self.asked_for_checkpoint, true)
                {
                    self.tell_coordinator(ToCoordinator::Pressure);
                }
                Ok(false)
            }
            Pressure::Background => {
                self.run_background(true)?;
                Ok(self.background_runs)
            }
        }
    }

    fn run_background(&mut self, idle: bool) -> Result<(), Ended> {
        if self.background_runs {
            return Ok(());
        }
        let now = self.setup.environment.clock.now();
        if let Some(job) = self.setup.task.background(idle, now)? {
            self.background_runs = true;
            let (own, supervisor) = (self.own.clone(), self.setup.supervisor.clone());
            let (attempt, mut failure) = (self.setup.attempt, self.failure(FailureKind::Panic, ""));
            self.setup.environment.pool.run(Box::new(move || match catch_unwind(AssertUnwindSafe(job)) {
                Ok(outcome) => own.do_send(Letter { attempt, body: ToSubtask::BackgroundDone(outcome) }),
                Err(payload) => {
                    failure.message = panic_message(payload.as_ref());
                    supervisor.do_send(Letter { attempt, body: ToSupervisor::Failed(failure) });
                }
            }));
        }
        Ok(())
    }
}
