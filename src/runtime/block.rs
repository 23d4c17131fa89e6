//! A block as a task: the chain of its operators, the routers at its end, and the store of its keyed state.

use std::any::Any;
use std::sync::Arc;

use millstream_actors::channel::Outputs;
use millstream_actors::error::{Failure, FailureKind, SeamError};
use millstream_actors::faults::{Work, WorkKind};
use millstream_actors::ids::{ChannelId, CheckpointId};
use millstream_actors::packet::Rows;
use millstream_actors::sabotage::Sabotage;
use millstream_actors::task::{
    BackgroundJob, CommitJob, Emission, PersistJob, Pressure, Progress, SubtaskSnapshot, Task, TaskEvent, TaskFactory,
    TaskOpening, TaskOutcome, Then, Written,
};
use millstream_actors::time::{Clock, Moment, TimeSignal, Timestamp};
use millstream_actors::time_view::TaskTime;

use super::block_deploy::BlockDeploy;
use super::failures::{failure, opening_failure, seam_error};
use super::routing::{Router, RouterEnd, SentTime, SideRouter};
use crate::error::{Error, Result};
use crate::io::ReadStatus;
use crate::metrics::{Counts, SubtaskMetrics};
use crate::model;
use crate::operator::parts::{self, Declared, TablesOf};
use crate::operator::{
    Arrivals, Blocking, BlockingJob, Chain, Event, HeadStatus, Restored, SmallStates, StateKind, SubtaskContext,
};
use crate::state::{self, KeyedTable, StateError, Store, VisitTables};

/// Rows of keyed state encoded in one call while a snapshot is being prepared: small ones take some 20 us.
const ROWS_ENCODED_AT_ONCE: usize = 512;

/// Rows that are written in one call before a snapshot is taken.
const ROWS_PREPARED_AT_ONCE: usize = 512;

/// The name, within a subtask's small state, of what it counted.
pub(super) const COUNTERS: &str = "millstream counters";

/// The counts among it.
pub(super) const COUNTS: StateKind<'_> = StateKind::split("counts");

/// Makes the chain of one subtask.
pub(crate) type OpenChain<C> = Arc<dyn Fn(&mut SubtaskContext) -> Result<C> + Send + Sync>;

/// Makes the router of one subtask, given its index.
pub(crate) type OpenRouter<R> = Box<dyn Fn(&BlockDeploy, u32) -> R + Send + Sync>;

/// Makes the router of one subtask's side output.
pub(crate) type OpenSide = Arc<dyn Fn(&mut SubtaskContext, &BlockDeploy) -> Box<dyn SideRouter> + Send + Sync>;

/// Makes the tasks of one block.
pub(crate) struct BlockFactory<C, R> {
    pub(crate) deploy: BlockDeploy,
    pub(crate) open: OpenChain<C>,
    pub(crate) router: OpenRouter<R>,
    pub(crate) sides: Vec<OpenSide>,
}

impl<C: Chain, R: Router<C::Out>> TaskFactory for BlockFactory<C, R> {
    fn open(&self, opening: TaskOpening) -> Result<Box<dyn Task>, Failure> {
        let opened = self.open_task(opening).map(|task| Box::new(task) as Box<dyn Task>);
        opened.map_err(|error| opening_failure(&self.deploy.name, error))
    }
}

