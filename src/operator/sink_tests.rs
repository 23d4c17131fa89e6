//! The scenarios that the semantics of sinks with transactions name, on a sink that lives in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream_actors::ids::Attempt;
use millstream_actors::time::{Clock, Moment, Timestamp};

use super::*;
use crate::io::Prepared;
use crate::operator::parts::{self, OfOperator};
use crate::operator::{Restored, SmallStates};

/// What is written, by transaction: what is visible, and what is not yet. Clones are the same place.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    next: u64,
    pending: BTreeMap<u64, Vec<u32>>,
    committed: BTreeMap<u64, Vec<u32>>,
    fails: bool,
}

impl Memory {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().expect("no test panics with it")
    }

    fn visible(&self) -> Vec<u32> {
        self.inside().committed.values().flatten().copied().collect()
    }

    /// How many transactions are neither visible nor gone.
    fn outstanding(&self) -> usize {
        self.inside().pending.len()
    }
}

/// Writes into a transaction that is listed as soon as something is in it.
struct MemoryWriter {
    memory: Memory,
    current: Option<u64>,
}

impl Sink for Memory {
    type In = u32;
    type Transaction = u64;
    type Writer = MemoryWriter;
    type Committer = Self;

    fn committer(&self, _: &SubtaskContext) -> Result<Self> {
        Ok(self.clone())
    }

    fn writer(&self, _: &mut SubtaskContext) -> Result<MemoryWriter> {
        Ok(MemoryWriter { memory: self.clone(), current: None })
    }
}

impl SinkWriter for MemoryWriter {
    type In = u32;
    type Transaction = u64;

    fn write(&mut self, record: Record<u32>) -> Result<()> {
        let mut inside = self.memory.inside();
        let current = *self.current.get_or_insert_with(|| {
            inside.next += 1;
            inside.next
        });
        inside.pending.entry(current).or_default().push(record.value);
        Ok(())
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Prepared<u64>> {
        Ok(Prepared { transactions: self.current.take().into_iter().collect(), seal: None })
    }
}

impl Committer for Memory {
    type Transaction = u64;

    fn commit(&self, transactions: &[u64]) -> Result<()> {
        let mut inside = self.inside();
        if inside.fails {
            return Err(Error::other("the output cannot be reached"));
        }
        for transaction in transactions {
            let records = inside.pending.remove(transaction);
            inside.committed.extend(records.map(|records| (*transaction, records)));
        }
        Ok(())
    }

    fn abort(&self, transactions: &[u64]) -> Result<()> {
        self.inside().pending.retain(|transaction, _| !transactions.contains(transaction));
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<u64>> {
        Ok(self.inside().pending.keys().copied().collect())
    }
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment::ZERO
    }

