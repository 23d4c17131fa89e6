//! What a subtask does for checkpoints: aligns, snapshots, has it written, acknowledges, commits, and gives memory back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Failure, FailureKind, SeamError, panic_message};
use crate::faults::{CrashPoint, Passing, Strike, Work, WorkKind};
use crate::ids::CheckpointId;
use crate::mail::{Letter, ToCoordinator, ToSubtask, ToSupervisor};
use crate::packet::Signal;
use crate::protocol::alignment::{AlignmentAction, AlignmentEvent};
use crate::subtask::{Ended, Persisting, Subtask};
use crate::subtask_reader::Reader;
use crate::task::{Emission, Pressure, SubtaskSnapshot, TaskEvent, TaskOutcome, Written};
use crate::time::Moment;

/// Does `work`, unless a fault strikes; a panic is an error. `None` if the actor dies here.
fn struck<T>(strike: Option<Strike>, work: impl FnOnce() -> Result<T, SeamError>) -> Option<Result<T, SeamError>> {
    let work = || match strike {
        Some(Strike::Panic) => panic!("a fault struck"),
        Some(Strike::Fail) => Err(SeamError::transient("a fault struck")),
        Some(Strike::Kill) | None => work(),
    };
    let dies = strike == Some(Strike::Kill);
    let panicked = |payload: Box<dyn Any + Send>| Err(SeamError::transient(panic_message(payload.as_ref())));
    (!dies).then(|| catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked))
}

