//! Drives a whole plan step by step, without threads: records and time go in, outputs and state are read.

mod clock;
mod host;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use millstream_actors::blueprint::{Blueprint, Channels};
use millstream_actors::channel::{Credits, Deliver, Outputs, Sender};
use millstream_actors::environment::{BlockingPool, Environment};
use millstream_actors::error::Failure;
use millstream_actors::faults::Work;
use millstream_actors::ids::{Attempt, BlockId, CheckpointId, SubtaskId};
use millstream_actors::task::{Enumeration, SubtaskSnapshot, TaskOpening, Wake};
use millstream_actors::time::{Clock, TimeSignal, Timestamp};

pub use clock::ManualClock;
use host::{Host, Mailbox};

use super::Line;
use super::world::block_of;
use crate::api::Topology;
use crate::error::{ErrorKind, Result};
use crate::io::{Captures, Feeds};
use crate::model::{Data, Key, Record};
use crate::plan::Plan;
use crate::runtime::{JobOptions, StateQuestion, share_out_all};
use crate::state::{CrashDisks, KeyedTable, Table};

/// A whole topology on the present thread, driven step by step.
///
/// The tasks are those of production; the actors are not there. What is pushed into a source goes through to the sinks
/// before the call returns. Sources are not read and sinks not written: the test pushes and reads in their place. Time
/// stands still but for [`TopologyDriver::advance`].
///
/// # Recovery
/// [`TopologyDriver::snapshot`] holds everything, and is restored as often as wanted, into this driver or into one of
/// another topology with the same uids.
///
/// # Example
/// ```
/// use millstream::prelude::*;
/// use millstream::testing::TopologyDriver;
///
/// let topology = Topology::new("word count");
/// topology
///     .source("words", FileSource::lines("words/*.txt"))
///     .key_by(|word| word.clone())
///     .count("counts")
///     .collect("results");
///
/// let mut driver = TopologyDriver::new(&topology)?;
/// driver.push("words", "tea".to_owned())?;
/// let before = driver.snapshot()?;
/// driver.push("words", "tea".to_owned())?;
/// assert_eq!(driver.output::<(String, u64)>("results"), [("tea".to_owned(), 1), ("tea".to_owned(), 2)]);
///
/// driver.restore(&before)?;
/// assert_eq!(driver.state::<String, u64>("counts")?, [("tea".to_owned(), 1)]);
/// driver.push("words", "tea".to_owned())?;
/// assert_eq!(driver.output::<(String, u64)>("results"), [("tea".to_owned(), 2)]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub struct TopologyDriver {
    topology: Topology,
    parallelism: u32,
    plan: Plan,
    feeds: Feeds,
    captures: Captures,
    disks: CrashDisks,
    clock: Arc<ManualClock>,
    hosts: Vec<Host>,
    splits: BTreeMap<BlockId, Box<dyn Enumeration>>,
    attempt: Attempt,
    checkpoint: CheckpointId,
    /// How many lines were pushed into each source.
    pushed: BTreeMap<String, usize>,
    /// How much of each output was read.
    read: BTreeMap<String, usize>,
}

/// Everything that a [`TopologyDriver`] had reached at one moment.
#[derive(Clone)]
pub struct DriverSnapshot {
    checkpoint: CheckpointId,
    attempt: Attempt,
    subtasks: BTreeMap<SubtaskId, SubtaskSnapshot>,
    enumerations: BTreeMap<BlockId, Vec<u8>>,
    disks: CrashDisks,
}

/// No channel of a driver is ever full.
const CREDITS: usize = 1 << 40;

/// Nothing that a driver hosts asks for a pool: it does blocking work where it stands.
struct NoPool;

impl BlockingPool for NoPool {
    fn run(&self, _work: Work, _after: Duration, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}

impl TopologyDriver {
    /// Drives `topology` with one subtask per block, at the beginning of the year 2000.
    ///
    /// # Errors
    /// If the plan has a mistake.
    pub fn new(topology: &Topology) -> Result<Self> {
        Self::with_parallelism(topology, 1)
    }