impl<C: Chain, R: Router<C::Out>> BlockFactory<C, R> {
    fn open_task(&self, opening: TaskOpening) -> Result<BlockTask<C, R>> {
        let deploy = &self.deploy;
        let index = opening.subtask.index;
        let clock = Arc::clone(&opening.environment.clock);
        let mut context = SubtaskContext::new(index, deploy.parallelism, opening.attempt, &deploy.run, clock);
        context.blocking = blocking_of(&opening);
        context.wake = opening.wake;
        context.surroundings = deploy.surroundings.clone();
        context.alignment_groups = deploy.alignment_groups.clone();
        context.sabotage = Sabotage::ALL.into_iter().find(|what| opening.environment.sabotaged(*what));
        context.read_sides = deploy.read_sides.clone();
        context.max_parallelism = deploy.max_parallelism;
        let checkpoint = opening.restored.as_ref().map(|(checkpoint, _)| *checkpoint);
        if let Some((checkpoint, snapshot)) = opening.restored {
            let state = if snapshot.state.is_empty() {
                SmallStates::default()
            } else {
                model::decode::<SmallStates>(&snapshot.state).map_err(|source| Error::codec(&deploy.name, source))?
            };
            for counts in state.get::<Counts>(COUNTERS, COUNTS)? {
                context.metrics.restore(&counts);
            }
            context.restored = Some(Restored { checkpoint, state });
        }
        deploy.metrics.register(opening.subtask, context.metrics.clone());
        context.uid = Arc::clone(&deploy.uid_before);
        if let Some(stem) = &deploy.stem {
            let groups = deploy.max_parallelism.range_of(index, deploy.parallelism);
            let stem = format!("{stem}-{index}");
            context.store =
                Some(deploy.state.store(&stem, opening.attempt, checkpoint, groups, deploy.max_parallelism)?);
        }
        let mut chain = (self.open)(&mut context)?;
        let declared = Declared::of(&mut chain);
        declared.check(context.store.iter().flat_map(Store::opened))?;
        let router = (self.router)(deploy, index);
        let sides = self.sides.iter().map(|open| open(&mut context, deploy)).collect();
        Ok(BlockTask {
            name: deploy.name.clone(),
            inputs: deploy.inputs(index),
            chain,
            router,
            sides,
            time: SentTime::nothing(opening.subtask, deploy.surroundings.witness.clone()),
            emission: Emission::Complete,
            is_ending: false,
            declared,
            unanswered: None,
            arrivals: context.arrivals,
            clock: context.clock,
            metrics: context.metrics,
            store: context.store,
            taken: None,
            sabotage: context.sabotage,
        })
    }
}

/// Leads readers and writers of the subtask to the blocking pool.
fn blocking_of(opening: &TaskOpening) -> Blocking {
    let (environment, subtask) = (opening.environment.clone(), opening.subtask);
    let work = Work { kind: WorkKind::Connector, subtask: Some(subtask), checkpoint: None };
    Blocking::new(move |job| environment.run(work, job), opening.wake.clone())
}

/// One subtask of a block.
struct BlockTask<C, R> {
    name: String,
    /// Which input of the block each channel belongs to.
    inputs: Vec<usize>,
    chain: C,
    router: R,
    sides: Vec<Box<dyn SideRouter>>,
    /// What was said of event time.
    time: SentTime,
    /// Whether an operator has more to emit before it hears anything else.
    emission: Emission,
    /// Whether the input has ended, and operators have not learnt of it.
    is_ending: bool,
    declared: Declared,
    /// Why a question could not be answered that takes no error.
    unanswered: Option<Error>,
    arrivals: Option<Arrivals>,
    clock: Arc<dyn Clock>,
    metrics: SubtaskMetrics,
    store: Option<Store>,
    taken: Option<Taken>,
    /// What is broken on purpose.
    sabotage: Option<Sabotage>,
}

/// A snapshot that is not written yet.
struct Taken {
    state: SmallStates,
    seals: Vec<BlockingJob>,
}

/// What came of the durable writes of a snapshot.
struct Outcome {
    store: Option<Result<state::Persisted, StateError>>,
    sealed: Result<()>,
}

impl<C: Chain, R: Router<C::Out>> BlockTask<C, R> {
    fn guard<T>(&self, outcome: Result<T>) -> Result<T, Failure> {
        outcome.map_err(|error| failure(&self.name, error))
    }

    fn trust<T>(&self, outcome: Result<T, StateError>) -> Result<T, Failure> {
        self.guard(outcome.map_err(Error::from))
    }

