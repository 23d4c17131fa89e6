//! What errors of state and of the store of manifests mean for the job: whether it is tried again is a matter of their kind.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_actors::blueprint::{BlockBlueprint, Blueprint};
use millstream_actors::channel::Outputs;
use millstream_actors::checkpoints::{Beginning, CheckpointStore, Manifest};
use millstream_actors::environment::Chance;
use millstream_actors::error::{Cause, Failure, FailureKind, SeamError};
use millstream_actors::faults::NoFaults;
use millstream_actors::ids::{Attempt, ChannelId, CheckpointId};
use millstream_actors::job::JobConfig;
use millstream_actors::kill::KillSwitch;
use millstream_actors::observe::{JobStatus, JobView, Observed};
use millstream_actors::packet::Rows;
use millstream_actors::protocol::{RestartPolicy, RoundsConfig};
use millstream_actors::simulation::{self, VirtualWorld};
use millstream_actors::task::{
    BackgroundJob, CommitJob, Emission, Enumeration, EnumerationFactory, PersistJob, Pressure, Progress,
    SubtaskSnapshot, Task, TaskEvent, TaskFactory, TaskOpening, TaskOutcome, Then, Written,
};
use millstream_actors::time::{Moment, Timestamp};
use millstream_actors::time_view::TaskTime;

/// What the tasks and the store of a job answer, attempt by attempt or checkpoint by checkpoint; well, once the list is empty.
#[derive(Clone, Default)]
struct Script {
    attempts: Arc<Mutex<VecDeque<SeamError>>>,
    begins: Answers,
    publishes: Answers,
    writes: Answers,
}

/// Answers in order; `None` is a good one.
type Answers = Arc<Mutex<VecDeque<Option<SeamError>>>>;

fn answer(answers: &Answers) -> Result<(), SeamError> {
    answers.lock().expect("nobody panics").pop_front().flatten().map_or(Ok(()), Err)
}

fn answers(list: &[Option<SeamError>]) -> Answers {
    Arc::new(Mutex::new(list.iter().cloned().collect()))
}

fn full() -> SeamError {
    SeamError::transient(io::Error::from(io::ErrorKind::StorageFull))
}

fn damaged() -> SeamError {
    SeamError::Untrusted(Cause::from(Box::from("checksum")))
}

/// A source without input.
struct Empty {
    script: Script,
}

impl Task for Empty {
    fn load(&mut self, _channel: ChannelId, _rows: Rows) {}

    fn run(&mut self, _budget: usize, _outputs: &mut Outputs) -> Result<Progress, Failure> {
        match self.script.attempts.lock().expect("nobody panics").pop_front() {
            Some(error) => Err(error.into_failure("empty", FailureKind::Error)),
            None => Ok(Progress { records: 0, then: Then::SplitsFinished }),
        }
    }

    fn on_event(&mut self, _event: TaskEvent, _outputs: &mut Outputs) -> Result<Emission, Failure> {
        Ok(Emission::Complete)
    }

    fn due(&mut self) -> Option<Timestamp> {
        None
    }

    fn event_time(&mut self) -> TaskTime {
        TaskTime::SILENT
    }

    fn query(&mut self, _question: &mut dyn std::any::Any) -> Result<(), Failure> {
        Ok(())
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<(), Failure> {
        Ok(())
    }

    fn persist(&mut self) -> Result<Option<PersistJob>, Failure> {
        let writes = Arc::clone(&self.script.writes);
        Ok(Some(Box::new(move || {
            let snapshot = answer(&writes).map(|()| SubtaskSnapshot::default());
            Written { snapshot, outcome: Box::new(()) }
        })))
    }

    fn persisted(&mut self, _checkpoint: CheckpointId, _outcome: Option<TaskOutcome>) -> Result<(), Failure> {
        Ok(())
    }

    fn completed(&mut self, _checkpoint: CheckpointId, _oldest: CheckpointId) -> Result<Vec<CommitJob>, Failure> {
        Ok(Vec::new())
    }

    fn background(&mut self, _idle: bool, _now: Moment) -> Result<Option<BackgroundJob>, Failure> {
        Ok(None)
    }

    fn background_done(&mut self, _outcome: TaskOutcome, _now: Moment) -> Result<(), Failure> {
        Ok(())
    }

    fn pressure(&mut self) -> Result<Pressure, Failure> {
        Ok(Pressure::None)
    }

    fn add_split(&mut self, _split: Rows) -> Result<(), Failure> {
        Ok(())
    }
}

impl TaskFactory for Script {
    fn open(&self, _opening: TaskOpening) -> Result<Box<dyn Task>, Failure> {
        Ok(Box::new(Empty { script: self.clone() }))
    }
}

struct NoSplits;

impl EnumerationFactory for NoSplits {
    fn open(&self, _restored: Option<&[u8]>) -> Result<Box<dyn Enumeration>, Failure> {
        Ok(Box::new(Self))
    }
}

impl Enumeration for NoSplits {
    fn next_split(&mut self, _reader: u32) -> Result<Option<Rows>, Failure> {
        Ok(None)
    }

