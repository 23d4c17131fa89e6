//! The actor that hosts one task: sorts mail into input queues, works in slices, aligns barriers, reports its end.
//!
//! A handler never blocks and never waits. Records are worked on in *run slices*, each of bounded length, between which
//! every letter is answered; a slice without input or without output credit ends, and the next letter wakes the actor.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, Context, Handler};

use crate::channel::{Credits, Outputs, Permit};
use crate::coordinator::Coordinator;
use crate::enumerator::Enumerator;
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, panic_message};
use crate::faults::{CrashPoint, Passing, Strike};
use crate::ids::{Attempt, ChannelId, CheckpointId, SubtaskId};
use crate::kill::KillSwitch;
use crate::mail::{Letter, ToCoordinator, ToSubtask, ToSupervisor};
use crate::observe::SubtaskView;
use crate::packet::{Item, Packet, Signal};
use crate::protocol::alignment::{Alignment, AlignmentEvent};
use crate::protocol::valve::{ValveEvent, WatermarkValve};
use crate::sabotage::Sabotage;
use crate::subtask_reader::Reader;
use crate::subtask_time::Stall;
use crate::subtask_turns::{Next, Turns};
use crate::supervisor::Supervisor;
use crate::task::{Emission, Task, TaskEvent, Then, Wake};
use crate::time::{Moment, TimeSignal};
use crate::time_view::TimeCell;

/// A run slice ends behind the first chunk that ends later than this after its beginning: letters are answered within a
/// millisecond, and every actor of a thread gets its turn.
const SLICE: Duration = Duration::from_micros(500);

/// Records taken between two looks at the clock, at most; fewer where they take long.
const CHUNK_RECORDS: usize = 512;
const LEAST_CHUNK_RECORDS: usize = 16;

/// Records that chance lets a subtask take at once, at most.
const CHANCE_RECORDS: usize = 24;

/// One in so many chunks that are left to chance ends a batch, or a slice.
const CHANCE_OF_CUT: usize = 4;

/// What a subtask is made of.
pub(crate) struct Setup {
    pub(crate) id: SubtaskId,
    /// Its block, as failures name it.
    pub(crate) block: String,
    pub(crate) attempt: Attempt,
    pub(crate) task: Box<dyn Task>,
    /// The senders into its channels, in the order of these.
    pub(crate) senders: Vec<SubtaskId>,
    /// Where it says what it knows of event time.
    pub(crate) time: TimeCell,
    pub(crate) outputs: Outputs,
    /// The credits of `outputs`, to be woken by.
    pub(crate) credits: Vec<Credits>,
    pub(crate) coordinator: Addr<Coordinator>,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) kill: KillSwitch,
    pub(crate) environment: Environment,
    /// What the task wakes the subtask with.
    pub(crate) wake: Wake,
    /// Whether the snapshot it starts from was taken behind the end of its inputs.
    pub(crate) drained: bool,
    /// Whether it is a subtask of a source.
    pub(crate) is_source: bool,
}

/// One parallel instance of a block.
pub(crate) struct Subtask {
    pub(crate) setup: Setup,
    pub(crate) own: Addr<Subtask>,
    queues: Vec<VecDeque<Item>>,
    next_queue: usize,
    pub(crate) alignment: Alignment,
    pub(crate) valve: WatermarkValve,
    /// What the valve has said and the task has not heard.
    pub(crate) signals: VecDeque<TimeSignal>,
    /// Set while a batch is in hand.
    in_hand: Option<Permit>,
    /// Whether the task is to emit more before it hears anything else.
    pub(crate) emission: Emission,
    /// Whether the inputs have ended and the task still emits what it held back.
    pub(crate) is_ending: bool,
    /// A trigger that came while the task was emitting.
    postponed: Option<(CheckpointId, bool)>,
    /// Whether what the task waits for beside its inputs has happened.
    woken: bool,
    /// Records taken in this attempt.
    taken: u64,
    /// Records taken next before the clock is looked at.
    chunk: usize,
    pub(crate) reader: Reader,
    pub(crate) rounds: Rounds,
    pub(crate) drained: bool,
    pub(crate) turns: Turns,
    saw_record: bool,
    pub(crate) stall: Stall,
    pub(crate) view: SubtaskView,
    _gone: Gone,
}

