//! What a simulated run takes for the world: every choice from one seed, faults when they are due, and a trace of it all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_actors::environment::Chance;
use millstream_actors::faults::{CrashPoint, Faults, Passing, Strike, Work};
use millstream_actors::ids::{BlockId, CheckpointId, SubtaskId};
use millstream_actors::job::Controls;
use millstream_actors::kill::{KillSwitch, Victim};
use millstream_actors::time::{Clock, TimeSignal};

use super::fault::{Effect, Fault, Target, Trigger};
use super::trace::{Happening, Trace};
use crate::io::{SplitMix64, Witness};
use crate::model::KeyHash;
use crate::plan::Plan;

/// The world of one run. It outlives the processes of the run.
pub(super) struct World(Mutex<Inner>);

struct Inner {
    random: SplitMix64,
    choices: u64,
    faults: Vec<Planned>,
    trace: Trace,
    /// The numbers of checkpoints, in the order in which they were first heard of.
    checkpoints: BTreeMap<CheckpointId, u64>,
    /// The fault that struck at the record where a subtask stands.
    at_record: BTreeMap<SubtaskId, usize>,
    process: Option<Process>,
    /// The virtual time of processes that have died.
    elapsed: Duration,
    lost_power: bool,
}

struct Process {
    machine: KillSwitch,
    running: Option<(Controls, Arc<dyn Clock>)>,
}

/// A fault, and how far it has come.
struct Planned {
    fault: Fault,
    block: Option<BlockId>,
    occasions: u64,
    strikes: u64,
}

/// A run that makes so many choices does not end.
const MOST_CHOICES: u64 = 5_000_000;