    /// Drives `topology` with `parallelism` subtasks per block that says nothing else. Lines that are pushed go to the
    /// subtasks of a source in turn.
    ///
    /// # Errors
    /// If the plan has a mistake.
    pub fn with_parallelism(topology: &Topology, parallelism: u32) -> Result<Self> {
        let started_at = Timestamp::from_millis(super::simulation::STARTED_AT);
        let mut driver = Self {
            topology: topology.clone(),
            parallelism,
            plan: topology.plan_with(parallelism)?,
            feeds: Feeds::new(BTreeMap::new()),
            captures: Captures::default(),
            disks: CrashDisks::default(),
            clock: Arc::new(ManualClock::starting_at(started_at)),
            hosts: Vec::new(),
            splits: BTreeMap::new(),
            attempt: Attempt(0),
            checkpoint: CheckpointId(0),
            pushed: BTreeMap::new(),
            read: BTreeMap::new(),
        };
        driver.open(None)?;
        Ok(driver)
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    // ---- what goes in ----

    /// Pushes a record without event time into the source `uid`.
    ///
    /// # Errors
    /// If an operator fails.
    ///
    /// # Panics
    /// If there is no such source, or it gives records of another type.
    pub fn push<T: Data>(&mut self, uid: &str, value: T) -> Result<()> {
        self.line(uid, Line::Record(Record::new(value)))
    }

    /// Pushes a record at `millis` of event time into the source `uid`.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`].
    ///
    /// # Panics
    /// As [`TopologyDriver::push`].
    pub fn push_at<T: Data>(&mut self, uid: &str, value: T, millis: i64) -> Result<()> {
        self.line(uid, Line::Record(Record::at(value, Timestamp::from_millis(millis))))
    }

    /// Says that the source `uid`, of records of type `T`, gives no record at or before `millis` any more.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`].
    ///
    /// # Panics
    /// As [`TopologyDriver::push`].
    pub fn watermark<T: Data>(&mut self, uid: &str, millis: i64) -> Result<()> {
        self.signal::<T>(uid, TimeSignal::Watermark(Timestamp::from_millis(millis)))
    }

    /// Lets each subtask of the source `uid` say something about event time.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`].
    ///
    /// # Panics
    /// As [`TopologyDriver::push`].
    pub fn signal<T: Data>(&mut self, uid: &str, signal: TimeSignal) -> Result<()> {
        let feed = self.feed::<T>(uid);
        (0..self.parallelism_of(uid) as usize).for_each(|lane| feed.push(lane, Line::Signal(signal)));
        self.settle()
    }

    /// Pushes a line of a script into the source `uid`.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`]; an abort is no error here, but nothing at all.
    ///
    /// # Panics
    /// As [`TopologyDriver::push`].
    pub fn line<T: Data>(&mut self, uid: &str, line: Line<T>) -> Result<()> {
        let feed = self.feed::<T>(uid);
        let pushed = self.pushed.entry(uid.to_owned()).or_default();
        feed.push(*pushed, line);
        *pushed += 1;
        self.settle()
    }

    /// Ends the source `uid`, of records of type `T`.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`].
    ///
    /// # Panics
    /// As [`TopologyDriver::push`].
    pub fn end<T: Data>(&mut self, uid: &str) -> Result<()> {
        self.feed::<T>(uid).end();
        self.settle()
    }

    /// Lets machine time go on by `distance`: everything that waits for a time on the way gets its turn at that time.
    ///
    /// # Errors
    /// As [`TopologyDriver::push`].
    pub fn advance(&mut self, distance: Duration) -> Result<()> {
        let goal = self.clock.now() + distance;
        self.settle()?;
        loop {
            let next = self.hosts.iter_mut().filter_map(Host::due).min();
            let now = self.clock.processing_time();
            let step = match next {
                Some(due) if due > now => Duration::from_millis((due.as_millis() - now.as_millis()) as u64),
                _ => goal.since(self.clock.now()),
            };
            let left = goal.since(self.clock.now());
            self.clock.advance(step.min(left));
            self.settle()?;
            if step >= left {
                return Ok(());
            }
        }
    }

    /// What clocks on the wall show.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.clock.processing_time()
    }

    // ---- what comes out ----

    /// What was written to the sink `uid`, or to the side output of that name that no stream reads, since the last call.
    /// A driver does not wait for checkpoints.
    ///
    /// # Panics
    /// If it takes records of another type.
    pub fn output<T: Data + Clone>(&mut self, uid: &str) -> Vec<T> {
        self.records(uid).into_iter().map(|record| record.value).collect()
    }