    fn snapshot(&self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
}

/// Keeps nothing, and answers by the script.
struct Store {
    script: Script,
    begun: Mutex<u64>,
}

impl CheckpointStore for Store {
    fn begin_attempt(&self) -> Result<Beginning, SeamError> {
        answer(&self.script.begins)?;
        let mut begun = self.begun.lock().expect("nobody panics");
        *begun += 1;
        Ok(Beginning { attempt: Attempt(*begun), restored: None, next_checkpoint: CheckpointId(100 * *begun) })
    }

    fn publish(&self, manifest: &Manifest) -> Result<CheckpointId, SeamError> {
        answer(&self.script.publishes).map(|()| manifest.checkpoint)
    }

    fn finish(&self) -> Result<(), SeamError> {
        Ok(())
    }
}

/// Always the first possibility.
struct First;

impl Chance for First {
    fn below(&self, _bound: usize) -> usize {
        0
    }
}

fn run(script: &Script, tolerable_failures: u32) -> Observed {
    let tasks = Arc::new(script.clone());
    let block = BlockBlueprint { name: "empty".into(), parallelism: 1, tasks, splits: Some(Arc::new(NoSplits)) };
    let config = JobConfig {
        rounds: RoundsConfig { interval: None, tolerable_failures, ..RoundsConfig::default() },
        restart: RestartPolicy::default(),
        credits: 2,
        workers: 1,
        run_slice: Duration::from_micros(500),
        standstill: Duration::MAX,
        seed: 0,
    };
    let world = VirtualWorld {
        started_at: Timestamp::from_millis(0),
        faults: Arc::new(NoFaults),
        chance: Arc::new(First),
        machine: KillSwitch::default(),
        limit: Duration::from_secs(3600),
        alarms: Vec::new(),
        sabotage: None,
    };
    let store = Arc::new(Store { script: script.clone(), begun: Mutex::new(0) });
    let blueprint = Blueprint { blocks: vec![block], edges: Vec::new() };
    simulation::run(blueprint, config, store, world, |_, _| ()).expect("the system starts")
}

/// A job whose first attempt fails, and whose second cannot begin at first.
fn that_begins_with(error: SeamError) -> Observed {
    let failures = Arc::new(Mutex::new([SeamError::transient("a function failed")].into()));
    run(&Script { attempts: failures, begins: answers(&[None, Some(error)]), ..Script::default() }, 0)
}

fn kind_of(view: &JobView) -> Option<FailureKind> {
    match &view.status {
        JobStatus::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

#[test]
fn attempt_that_cannot_begin_for_now_is_begun_again() {
    let view = that_begins_with(full()).view();
    assert_eq!((view.status, view.attempts), (JobStatus::Finished, 2));
}

#[test]
fn attempt_that_finds_damage_is_the_last() {
    let view = that_begins_with(damaged()).view();
    assert_eq!((kind_of(&view), view.attempts), (Some(FailureKind::Untrusted), 1), "{:?}", view.status);
}

#[test]
fn manifest_that_cannot_be_written_for_now_is_written_with_the_next_checkpoint() {
    let script = Script { publishes: answers(&[Some(full()), Some(full())]), ..Script::default() };
    let view = run(&script, 2).view();
    assert_eq!((view.status, view.abandoned, view.attempts), (JobStatus::Finished, 2, 1));
}

#[test]
fn manifest_that_is_refused_once_too_often_begins_a_new_attempt() {
    let observed = run(&Script { publishes: answers(&[Some(full()), Some(full())]), ..Script::default() }, 1);
    let failure = observed.attempts()[0].failure.clone().map(|failure| failure.kind);
    assert_eq!((observed.status(), failure), (JobStatus::Finished, Some(FailureKind::Checkpoint)));
}

#[test]
fn store_that_cannot_be_trusted_fails_the_job_however_many_failures_are_tolerable() {
    let view = run(&Script { publishes: answers(&[Some(damaged())]), ..Script::default() }, 9).view();
    assert_eq!((kind_of(&view), view.attempts), (Some(FailureKind::Untrusted), 1), "{:?}", view.status);
}

#[test]
fn snapshot_that_cannot_be_trusted_fails_the_job_and_one_that_cannot_be_written_is_taken_again() {
    let view = run(&Script { writes: answers(&[Some(full())]), ..Script::default() }, 9).view();
    assert_eq!((view.status, view.abandoned), (JobStatus::Finished, 1));
    let view = run(&Script { writes: answers(&[Some(damaged())]), ..Script::default() }, 9).view();
    assert_eq!((kind_of(&view), view.attempts), (Some(FailureKind::Untrusted), 1), "{:?}", view.status);
}