    /// Does `work` on the chain and what follows it.
    fn with_end<T>(
        &mut self,
        outputs: &mut Outputs,
        work: impl FnOnce(&mut C, &mut RouterEnd<'_, R>) -> Result<T>,
    ) -> Result<T, Failure> {
        let (router, sides, time) = (&mut self.router, &mut self.sides[..], &mut self.time);
        let outcome = work(&mut self.chain, &mut RouterEnd { router, sides, outputs, time });
        self.guard(outcome)
    }

    /// Asks the operators whether one of them has more to emit.
    fn ask_for_emission(&mut self) -> Emission {
        self.emission =
            if self.declared.emits_after_events { parts::emission_of(&mut self.chain) } else { Emission::Complete };
        self.emission
    }

    /// As [`Self::ask_for_emission`]. Once everything has been emitted that follows from the end of event time, operators learn
    /// of the end of the input.
    fn end_when_complete(&mut self, outputs: &mut Outputs) -> Result<Emission, Failure> {
        let emission = self.ask_for_emission();
        if emission == Emission::Complete && std::mem::take(&mut self.is_ending) {
            self.with_end(outputs, |chain, end| chain.on_event(Event::End, end))?;
            return Ok(self.ask_for_emission());
        }
        Ok(emission)
    }

    /// How many records may be taken.
    fn room(&mut self, budget: usize, outputs: &mut Outputs) -> usize {
        let room = budget.min(self.router.room(outputs));
        if self.declared.may_be_full { room.min(parts::room_in(&mut self.chain)) } else { room }
    }

    /// The answer to a question that takes no error: that is returned by the next call that does.
    fn answer<T>(&mut self, answer: Result<T>, otherwise: T) -> T {
        answer.unwrap_or_else(|error| {
            self.unanswered.get_or_insert(error);
            otherwise
        })
    }
}

impl<C: Chain, R: Router<C::Out>> Task for BlockTask<C, R> {
    fn load(&mut self, channel: ChannelId, rows: Rows) {
        let input = self.inputs.get(channel.index()).copied().unwrap_or_default();
        self.chain.load(rows, input);
    }

    fn run(&mut self, budget: usize, outputs: &mut Outputs) -> Result<Progress, Failure> {
        let limit = self.room(budget, outputs);
        if limit == 0 {
            return Ok(Progress { records: 0, then: Then::Blocked });
        }
        if self.emission != Emission::Complete {
            self.with_end(outputs, |chain, end| chain.on_event(Event::Resume { at_most: limit }, end))?;
            let then = match self.end_when_complete(outputs)? {
                Emission::Complete => Then::More,
                emission => Then::Emitting(emission),
            };
            return Ok(Progress { records: 0, then });
        }
        if let Some(arrivals) = &self.arrivals {
            arrivals.set(self.clock.processing_time());
        }
        let step = self.with_end(outputs, |chain, end| chain.run(limit, end))?;
        for side in &mut self.sides {
            side.drain(outputs).map_err(|error| failure(&self.name, error))?;
        }
        // What is left of the batch comes after that.
        if self.declared.emits_after_records && self.ask_for_emission().comes_first() {
            return Ok(Progress { records: step.records, then: Then::Emitting(self.emission) });
        }
        let then = match step.head {
            HeadStatus::BatchDone => Then::BatchDone,
            HeadStatus::BatchGoesOn | HeadStatus::Read(ReadStatus::More) => Then::More,
            HeadStatus::Read(ReadStatus::Wait(time)) => Then::Wait(time),
            HeadStatus::Read(ReadStatus::UntilWoken) => Then::UntilWoken,
            HeadStatus::Read(ReadStatus::SplitsFinished) => Then::SplitsFinished,
        };
        Ok(Progress { records: step.records, then })
    }