    /// The same with event times.
    ///
    /// # Panics
    /// As [`TopologyDriver::output`].
    pub fn records<T: Data + Clone>(&mut self, uid: &str) -> Vec<Record<T>> {
        let memory = self.captures.read::<T>(uid);
        let read = self.read.entry(uid.to_owned()).or_default();
        let new = memory.written().into_iter().skip(*read).map(|written| written.record).collect::<Vec<_>>();
        *read += new.len();
        new
    }

    /// The last watermark that came through all subtasks of the block which holds `uid` (an operator, a source or a
    /// sink), since the driver was made or restored.
    ///
    /// # Panics
    /// If the topology has no such uid.
    pub fn watermark_at(&mut self, uid: &str) -> Option<Timestamp> {
        let block = block_of(uid, &self.plan);
        let of_block = self.hosts.iter_mut().filter(|host| host.id.block == block);
        of_block.map(Host::watermark).min().filter(|watermark| watermark.is_some())
    }

    /// The rows of the keyed state `uid`, in the order of their keys.
    ///
    /// # Errors
    /// If they cannot be read.
    ///
    /// # Panics
    /// If there is no such state, or it has other types.
    pub fn state<K, V>(&mut self, uid: &str) -> Result<Vec<(K, V)>>
    where
        K: Key + Ord,
        V: Data + Clone + Serialize + DeserializeOwned,
    {
        let rows = Arc::new(Mutex::new(None::<Vec<(K, V)>>));
        let found = Arc::clone(&rows);
        let read = move |table: &mut dyn KeyedTable| {
            let table: &mut dyn std::any::Any = table;
            let Some(table) = table.downcast_mut::<Table<K, V>>() else { return Ok(()) };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let found = found.get_or_insert_default();
            table.scan(|key, value| {
                found.push((key.clone(), value.clone()));
                Ok(())
            })
        };
        let mut question = StateQuestion { table: uid.to_owned(), read: Box::new(read) };
        self.hosts.iter_mut().try_for_each(|host| host.query(&mut question)).map_err(failed)?;
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut rows = rows.unwrap_or_else(|| panic!("'{uid}' keeps no rows of such keys and values"));
        rows.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Ok(rows)
    }

    // ---- snapshots ----

    /// Takes a snapshot of everything. What was written before it is committed.
    ///
    /// # Errors
    /// If an operator fails, or its state cannot be encoded.
    pub fn snapshot(&mut self) -> Result<DriverSnapshot> {
        self.checkpoint = self.checkpoint.next();
        let checkpoint = self.checkpoint;
        let taken = self.hosts.iter_mut().map(|host| Ok((host.id, host.snapshot(checkpoint)?)));
        let subtasks = taken.collect::<Result<BTreeMap<_, _>, Failure>>().map_err(failed)?;
        let enumerated = self.splits.iter().map(|(block, splits)| Ok((*block, splits.snapshot()?)));
        let enumerations = enumerated.collect::<Result<BTreeMap<_, _>, Failure>>().map_err(failed)?;
        self.hosts.iter_mut().try_for_each(|host| host.commit(checkpoint)).map_err(failed)?;
        Ok(DriverSnapshot { checkpoint, attempt: self.attempt, subtasks, enumerations, disks: self.disks.copy() })
    }

    /// Goes back to a snapshot. What was pushed since then is forgotten, what was written since then and not read yet,
    /// too. The clock goes on.
    ///
    /// # Errors
    /// If the snapshot does not fit the topology.
    pub fn restore(&mut self, snapshot: &DriverSnapshot) -> Result<()> {
        self.disks = snapshot.disks.copy();
        self.checkpoint = self.checkpoint.max(snapshot.checkpoint);
        self.attempt = self.attempt.max(snapshot.attempt);
        self.captures = Captures::default();
        self.read.clear();
        self.open(Some(snapshot))
    }

    // ---- the machinery ----

    fn feed<T: Data>(&self, uid: &str) -> Arc<crate::io::Feed<T>> {
        let _ = block_of(uid, &self.plan);
        let feed = self.feeds.of::<T>(uid);
        feed.unwrap_or_else(|| panic!("source '{uid}' does not give {}", std::any::type_name::<T>()))
    }

    fn parallelism_of(&self, uid: &str) -> u32 {
        self.plan.blocks[block_of(uid, &self.plan).0 as usize].parallelism
    }