    fn started_at(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// The operator of one attempt.
struct Written(SinkOperator<Memory>);

impl Written {
    fn open(memory: &Memory, restored: Option<(u64, SmallStates)>) -> Result<Self> {
        let mut context = SubtaskContext::new(0, 1, Attempt(1), "run", Arc::new(Still));
        context.restored = restored.map(|(id, state)| Restored { checkpoint: CheckpointId(id), state });
        SinkOperator::open("output", memory, &mut context).map(Self)
    }

    fn write(&mut self, value: u32) {
        let mut nothing = Vec::<Record<Infallible>>::new();
        self.0.on_record(Record::new(value), &mut nothing).expect("it can be written");
    }

    /// What is in the snapshot of a checkpoint.
    fn snapshot(&mut self, checkpoint: u64) -> SmallStates {
        let seals = parts::prepare(&mut OfOperator(&mut self.0), CheckpointId(checkpoint)).expect("it can be prepared");
        let state = parts::small_states_of(&mut OfOperator(&mut self.0)).expect("it can be encoded");
        seals.into_iter().for_each(|seal| seal().expect("it can be sealed"));
        state
    }

    fn complete(&mut self, checkpoint: u64) -> Result<()> {
        let commits = parts::completed(&mut OfOperator(&mut self.0), CheckpointId(checkpoint)).expect("it can be told");
        commits.into_iter().try_for_each(|commit| commit())
    }
}

#[test]
fn p1_complete_checkpoint_commits_all_transactions_up_to_it() {
    let memory = Memory::default();
    let mut written = Written::open(&memory, None).unwrap();
    for (checkpoint, value) in [42, 43, 44].into_iter().enumerate() {
        written.write(value);
        written.snapshot(checkpoint as u64);
    }
    written.write(45);
    assert!(memory.visible().is_empty());
    written.complete(1).unwrap();
    assert_eq!(memory.visible(), [42, 43]);
    assert_eq!(memory.outstanding(), 2, "that of checkpoint 2, and the current one");
}

#[test]
fn p2_older_announcement_behind_a_newer_one_changes_nothing() {
    let memory = Memory::default();
    let mut written = Written::open(&memory, None).unwrap();
    for checkpoint in 0..3 {
        written.write(checkpoint as u32);
        written.snapshot(checkpoint);
    }
    written.complete(1).unwrap();
    written.complete(0).unwrap();
    written.complete(1).unwrap();
    assert_eq!(memory.visible(), [0, 1]);
}

#[test]
fn p3_failure_before_the_announcement_commits_at_the_restore_and_leaves_nothing_else() {
    let memory = Memory::default();
    let mut written = Written::open(&memory, None).unwrap();
    written.write(42);
    written.snapshot(0);
    written.write(43);
    let checkpoint = written.snapshot(1);
    written.write(44);
    drop(written);
    let mut again = Written::open(&memory, Some((1, checkpoint))).unwrap();
    assert_eq!(memory.visible(), [42, 43]);
    assert_eq!(memory.outstanding(), 0, "that of 44 is gone");
    again.write(44);
    again.snapshot(2);
    again.complete(2).unwrap();
    assert_eq!(memory.visible(), [42, 43, 44]);
}

#[test]
fn p4_restore_from_a_checkpoint_whose_transactions_were_committed_commits_nothing_twice() {
    let memory = Memory::default();
    let mut written = Written::open(&memory, None).unwrap();
    written.write(42);
    let checkpoint = written.snapshot(0);
    written.complete(0).unwrap();
    written.write(43);
    written.snapshot(1);
    drop(written);
    Written::open(&memory, Some((0, checkpoint))).unwrap();
    assert_eq!(memory.visible(), [42]);
    assert_eq!(memory.outstanding(), 0);
}

#[test]
fn p5_commit_that_fails_at_the_restore_fails_the_attempt_and_is_tried_again() {
    let memory = Memory::default();
    let mut written = Written::open(&memory, None).unwrap();
    written.write(42);
    let checkpoint = written.snapshot(0);
    memory.inside().fails = true;
    assert!(written.complete(0).is_err());
    drop(written);
    assert!(Written::open(&memory, Some((0, checkpoint.clone()))).is_err());
    assert_eq!(memory.outstanding(), 1, "nothing is given up");
    memory.inside().fails = false;
    Written::open(&memory, Some((0, checkpoint))).unwrap();
    assert_eq!(memory.visible(), [42]);
}

/// Keeps numbers until there are three, or a time has come; takes none while it is told not to.
struct Batches {
    told: Arc<Mutex<Vec<String>>>,
    kept: Vec<u32>,
    is_busy: bool,
}

/// A sink whose transactions have a file each. Clones are the same.
#[derive(Clone, Default)]
struct BatchSink(Arc<Mutex<Vec<String>>>);

impl Sink for BatchSink {
    type In = u32;
    type Transaction = u64;
    type Writer = Batches;
    type Committer = Self;

    fn committer(&self, context: &SubtaskContext) -> Result<Self> {
        let before = context.restored_parallelism()?;
        self.0.lock().unwrap().push(format!("'{}' of {before:?} subtasks", context.uid));
        Ok(self.clone())
    }

    fn writer(&self, _: &mut SubtaskContext) -> Result<Batches> {
        Ok(Batches { told: Arc::clone(&self.0), kept: Vec::new(), is_busy: false })
    }
}

impl SinkWriter for Batches {
    type In = u32;
    type Transaction = u64;

    fn write(&mut self, record: Record<u32>) -> Result<()> {
        self.kept.push(record.value);
        self.is_busy = self.kept.len() == 3;
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared<u64>> {
        Ok(Prepared { transactions: vec![checkpoint.0], seal: None })
    }

    fn room(&mut self) -> usize {
        if self.is_busy { 0 } else { 3 - self.kept.len() }
    }

    fn due(&mut self) -> Option<Timestamp> {
        (!self.kept.is_empty()).then(|| Timestamp::from_millis(10))
    }

    fn on_time(&mut self, now: Timestamp) -> Result<()> {
        self.told.lock().unwrap().push(format!("{:?} at {now}", std::mem::take(&mut self.kept)));
        Ok(())
    }

    fn woken(&mut self) -> Result<()> {
        self.told.lock().unwrap().push("woken".to_owned());
        (self.is_busy, self.kept) = (false, Vec::new());
        Ok(())
    }
}

impl Committer for BatchSink {
    type Transaction = u64;

    fn commit(&self, _: &[u64]) -> Result<()> {
        Ok(())
    }

    fn abort(&self, _: &[u64]) -> Result<()> {
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    fn files(&self, transaction: &u64) -> Vec<PathBuf> {
        vec![format!("rows-{transaction}").into()]
    }
}

fn open_batches(sink: &BatchSink, parallelism: u32, restored: Option<SmallStates>) -> SinkOperator<BatchSink> {
    let mut context = SubtaskContext::new(0, parallelism, Attempt(1), "run", Arc::new(Still));
    context.restored = restored.map(|state| Restored { checkpoint: CheckpointId(1), state });
    SinkOperator::open("batches", sink, &mut context).unwrap()
}

#[test]
fn writer_is_asked_for_room_and_told_of_time_and_of_being_woken() {
    let sink = BatchSink::default();
    let mut operator = open_batches(&sink, 1, None);
    let mut nothing = Vec::<Record<Infallible>>::new();
    let room = |operator: &mut SinkOperator<_>| parts::room_in(&mut OfOperator(operator));
    let due = |operator: &mut SinkOperator<_>| parts::due_of(&mut OfOperator(operator)).unwrap();
    assert_eq!((room(&mut operator), due(&mut operator)), (3, None));
    operator.on_record(Record::new(1), &mut nothing).unwrap();
    assert_eq!((room(&mut operator), due(&mut operator)), (2, Some(Timestamp::from_millis(10))));
    for millis in [9, 10, 11] {
        operator.on_event(Event::ProcessingTime(Timestamp::from_millis(millis)), &mut nothing).unwrap();
    }
    (2..5).for_each(|value| operator.on_record(Record::new(value), &mut nothing).unwrap());
    assert_eq!(room(&mut operator), 0);
    operator.on_event(Event::Woken, &mut nothing).unwrap();
    assert_eq!(room(&mut operator), 3);
    assert_eq!(sink.0.lock().unwrap()[1..], ["[1] at 10", "woken"], "and not before or after it has waited for");
}

#[test]
fn files_of_transactions_are_in_the_snapshot_until_they_are_committed() {
    let sink = BatchSink::default();
    let mut operator = open_batches(&sink, 1, None);
    let mut files = |checkpoint: u64| {
        parts::prepare(&mut OfOperator(&mut operator), CheckpointId(checkpoint)).unwrap();
        let state = parts::small_states_of(&mut OfOperator(&mut operator)).unwrap();
        for commit in parts::completed(&mut OfOperator(&mut operator), CheckpointId(checkpoint / 2)).unwrap() {
            commit().unwrap();
        }
        state.get::<PathBuf>("batches", FILES).unwrap()
    };
    assert_eq!(files(1), [PathBuf::from("rows-1")]);
    assert_eq!(files(2), ["rows-1", "rows-2"].map(PathBuf::from));
    assert_eq!(files(3), ["rows-2", "rows-3"].map(PathBuf::from));
}

#[test]
fn committer_learns_how_many_subtasks_there_were_in_the_checkpoint() {
    let sink = BatchSink::default();
    let mut operator = open_batches(&sink, 4, None);
    parts::prepare(&mut OfOperator(&mut operator), CheckpointId(1)).unwrap();
    let state = parts::small_states_of(&mut OfOperator(&mut operator)).unwrap();
    open_batches(&sink, 3, Some(state));
    assert_eq!(*sink.0.lock().unwrap(), ["'batches' of None subtasks", "'batches' of Some(4) subtasks"]);
}