    fn on_event(&mut self, event: TaskEvent, outputs: &mut Outputs) -> Result<Emission, Failure> {
        match event {
            TaskEvent::Time(signal) => self.with_end(outputs, |chain, end| chain.on_signal(signal, end))?,
            TaskEvent::ProcessingTime(now) => {
                self.with_end(outputs, |chain, end| chain.on_event(Event::ProcessingTime(now), end))?;
            }
            TaskEvent::Stalled(time) => {
                self.with_end(outputs, |chain, end| chain.on_event(Event::Stalled(time), end))?;
            }
            TaskEvent::Unassigned => self.with_end(outputs, |chain, end| chain.on_event(Event::Unassigned, end))?,
            TaskEvent::Woken => self.with_end(outputs, |chain, end| chain.on_event(Event::Woken, end))?,
            TaskEvent::End => {
                // The end of the input is the end of event time.
                let over = TimeSignal::Watermark(Timestamp::MAX);
                self.with_end(outputs, |chain, end| chain.on_signal(over, end))?;
                self.is_ending = true;
            }
            TaskEvent::Flush => {
                if self.declared.writes {
                    let flushed = parts::flush(&mut self.chain);
                    self.guard(flushed)?;
                }
                self.with_end(outputs, |_, end| end.flush())?;
                return Ok(self.emission);
            }
        }
        self.end_when_complete(outputs)
    }

    fn due(&mut self) -> Option<Timestamp> {
        if !self.declared.waits_for_processing_time {
            return None;
        }
        let due = parts::due_of(&mut self.chain);
        self.answer(due, None)
    }

    fn event_time(&mut self) -> TaskTime {
        let SentTime { watermark, is_idle, .. } = self.time;
        let sent = TaskTime { watermark, is_idle, ..TaskTime::SILENT };
        let time = parts::describe_event_time(&mut self.chain, sent.clone());
        self.answer(time, sent)
    }

    fn query(&mut self, question: &mut dyn Any) -> Result<(), Failure> {
        let Some(question) = question.downcast_mut::<StateQuestion>() else { return Ok(()) };
        let mut ask = |table: &mut dyn KeyedTable| {
            if table.name() == question.table { (question.read)(table) } else { Ok(()) }
        };
        let outcome = TablesOf(&mut self.chain).visit(&mut ask);
        self.trust(outcome)
    }