/// Where a subtask stands with checkpoints, commits and background work.
#[derive(Default)]
pub(crate) struct Rounds {
    pub(crate) persisting: Persisting,
    pub(crate) committing: bool,
    /// The latest complete checkpoint that is not committed yet, and the oldest one that may still be restored.
    pub(crate) completed: Option<(CheckpointId, CheckpointId)>,
    pub(crate) background_runs: bool,
    pub(crate) asked_for_checkpoint: bool,
}

#[derive(Default)]
pub(crate) enum Persisting {
    #[default]
    No,
    /// The snapshot is being encoded, a part per slice.
    Encoding { checkpoint: CheckpointId, drained: bool },
    /// The job runs on the pool.
    Writing,
}

/// Why an actor ends in the middle of its work.
pub(crate) enum Ended {
    Failed(Failure),
    Struck,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
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

impl Actor for Subtask {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for credits in std::mem::take(&mut self.setup.credits) {
            let (own, attempt) = (self.own.clone(), self.setup.attempt);
            credits.on_release(move || own.do_send(Letter { attempt, body: ToSubtask::CreditReturned }));
        }
        let (own, attempt) = (self.own.clone(), self.setup.attempt);
        self.setup.wake.calls(move || own.do_send(Letter { attempt, body: ToSubtask::Woken }));
        // What happened before there was anybody to wake is seen now.
        self.woken = true;
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
            ToSubtask::Woken => self.woken = true,
            // A task that has begun to emit finishes that first: its snapshot would be of neither before nor after.
            ToSubtask::Trigger { checkpoint, suspend } if self.emission == Emission::Unfinished => {
                self.postponed = Some((checkpoint, suspend));
            }
            ToSubtask::Trigger { checkpoint, suspend } => self.guarded(ctx, |this| this.trigger(checkpoint, suspend)),
            ToSubtask::Abandon(checkpoint) => {
                self.postponed.take_if(|(postponed, _)| *postponed == checkpoint);
                self.guarded(ctx, |this| this.align(AlignmentEvent::Abandoned { checkpoint }));
            }
            ToSubtask::Completed { checkpoint, oldest } => {
                self.rounds.completed = Some((checkpoint, oldest));
                self.guarded(ctx, Self::commit);
            }
            ToSubtask::Split(split) => self.guarded(ctx, |this| this.take_split(split)),
            ToSubtask::Persisted { checkpoint, outcome } => {
                self.guarded(ctx, |this| this.persisted(checkpoint, outcome))
            }
            ToSubtask::Acknowledge { checkpoint, snapshot } => {
                self.guarded(ctx, |this| this.acknowledge(checkpoint, snapshot))
            }
            ToSubtask::Committed { checkpoint, outcome } => {
                self.guarded(ctx, |this| this.committed(checkpoint, outcome))
            }
            ToSubtask::BackgroundDone(outcome) => self.guarded(ctx, |this| {
                this.rounds.background_runs = false;
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
            queues: setup.senders.iter().map(|_| VecDeque::new()).collect(),
            next_queue: 0,
            alignment: Alignment::new(setup.senders.len()),
            valve: WatermarkValve::new(setup.senders.len()),
            signals: VecDeque::new(),
            in_hand: None,
            emission: Emission::Complete,
            is_ending: false,
            postponed: None,
            woken: false,
            taken: 0,
            chunk: CHUNK_RECORDS,
            rounds: Rounds::default(),
            reader: if setup.is_source { Reader::Waiting } else { Reader::None },
            drained: false,
            turns: Turns::default(),
            saw_record: false,
            stall: Stall::default(),
            view: SubtaskView::default(),
            setup,
            _gone: gone,
        }
    }