    /// Opens all tasks, from a snapshot or from nothing.
    fn open(&mut self, from: Option<&DriverSnapshot>) -> Result<()> {
        // The stores of the tasks that are open must be gone first.
        self.hosts.clear();
        self.splits.clear();
        // One lane per subtask, since a subtask that reads a lane never asks for another.
        let uids =
            self.plan.blocks.iter().flat_map(|block| block.nodes.iter().zip(std::iter::repeat(block.parallelism)));
        let lanes = uids.filter_map(|(node, parallelism)| Some((node.uid.clone()?, parallelism as usize)));
        self.feeds = Feeds::new(lanes.collect());
        let mut options = JobOptions::new().parallelism(self.parallelism);
        options.seams.surroundings.captures = Some(self.captures.clone());
        options.seams.surroundings.feeds = Some(self.feeds.clone());
        options.seams.surroundings.run = Some("driven".into());
        options.seams.state_backend = Some(self.disks.factory());
        let blueprint = self.topology.prepare(&options)?.into_blueprint();
        self.attempt = Attempt(self.attempt.0 + 1);
        let channels = Channels::of(&blueprint);
        let mailboxes: BTreeMap<SubtaskId, Mailbox> = subtasks(&blueprint).map(|id| (id, Mailbox::default())).collect();
        let environment = Environment { clock: self.clock.clone(), ..Environment::real(Arc::new(NoPool), 0) };
        let mut parts = from.map(|from| from.subtasks.clone()).unwrap_or_default();
        share_out_all(&mut parts)?;
        for id in subtasks(&blueprint) {
            let wake = Wake::default();
            let part = from.and_then(|from| Some((from.checkpoint, parts.remove(&id)?)));
            let drained = part.as_ref().is_some_and(|(_, part)| part.drained);
            let opening = TaskOpening {
                subtask: id,
                attempt: self.attempt,
                restored: part,
                environment: environment.clone(),
                wake: wake.clone(),
            };
            let task = blueprint.blocks[id.block.0 as usize].tasks.open(opening).map_err(failed)?;
            let outputs = outputs_of(id, &channels, &mailboxes);
            let mut host = Host::new(id, task, outputs, mailboxes[&id].clone(), channels.incoming(id), &wake);
            if drained {
                host.resume_drained();
            }
            self.hosts.push(host);
        }
        for (number, block) in blueprint.blocks.iter().enumerate() {
            let block_id = BlockId(number as u32);
            if let Some(splits) = &block.splits {
                let restored = from.and_then(|from| from.enumerations.get(&block_id)).map(Vec::as_slice);
                self.splits.insert(block_id, splits.open(restored).map_err(failed)?);
            }
        }
        self.settle()
    }

    /// Lets everybody work until there is nothing left to do.
    fn settle(&mut self) -> Result<()> {
        loop {
            let now = self.clock.processing_time();
            let mut worked = false;
            for host in &mut self.hosts {
                let splits = self.splits.get_mut(&host.id.block);
                worked |= host.turn(now, splits).map_err(failed)?;
            }
            if !worked {
                return Ok(());
            }
        }
    }
}

fn failed(failure: Failure) -> crate::Error {
    ErrorKind::Failed(failure).into()
}

fn subtasks(blueprint: &Blueprint) -> impl Iterator<Item = SubtaskId> {
    let blocks = blueprint.blocks.iter().enumerate();
    blocks.flat_map(|(block, of)| (0..of.parallelism).map(move |index| SubtaskId::new(block as u32, index)))
}

fn outputs_of(id: SubtaskId, channels: &Channels, mailboxes: &BTreeMap<SubtaskId, Mailbox>) -> Outputs {
    let sender = |&(receiver, channel)| {
        let mailbox: Arc<Mutex<VecDeque<_>>> = mailboxes[&receiver].clone();
        let deliver: Deliver = Arc::new(move |packet| {
            mailbox.lock().unwrap_or_else(PoisonError::into_inner).push_back(packet);
        });
        Sender::new(channel, Credits::new(CREDITS), deliver)
    };
    Outputs::new(channels.outgoing(id).iter().map(|edge| edge.iter().map(sender).collect()).collect())
}

impl fmt::Debug for TopologyDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyDriver")
            .field("topology", &self.plan.name)
            .field("attempt", &self.attempt)
            .field("processing_time", &self.processing_time())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DriverSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverSnapshot").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}