    fn get_ready(&mut self) -> Result<bool, Failure> {
        if !self.declared.prepares {
            return Ok(true);
        }
        let ready = parts::get_ready(&mut self.chain, ROWS_PREPARED_AT_ONCE);
        self.guard(ready)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<(), Failure> {
        let seals = parts::prepare(&mut self.chain, checkpoint);
        let seals = self.guard(seals)?;
        let state = parts::small_states_of(&mut self.chain);
        let mut state = self.guard(state)?;
        self.guard(state.put(COUNTERS, COUNTS, |counts| counts.put(&self.metrics.durable())))?;
        self.taken = Some(Taken { state, seals });
        if let Some(store) = &mut self.store {
            let outcome = store.barrier(checkpoint, &mut TablesOf(&mut self.chain));
            self.trust(outcome)?;
        }
        Ok(())
    }

    fn persist(&mut self) -> Result<Option<PersistJob>, Failure> {
        let write = match &mut self.store {
            None => None,
            Some(store) => match store.encode(ROWS_ENCODED_AT_ONCE, &mut TablesOf(&mut self.chain)) {
                Ok(None) => return Ok(None),
                Ok(write) => write,
                Err(error) => return self.trust(Err(error)),
            },
        };
        let taken = self.taken.take().ok_or_else(|| {
            Failure::of_job(&self.name, FailureKind::Error, "a snapshot is to be written, but none was taken")
        })?;
        let state = self.guard(model::encode(&taken.state).map_err(|source| Error::codec(&self.name, source)))?;
        Ok(Some(Box::new(move || {
            let sealed = taken.seals.into_iter().try_for_each(|seal| seal());
            // The store's delta is written even if a sink failed: the next checkpoint builds on it.
            let store = write.map(|write| write());
            let bytes = match &store {
                Some(Ok(persisted)) => Ok(persisted.bytes),
                Some(Err(error)) => Err(seam_error(error.clone().into())),
                None => Ok(0),
            };
            let bytes = if sealed.is_ok() { bytes } else { Err(SeamError::transient("a sink could not be sealed")) };
            let snapshot = bytes.map(|bytes| SubtaskSnapshot { state, bytes, drained: false });
            Written { snapshot, outcome: Box::new(Outcome { store, sealed }) }
        })))
    }

    fn persisted(&mut self, checkpoint: CheckpointId, outcome: Option<TaskOutcome>) -> Result<(), Failure> {
        let Some(outcome) = outcome else { return Ok(()) };
        let outcome = outcome.downcast::<Outcome>().expect("the only durable writes are those of this block");
        if let (Some(store), Some(outcome)) = (&mut self.store, outcome.store) {
            let mut outcome = store.persisted(outcome);
            if self.sabotage == Some(Sabotage::ForgetFoldHorizon) && outcome.is_ok() {
                outcome = store.completed(checkpoint, checkpoint, &mut TablesOf(&mut self.chain));
            }
            self.trust(outcome)?;
        }
        // A delta of the store goes into the next checkpoint, but a transaction that could not be sealed is lost.
        self.guard(outcome.sealed)
    }

    fn completed(&mut self, checkpoint: CheckpointId, oldest: CheckpointId) -> Result<Vec<CommitJob>, Failure> {
        let commits = parts::completed(&mut self.chain, checkpoint);
        let commits = self.guard(commits)?;
        if let Some(store) = &mut self.store {
            let outcome = store.completed(checkpoint, oldest, &mut TablesOf(&mut self.chain));
            self.trust(outcome)?;
        }
        let typed = |commit: BlockingJob| -> CommitJob { Box::new(move || commit().map_err(seam_error)) };
        Ok(commits.into_iter().map(typed).collect())
    }

    fn background(&mut self, idle: bool, now: Moment) -> Result<Option<BackgroundJob>, Failure> {
        let Some(store) = &mut self.store else { return Ok(None) };
        let job = store.background(idle, now, &mut TablesOf(&mut self.chain));
        let job = self.trust(job)?;
        Ok(job.map(|job| Box::new(move || Box::new(job()) as TaskOutcome) as BackgroundJob))
    }

    fn background_done(&mut self, outcome: TaskOutcome, now: Moment) -> Result<(), Failure> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let outcome = outcome.downcast::<Result<state::Folded, StateError>>();
        let outcome = *outcome.expect("the only background jobs are those of the store");
        let folded = store.folded(outcome, now, &mut TablesOf(&mut self.chain));
        self.trust(folded)
    }

    fn pressure(&mut self) -> Result<Pressure, Failure> {
        if let Some(error) = self.unanswered.take() {
            return Err(failure(&self.name, error));
        }
        let Some(store) = &mut self.store else { return Ok(Pressure::None) };
        let pressure = store.pressure(&mut TablesOf(&mut self.chain));
        Ok(match self.trust(pressure)? {
            state::Pressure::None => Pressure::None,
            state::Pressure::AskCheckpoint => Pressure::Checkpoint,
            state::Pressure::Fold => Pressure::Background,
        })
    }

    fn add_split(&mut self, split: Rows) -> Result<(), Failure> {
        let added = parts::with_input(&mut self.chain, |input| input.add_split(split));
        self.guard(added.unwrap_or_else(|| Err(Error::other("a split was handed to a subtask that reads none"))))
    }
}

/// A question to the task of a block: what a table of its keyed state holds.
pub(crate) struct StateQuestion {
    /// The name of the table.
    pub(crate) table: String,
    /// Reads the table, if the block has it.
    pub(crate) read: ReadTable,
}

/// Reads a table whose types it knows.
pub(crate) type ReadTable = Box<dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>>;