    /// Does `work`; a panic, a failure or a fault in it ends the actor.
    pub(crate) fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self) -> Result<(), Ended>) {
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

    pub(crate) fn failure(&self, kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure::of_subtask(self.setup.id, &self.setup.block, kind, message)
    }

    pub(crate) fn pass(&self, point: CrashPoint, checkpoint: Option<CheckpointId>) -> Result<(), Ended> {
        let passing = Passing { point, subtask: Some(self.setup.id), attempt: self.setup.attempt, checkpoint };
        match self.setup.environment.strikes(passing) {
            None => Ok(()),
            Some(Strike::Kill) => Err(Ended::Struck),
            Some(Strike::Panic) => panic!("a fault struck at {point:?}"),
            Some(Strike::Fail) => Err(self.failure(FailureKind::Error, format!("a fault struck at {point:?}")).into()),
        }
    }

    pub(crate) fn tell_supervisor(&self, body: ToSupervisor) {
        self.setup.supervisor.do_send(Letter { attempt: self.setup.attempt, body });
    }

    pub(crate) fn tell_coordinator(&self, body: ToCoordinator) {
        self.setup.coordinator.do_send(Letter { attempt: self.setup.attempt, body });
    }

    pub(crate) fn work(&mut self) -> Result<Next, Ended> {
        self.encode_snapshot()?;
        if std::mem::take(&mut self.woken) && !self.drained {
            self.tell(TaskEvent::Woken)?;
        }
        let must_hold = self.must_hold()?;
        let next = if must_hold { self.stall() } else { self.process()? };
        let idle = !matches!(next, Next::Again);
        if self.emission != Emission::Unfinished
            && let Some((checkpoint, suspend)) = self.postponed.take()
        {
            self.trigger(checkpoint, suspend)?;
        }
        self.run_background(idle)?;
        if matches!(self.rounds.persisting, Persisting::Encoding { .. }) {
            return Ok(Next::Again);
        }
        // Time is told between two events, and when there is memory for what follows from it.
        Ok(if must_hold || self.emission == Emission::Unfinished { next } else { self.until_due(next) })
    }

    /// Works on input until the slice's time is used up, the inputs are empty, or an output has no room.
    fn process(&mut self) -> Result<Next, Ended> {
        let began = self.setup.environment.clock.now();
        if let Some(since) = self.stall.since.take() {
            self.stall.untold += began.since(since);
        }
        self.pass_time()?;
        let mut before = began;
        // Set once the outputs were asked to wake this actor: what is released from then on is a letter.
        let mut will_be_woken = false;
        loop {
            if !self.setup.outputs.drain() {
                if will_be_woken {
                    self.view.blocked += 1;
                    return Ok(self.stall());
                }
                self.setup.outputs.wait();
                will_be_woken = true;
                continue;
            }
            self.tell_signals()?;
            if self.is_ending && self.emission == Emission::Complete {
                self.drain_done()?;
            }
            if self.emission == Emission::Waiting {
                self.flush()?;
                return Ok(Next::Sleep);
            }
            let reads = matches!(self.reader, Reader::Reading(_));
            if self.emission == Emission::Unfinished || self.in_hand.is_some() || reads {
                match self.run_chunk()? {
                    Then::BatchDone => self.in_hand = None,
                    Then::More | Then::Unfinished | Then::Waiting => {}
                    Then::Blocked if will_be_woken => {
                        self.view.blocked += 1;
                        return Ok(self.stall());
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
                let now = self.setup.environment.clock.now();
                self.fit_chunk(now.since(std::mem::replace(&mut before, now)));
                if self.slice_ends(began, now) {
                    return Ok(Next::Again);
                }
                continue;
            }
            match self.next_item() {
                Some((channel, item)) => self.take(channel, item)?,
                None => {
                    self.flush()?;
                    return Ok(self.until_asked(began));
                }
            }
        }
    }

    /// Lets the task take some records.
    fn run_chunk(&mut self) -> Result<Then, Ended> {
        let environment = &self.setup.environment;
        let mut budget = if environment.chance.is_some() { 1 + environment.choose(CHANCE_RECORDS) } else { self.chunk };
        if let Some(left) = environment.faults.records_left(self.setup.id, self.taken) {
            if left == 0 {
                self.pass(CrashPoint::Record, None)?;
            } else {
                budget = budget.min(usize::try_from(left).unwrap_or(usize::MAX));
            }
        }
        let began = (!self.saw_record).then(|| self.setup.environment.clock.now());
        let progress = self.setup.task.run(budget, &mut self.setup.outputs)?;
        self.taken += progress.records as u64;
        self.emission = match progress.then {
            Then::Unfinished => Emission::Unfinished,
            Then::Waiting => Emission::Waiting,
            // An output without room changes nothing.
            Then::Blocked => self.emission,
            _ => Emission::Complete,
        };
        let environment = &self.setup.environment;
        if environment.chance.is_some() && environment.choose(CHANCE_OF_CUT) == 0 {
            self.flush()?;
        }
        if let Some(began) = began.filter(|_| progress.records > 0) {
            self.saw_record = true;
            if self.setup.is_source {
                self.tell_supervisor(ToSupervisor::FirstRead(began));
            }
            if self.setup.outputs.edges() == 0 {
                self.tell_supervisor(ToSupervisor::FirstRecord(self.setup.environment.clock.now()));
            }
        }
        Ok(progress.then)
    }

    /// Takes fewer records at once if those taken last were slow, since their state had to be read from disk, say.
    fn fit_chunk(&mut self, took: Duration) {
        if took > SLICE {
            self.chunk = (self.chunk / 2).max(LEAST_CHUNK_RECORDS);
        } else if took < SLICE / 4 {
            self.chunk = (self.chunk * 2).min(CHUNK_RECORDS);
        }
    }

    /// Whether others have their turn now, which is `now`.
    pub(crate) fn slice_ends(&self, began: Moment, now: Moment) -> bool {
        let environment = &self.setup.environment;
        if environment.chance.is_some() { environment.choose(2) == 0 } else { now.since(began) > SLICE }
    }

    pub(crate) fn tell(&mut self, event: TaskEvent) -> Result<(), Ended> {
        self.emission = self.setup.task.on_event(event, &mut self.setup.outputs)?;
        Ok(())
    }

    /// The next element of the inputs in turn, or by chance, passing over channels that wait for a barrier of others.
    fn next_item(&mut self) -> Option<(ChannelId, Item)> {
        let count = self.queues.len();
        if count > 1 && self.setup.environment.chance.is_some() {
            self.next_queue = self.setup.environment.choose(count);
        }
        for step in 0..count {
            let index = (self.next_queue + step) % count;
            let channel = ChannelId(index as u32);
            if self.alignment.is_blocked(channel) && !self.setup.environment.sabotaged(Sabotage::SkipAlignment) {
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
                self.setup.task.load(channel, batch.rows);
                self.in_hand = Some(batch.permit);
                Ok(())
            }
            Item::Signal(Signal::Barrier(checkpoint)) => self.align(AlignmentEvent::Barrier { channel, checkpoint }),
            Item::Signal(Signal::End) => {
                self.move_valve(ValveEvent::End { channel })?;
                self.align(AlignmentEvent::End { channel })
            }
            Item::Signal(Signal::Time(signal)) => self.move_valve(match signal {
                TimeSignal::Watermark(at) => ValveEvent::Watermark { channel, at },
                TimeSignal::Idle => ValveEvent::Idle { channel },
                TimeSignal::Active => ValveEvent::Active { channel },
            }),
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), Ended> {
        self.tell(TaskEvent::Flush)
    }

    /// A round has opened, and its trigger came as a letter.
    fn trigger(&mut self, checkpoint: CheckpointId, suspend: bool) -> Result<(), Ended> {
        self.align(AlignmentEvent::Triggered { checkpoint })?;
        if suspend && self.setup.is_source && !self.drained {
            self.reader = Reader::Suspended;
        }
        Ok(())
    }
}
