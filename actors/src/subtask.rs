//! The actor that hosts one task: sorts mail into input queues, works in slices, aligns barriers, reports its end.
//!
//! A handler never blocks and never waits. Records are worked on in *run slices*, each of bounded length, between which
//! every letter is answered; a slice without input or without output credit ends, and the next letter wakes the actor.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, Context, Handler};

use crate::channel::{Credits, Outputs};
use crate::coordinator::Coordinator;
use crate::enumerator::Enumerator;
use crate::environment::Environment;
use crate::error::{Failure, FailureKind, panic_message};
use crate::faults::{CrashPoint, Passing, Strike};
use crate::ids::{Attempt, CheckpointId, SubtaskId};
use crate::kill::KillSwitch;
use crate::mail::{Letter, ToCoordinator, ToSubtask, ToSupervisor};
use crate::observe::SubtaskMeter;
use crate::packet::Packet;
use crate::protocol::alignment::{Alignment, AlignmentEvent};
use crate::protocol::valve::WatermarkValve;
use crate::slice_watch::SliceWatch;
use crate::subtask_reader::Reader;
use crate::subtask_time::Stall;
use crate::subtask_turns::Turns;
use crate::subtask_work::Intake;
use crate::supervisor::Supervisor;
use crate::task::{Emission, Task, TaskEvent, Wake};
use crate::time::TimeSignal;
use crate::time_view::TimeCell;

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
    /// Where it writes what it measures of itself.
    pub(crate) meter: SubtaskMeter,
    pub(crate) outputs: Outputs,
    /// The credits of `outputs`, to be woken by.
    pub(crate) credits: Vec<Credits>,
    pub(crate) coordinator: Addr<Coordinator>,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) kill: KillSwitch,
    pub(crate) environment: Environment,
    /// A run slice ends behind the first chunk of records that ends so long after its beginning, or longer.
    pub(crate) run_slice: Duration,
    /// The run slices of its thread and of the others.
    pub(crate) watch: SliceWatch,
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
    pub(crate) intake: Intake,
    pub(crate) alignment: Alignment,
    pub(crate) valve: WatermarkValve,
    /// What the valve has said and the task has not heard.
    pub(crate) signals: VecDeque<TimeSignal>,
    /// Whether the task is to emit more before it hears anything else.
    pub(crate) emission: Emission,
    /// Whether the inputs have ended, and the task is to learn of it once it has emitted what came before.
    pub(crate) must_end: bool,
    /// Whether the inputs have ended and the task still emits what it held back.
    pub(crate) is_ending: bool,
    /// A trigger that came while the task was emitting.
    pub(crate) postponed: Option<(CheckpointId, bool)>,
    /// Whether what the task waits for beside its inputs has happened.
    pub(crate) woken: bool,
    /// Whether its slice before this one left it something to do.
    pub(crate) is_busy: bool,
    pub(crate) reader: Reader,
    pub(crate) rounds: Rounds,
    pub(crate) drained: bool,
    pub(crate) turns: Turns,
    pub(crate) stall: Stall,
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
                let queued = self.intake.push(channel, item);
                self.setup.meter.queued(queued);
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
            ToSubtask::Persisted { checkpoint, snapshot, outcome } => {
                self.guarded(ctx, |this| this.persisted(checkpoint, snapshot, outcome))
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
            intake: Intake::new(setup.senders.len()),
            alignment: Alignment::new(setup.senders.len()),
            valve: WatermarkValve::new(setup.senders.len()),
            signals: VecDeque::new(),
            emission: Emission::Complete,
            must_end: false,
            is_ending: false,
            postponed: None,
            woken: false,
            is_busy: false,
            rounds: Rounds::default(),
            reader: if setup.is_source { Reader::Waiting } else { Reader::None },
            drained: false,
            turns: Turns::default(),
            stall: Stall::default(),
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

    pub(crate) fn tell(&mut self, event: TaskEvent) -> Result<(), Ended> {
        self.emission = self.setup.task.on_event(event, &mut self.setup.outputs)?;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Ended> {
        self.tell(TaskEvent::Flush)
    }

    /// A round has opened, and its trigger came as a letter.
    pub(crate) fn trigger(&mut self, checkpoint: CheckpointId, suspend: bool) -> Result<(), Ended> {
        self.align(AlignmentEvent::Triggered { checkpoint })?;
        if suspend && self.setup.is_source && !self.drained {
            self.reader = Reader::Suspended;
        }
        Ok(())
    }
}