impl Subtask {
    pub(crate) fn align(&mut self, event: AlignmentEvent) -> Result<(), Ended> {
        for action in self.alignment.step(event) {
            match action {
                AlignmentAction::Align { checkpoint } => self.pass(CrashPoint::Aligning, Some(checkpoint))?,
                AlignmentAction::Snapshot { checkpoint } => self.snapshot(checkpoint)?,
                AlignmentAction::Subsumed { checkpoint } => {
                    let reason = SeamError::transient("a newer barrier came first");
                    self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask: self.setup.id, reason });
                }
                AlignmentAction::AllEnded => self.end_of_input()?,
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<(), Ended> {
        self.pass(CrashPoint::BeforeSnapshot, Some(checkpoint))?;
        if !matches!(self.rounds.persisting, Persisting::No) {
            let reason = SeamError::transient("the snapshot before it is still being written");
            self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask: self.setup.id, reason });
            return Ok(());
        }
        self.flush()?;
        while !self.setup.task.get_ready()? {}
        self.setup.task.snapshot(checkpoint)?;
        if !self.drained {
            self.setup.outputs.broadcast(Signal::Barrier(checkpoint));
        }
        self.rounds.asked_for_checkpoint = false;
        self.rounds.persisting = Persisting::Encoding { checkpoint, drained: self.drained };
        self.pass(CrashPoint::AfterSnapshot, Some(checkpoint))
    }

    /// Encodes the snapshot for half of a run slice that began at `began`; behind the last part, hands the write to the pool.
    pub(crate) fn encode_snapshot(&mut self, began: Moment) -> Result<(), Ended> {
        let Persisting::Encoding { checkpoint, drained } = self.rounds.persisting else { return Ok(()) };
        let time = self.setup.run_slice / 2;
        let write = loop {
            match self.setup.task.persist()? {
                Some(write) => break write,
                None if self.has_had(time, began, self.setup.environment.clock.now()) => return Ok(()),
                None => {}
            }
        };
        self.rounds.persisting = Persisting::Writing;
        let (own, environment) = (self.own.clone(), self.setup.environment.clone());
        let (attempt, subtask) = (self.setup.attempt, self.setup.id);
        let work = Work { kind: WorkKind::Persist, subtask: Some(subtask), checkpoint: Some(checkpoint) };
        self.setup.environment.run(work, move || {
            let passing = |point| Passing { point, subtask: Some(subtask), attempt, checkpoint: Some(checkpoint) };
            let send = |body| own.do_send(Letter { attempt, body });
            let written = struck(environment.strikes(passing(CrashPoint::BeforePersist)), || Ok(write()));
            let Some(written) = written else { return send(ToSubtask::Kill) };
            let (snapshot, outcome) = match written {
                Ok(Written { snapshot, outcome }) => (snapshot, Some(outcome)),
                Err(error) => (Err(error), None),
            };
            let snapshot = snapshot.map(|snapshot| SubtaskSnapshot { drained, ..snapshot });
            let answered = struck(environment.strikes(passing(CrashPoint::AfterPersist)), || snapshot);
            let Some(snapshot) = answered else { return send(ToSubtask::Kill) };
            send(ToSubtask::Persisted { checkpoint, snapshot, outcome });
        });
        Ok(())
    }

    pub(crate) fn persisted(
        &mut self,
        checkpoint: CheckpointId,
        snapshot: Result<SubtaskSnapshot, SeamError>,
        outcome: Option<TaskOutcome>,
    ) -> Result<(), Ended> {
        self.rounds.persisting = Persisting::No;
        self.setup.task.persisted(checkpoint, outcome)?;
        let subtask = self.setup.id;
        match snapshot {
            Ok(snapshot) => {
                self.pass(CrashPoint::BeforeAck, Some(checkpoint))?;
                let environment = &self.setup.environment;
                let work = Work { kind: WorkKind::Acknowledge, subtask: Some(subtask), checkpoint: Some(checkpoint) };
                if environment.faults.delay(work).is_zero() {
                    return self.acknowledge(checkpoint, snapshot);
                }
                let (own, attempt) = (self.own.clone(), self.setup.attempt);
                let late = ToSubtask::Acknowledge { checkpoint, snapshot };
                environment.run(work, move || own.do_send(Letter { attempt, body: late }));
                Ok(())
            }
            Err(reason) => {
                self.tell_coordinator(ToCoordinator::Declined { checkpoint, subtask, reason });
                Ok(())
            }
        }
    }

    pub(crate) fn acknowledge(&mut self, checkpoint: CheckpointId, snapshot: SubtaskSnapshot) -> Result<(), Ended> {
        self.tell_coordinator(ToCoordinator::Acked { checkpoint, subtask: self.setup.id, snapshot });
        self.pass(CrashPoint::AfterAck, Some(checkpoint))
    }

    /// Commits what the latest complete checkpoint completed, unless a commit is still running.
    pub(crate) fn commit(&mut self) -> Result<(), Ended> {
        if self.rounds.committing {
            return Ok(());
        }
        let Some((checkpoint, oldest)) = self.rounds.completed.take() else { return Ok(()) };
        self.pass(CrashPoint::BeforeCommit, Some(checkpoint))?;
        let commits = self.setup.task.completed(checkpoint, oldest)?;
        if commits.is_empty() {
            return self.settled(checkpoint);
        }
        self.rounds.committing = true;
        let (own, environment) = (self.own.clone(), self.setup.environment.clone());
        let (attempt, subtask) = (self.setup.attempt, Some(self.setup.id));
        let work = Work { kind: WorkKind::Commit, subtask, checkpoint: Some(checkpoint) };
        self.setup.environment.run(work, move || {
            let passing = Passing { point: CrashPoint::Committing, subtask, attempt, checkpoint: Some(checkpoint) };
            let commit_all = || commits.into_iter().try_for_each(|commit| commit());
            let body = match struck(environment.strikes(passing), commit_all) {
                Some(outcome) => ToSubtask::Committed { checkpoint, outcome },
                None => ToSubtask::Kill,
            };
            own.do_send(Letter { attempt, body });
        });
        Ok(())
    }

    pub(crate) fn committed(&mut self, checkpoint: CheckpointId, outcome: Result<(), SeamError>) -> Result<(), Ended> {
        self.rounds.committing = false;
        outcome.map_err(|error| {
            let failure = error.into_failure(&self.setup.block, FailureKind::Error);
            Failure { message: format!("commit of checkpoint {checkpoint} failed: {}", failure.message), ..failure }
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
    pub(crate) fn end_of_input(&mut self) -> Result<(), Ended> {
        if self.drained || self.is_ending {
            return Ok(());
        }
        self.reader = Reader::None;
        // What follows from event time comes before the end.
        self.must_end = self.emission.comes_first();
        if self.must_end {
            return Ok(());
        }
        self.is_ending = true;
        self.tell(TaskEvent::End)?;
        if self.emission == Emission::Complete { self.drain_done() } else { Ok(()) }
    }

    pub(crate) fn drain_done(&mut self) -> Result<(), Ended> {
        if !self.drained {
            self.flush()?;
        }
        (self.drained, self.is_ending) = (true, false);
        self.setup.meter.drained();
        self.setup.outputs.broadcast(Signal::End);
        self.pass(CrashPoint::Drained, None)?;
        self.tell_coordinator(ToCoordinator::Drained(self.setup.id));
        Ok(())
    }

    // ---- memory ----

    /// Whether memory must be given back before more input is taken. Never while a barrier is still to come through
    /// the inputs: only a checkpoint makes memory free.
    pub(crate) fn must_hold(&mut self) -> Result<bool, Ended> {
        match self.setup.task.pressure()? {
            Pressure::None => Ok(false),
            Pressure::Checkpoint => {
                if matches!(self.rounds.persisting, Persisting::No)
                    && !std::mem::replace(&mut self.rounds.asked_for_checkpoint, true)
                {
                    self.tell_coordinator(ToCoordinator::Pressure);
                }
                Ok(false)
            }
            Pressure::Background => {
                self.run_background(true)?;
                Ok(self.rounds.background_runs)
            }
        }
    }

    pub(crate) fn run_background(&mut self, idle: bool) -> Result<(), Ended> {
        if self.rounds.background_runs {
            return Ok(());
        }
        let now = self.setup.environment.clock.now();
        if let Some(job) = self.setup.task.background(idle, now)? {
            self.rounds.background_runs = true;
            let (own, supervisor) = (self.own.clone(), self.setup.supervisor.clone());
            let (attempt, mut failure) = (self.setup.attempt, self.failure(FailureKind::Panic, ""));
            let work = Work { kind: WorkKind::Background, subtask: Some(self.setup.id), checkpoint: None };
            self.setup.environment.run(work, move || match catch_unwind(AssertUnwindSafe(job)) {
                Ok(outcome) => own.do_send(Letter { attempt, body: ToSubtask::BackgroundDone(outcome) }),
                Err(payload) => {
                    failure.message = panic_message(payload.as_ref());
                    supervisor.do_send(Letter { attempt, body: ToSupervisor::Failed(failure) });
                }
            });
        }
        Ok(())
    }
}