impl World {
    /// A world in which everything follows from `seed`.
    pub(super) fn new(seed: u64, faults: &[Fault], plan: &Plan) -> Self {
        let planned = |fault: &Fault| Planned {
            fault: fault.clone(),
            block: match &fault.target {
                Target::Subtask { uid, .. } | Target::Block { uid } => Some(block_of(uid, plan)),
                Target::Coordinator | Target::Job => None,
            },
            occasions: 0,
            strikes: 0,
        };
        Self(Mutex::new(Inner {
            random: SplitMix64::new(seed),
            choices: 0,
            faults: faults.iter().map(planned).collect(),
            trace: Trace::default(),
            checkpoints: BTreeMap::new(),
            at_record: BTreeMap::new(),
            process: None,
            elapsed: Duration::ZERO,
            lost_power: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process begins on `machine`.
    pub(super) fn begin_process(&self, machine: &KillSwitch) {
        let mut inner = self.lock();
        inner.process = Some(Process { machine: machine.clone(), running: None });
        inner.note(Happening::ProcessBegan);
    }

    /// The job of the process runs.
    pub(super) fn begin_job(&self, controls: Controls, clock: Arc<dyn Clock>) {
        if let Some(process) = &mut self.lock().process {
            process.running = Some((controls, clock));
        }
    }

    /// The process is over.
    pub(super) fn end_process(&self) {
        let mut inner = self.lock();
        inner.elapsed = inner.now();
        inner.process = None;
    }

    /// The faults that are due at a time of the present process, with that time.
    pub(super) fn timed(&self) -> Vec<(Duration, usize)> {
        let inner = self.lock();
        let due = |(index, planned): (usize, &Planned)| match planned.fault.trigger {
            Trigger::Time(at) if planned.strikes == 0 => Some((at.saturating_sub(inner.elapsed), index)),
            _ => None,
        };
        inner.faults.iter().enumerate().filter_map(due).collect()
    }

    /// The time of a timed fault has come.
    pub(super) fn strike_now(&self, index: usize) {
        let mut inner = self.lock();
        if inner.faults[index].strikes > 0 {
            return;
        }
        inner.struck(index);
        let Planned { fault, block, .. } = &inner.faults[index];
        let victims = match (&fault.target, block) {
            (Target::Subtask { index, .. }, Some(block)) => Victim::Subtask(SubtaskId { block: *block, index: *index }),
            (Target::Block { .. }, Some(block)) => Victim::Block(*block),
            _ => Victim::Coordinator,
        };
        inner.kill(victims);
    }

    /// How often each fault has struck.
    pub(super) fn strikes(&self) -> Vec<u64> {
        self.lock().faults.iter().map(|planned| planned.strikes).collect()
    }

    /// Whether the process that died last was cut off its power.
    pub(super) fn takes_power_loss(&self) -> bool {
        std::mem::take(&mut self.lock().lost_power)
    }

    /// Whether so many choices were made that the run must be taken to go on for ever.
    pub(super) fn is_exhausted(&self) -> bool {
        self.lock().choices > MOST_CHOICES
    }

    /// The virtual time of processes that are over.
    pub(super) fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// A choice for what lies outside of the job.
    pub(super) fn draw(&self) -> u64 {
        self.lock().random.next_u64()
    }

    pub(super) fn trace(&self) -> Trace {
        self.lock().trace.clone()
    }
}

/// The block that has `uid`.
///
/// # Panics
/// If there is none: the test names something that the topology does not have.
pub(super) fn block_of(uid: &str, plan: &Plan) -> BlockId {
    let has = |nodes: &[crate::plan::Node]| nodes.iter().any(|node| node.uid.as_deref() == Some(uid));
    match plan.blocks.iter().position(|block| has(&block.nodes)) {
        Some(block) => BlockId(block as u32),
        None => {
            let uids = plan.blocks.iter().flat_map(|block| &block.nodes).filter_map(|node| node.uid.as_deref());
            panic!("topology '{}' has no uid '{uid}', but {:?}", plan.name, uids.collect::<Vec<_>>())
        }
    }
}

impl Inner {
    fn now(&self) -> Duration {
        let clock = self.process.as_ref().and_then(|process| process.running.as_ref());
        self.elapsed + clock.map_or(Duration::ZERO, |(_, clock)| clock.now().since_start())
    }

    fn note(&mut self, what: Happening) {
        let now = self.now();
        self.trace.push(now, what);
    }

    fn struck(&mut self, index: usize) {
        let planned = &mut self.faults[index];
        planned.strikes += 1;
        let (ends_process, name) = (planned.fault.ends_process(), planned.fault.to_string());
        self.lost_power |= planned.fault.effect == Effect::PowerLoss;
        if ends_process && let Some(process) = &self.process {
            process.machine.kill();
        }
        self.note(Happening::Struck(name));
    }

    fn kill(&self, victim: Victim) {
        if let Some((controls, _)) = self.process.as_ref().and_then(|process| process.running.as_ref()) {
            controls.kill(victim);
        }
    }
}

impl Planned {
    /// Whether it may strike `subtask`; `None` is the coordinator.
    fn concerns(&self, subtask: Option<SubtaskId>) -> bool {
        match (&self.fault.target, subtask) {
            (Target::Subtask { index, .. }, Some(subtask)) => {
                Some(subtask.block) == self.block && subtask.index == *index
            }
            (Target::Block { .. }, Some(subtask)) => Some(subtask.block) == self.block,
            (Target::Coordinator, None) | (Target::Job, _) => true,
            _ => false,
        }
    }

    fn may_strike(&self) -> bool {
        self.strikes == 0 || self.fault.always
    }

    /// Counts an occasion of which the n-th is wanted.
    fn is_occasion(&mut self, nth: u64) -> bool {
        self.occasions += 1;
        self.may_strike() && self.occasions >= nth
    }
}

impl Faults for World {
    fn strikes(&self, passing: Passing) -> Option<Strike> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.process.as_ref().is_some_and(|process| process.machine.is_killed()) {
            return None;
        }
        inner.note(Happening::Passed(passing));
        let next = inner.checkpoints.len() as u64 + 1;
        let number = passing.checkpoint.map(|checkpoint| *inner.checkpoints.entry(checkpoint).or_insert(next));
        let here = passing.subtask.and_then(|subtask| inner.at_record.remove(&subtask));
        let due = |(index, planned): (usize, &mut Planned)| {
            let concerns = planned.concerns(passing.subtask);
            let is_due = match planned.fault.trigger {
                Trigger::Passing { point, nth } => concerns && point == passing.point && planned.is_occasion(nth),
                Trigger::Checkpoint { nth, point } => {
                    concerns && point == passing.point && number == Some(nth) && planned.may_strike()
                }
                Trigger::Record(_) => here == Some(index) && passing.point == CrashPoint::Record,
                Trigger::Time(_) | Trigger::Work { .. } => false,
            };
            is_due.then_some(index)
        };
        let index = inner.faults.iter_mut().enumerate().find_map(due)?;
        inner.struck(index);
        let planned = &inner.faults[index];
        if let (Effect::Kill, Target::Block { .. }, Some(block)) =
            (planned.fault.effect, &planned.fault.target, planned.block)
        {
            inner.kill(Victim::Block(block));
        }
        inner.faults[index].fault.strike()
    }

    fn records_left(&self, subtask: SubtaskId, taken: u64) -> Option<u64> {
        let mut inner = self.lock();
        let left = |(index, planned): (usize, &Planned)| match planned.fault.trigger {
            Trigger::Record(at) if at >= taken && planned.may_strike() && planned.concerns(Some(subtask)) => {
                Some((at - taken, index))
            }
            _ => None,
        };
        let (left, index) = inner.faults.iter().enumerate().filter_map(left).min()?;
        if left == 0 {
            inner.at_record.insert(subtask, index);
        }
        Some(left)
    }

    fn delay(&self, work: Work) -> Duration {
        let mut inner = self.lock();
        inner.note(Happening::Work(work));
        let late = |(index, planned): (usize, &mut Planned)| match (planned.fault.effect, planned.fault.trigger) {
            (Effect::Delay(kind, by), Trigger::Work { nth }) if kind == work.kind => {
                (planned.concerns(work.subtask) && planned.is_occasion(nth)).then_some((index, by))
            }
            _ => None,
        };
        let Some((index, by)) = inner.faults.iter_mut().enumerate().find_map(late) else { return Duration::ZERO };
        inner.struck(index);
        by
    }
}

impl Chance for World {
    fn below(&self, bound: usize) -> usize {
        let mut inner = self.lock();
        inner.choices += 1;
        if inner.choices > MOST_CHOICES
            && let Some(process) = &inner.process
        {
            // Virtual time may stand still for ever, so a limit of time alone does not end every run.
            process.machine.kill();
        }
        let choice = ((u128::from(inner.random.next_u64()) * bound as u128) >> 64) as usize;
        inner.trace.chose(bound, choice);
        choice
    }
}

impl Witness for World {
    fn routed(&self, from: SubtaskId, hash: KeyHash, to: usize) {
        self.lock().note(Happening::Routed { from, hash, to });
    }

    fn signalled(&self, from: SubtaskId, signal: TimeSignal) {
        self.lock().note(Happening::Signalled { from, signal });
    }
}
