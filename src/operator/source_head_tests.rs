//! The head of a block that reads, played through by hand: snapshots, splits that come and go, pauses, progress.

use std::sync::{Arc, Mutex};

use millstream_actors::ids::Attempt;
use millstream_actors::time::{Clock, Moment, Timestamp};
use serde::Deserialize;

use super::*;
use crate::io::SplitProgress;
use crate::operator::parts;
use crate::operator::{Restored, SmallStates};

/// A part of the input: so many numbers, from the first that is not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    name: String,
    next: u64,
    end: u64,
}

fn part(name: &str, next: u64, end: u64) -> Part {
    Part { name: name.to_owned(), next, end }
}

/// Reads one number from each of its parts in turn, and keeps a diary.
#[derive(Default)]
struct Parts {
    parts: Vec<(SplitNumber, Part)>,
    paused: BTreeSet<SplitNumber>,
    diary: Arc<Mutex<Vec<String>>>,
}

impl Parts {
    fn note(&self, what: String) {
        self.diary.lock().unwrap().push(what);
    }
}

impl SourceReader for Parts {
    type Out = u64;
    type Split = Part;

    const PAUSES_SPLITS: bool = true;

    fn add_split(&mut self, number: SplitNumber, split: Part) -> Result<()> {
        self.parts.push((number, split));
        Ok(())
    }

    fn read<E: Emit<u64>>(&mut self, _limit: usize, out: &mut E) -> Result<ReadStatus> {
        for (number, part) in self.parts.iter_mut().filter(|(number, _)| !self.paused.contains(number)) {
            out.split(SplitSignal::Reading(*number))?;
            out.emit(Record::new(part.next))?;
            part.next += 1;
            if part.next == part.end {
                out.split(SplitSignal::Finished(*number))?;
            }
        }
        self.parts.retain(|(_, part)| part.next < part.end);
        Ok(if self.parts.is_empty() { ReadStatus::SplitsFinished } else { ReadStatus::More })
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<Part>> {
        self.note(format!("snapshot {checkpoint}"));
        Ok(self.parts.iter().map(|(_, part)| part.clone()).collect())
    }

    fn split_name(&self, split: &Part) -> Option<String> {
        Some(split.name.clone())
    }

    fn remove_split(&mut self, split: SplitNumber) -> Result<Option<Part>> {
        let position = self.parts.iter().position(|(number, _)| *number == split);
        Ok(position.map(|position| self.parts.remove(position).1))
    }

    fn pause_split(&mut self, split: SplitNumber, is_paused: bool) -> Result<()> {
        self.note(format!("split {} {}", split.0, if is_paused { "waits" } else { "goes on" }));
        if is_paused {
            self.paused.insert(split)
        } else {
            self.paused.remove(&split)
        };
        Ok(())
    }

    fn checkpoint_complete(&mut self, checkpoint: CheckpointId, positions: &[Part]) -> Result<()> {
        let positions = positions.iter().map(|part| format!("{} at {}", part.name, part.next)).collect::<Vec<_>>();
        self.note(format!("complete {checkpoint}: {}", positions.join(", ")));
        Ok(())
    }

    fn progress(&self, split: SplitNumber) -> Option<SplitProgress> {
        let (_, part) = self.parts.iter().find(|(number, _)| *number == split)?;
        Some(SplitProgress { position: part.next.to_string(), lag: Some((part.end - part.next).to_string()) })
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

const ONE: SplitSchema = SplitSchema::new("parts", 1);

/// A head, what it emitted, and what its reader wrote down.
struct Played {
    head: SourceHead<Parts>,
    hold: Hold,
    out: Said,
    diary: Arc<Mutex<Vec<String>>>,
}

/// What left a head, as text.
#[derive(Default)]
struct Said(Vec<String>);

impl Emit<u64> for Said {
    fn emit(&mut self, record: Record<u64>) -> Result<()> {
        self.0.push(record.value.to_string());
        Ok(())
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.0.push(format!("{signal:?}"));
        Ok(())
    }

    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        self.0.push(format!("{signal:?}").replace("SplitNumber", ""));
        Ok(())
    }
}

impl Played {
    fn open(schema: SplitSchema, restored: Option<SmallStates>) -> Result<Self> {
        let mut context = SubtaskContext::new(0, 2, Attempt(1), "run", Arc::new(Still));
        context.restored = restored.map(|state| Restored { checkpoint: CheckpointId(1), state });
        let reader = Parts::default();
        let (diary, hold) = (Arc::clone(&reader.diary), context.hold.clone());
        let head = SourceHead::open("input", schema, reader, &mut context)?;
        Ok(Self { head, hold, out: Said::default(), diary })
    }

    fn with_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut played = Self::open(ONE, None).unwrap();
        parts.into_iter().for_each(|part| played.head.add_split(Box::new(part)).unwrap());
        played
    }

    /// What leaves when the head runs once.
    fn run(&mut self) -> Vec<String> {
        self.head.run(10, &mut self.out).unwrap();
        std::mem::take(&mut self.out.0)
    }

    fn snapshot(&mut self, checkpoint: u64) -> SmallStates {
        parts::prepare(&mut self.head, CheckpointId(checkpoint)).unwrap();
        parts::small_states_of(&mut self.head).unwrap()
    }

    fn complete(&mut self, checkpoint: u64) {
        assert!(parts::completed(&mut self.head, CheckpointId(checkpoint)).unwrap().is_empty());
    }

    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut self.diary.lock().unwrap())
    }
}

fn positions(state: &SmallStates) -> Vec<Part> {
    state.get("input", POSITIONS).unwrap()
}

#[test]
fn reader_is_told_the_positions_of_each_complete_checkpoint() {
    let mut played = Played::with_parts([part("a", 0, 9), part("b", 0, 9)]);
    played.run();
    assert_eq!(positions(&played.snapshot(1)), [part("a", 1, 9), part("b", 1, 9)]);
    played.run();
    played.snapshot(2);
    played.run();
    played.complete(1);
    played.complete(2);
    played.complete(2);
    let expected = ["snapshot 1", "snapshot 2", "complete 1: a at 1, b at 1", "complete 2: a at 2, b at 2"];
    assert_eq!(played.diary(), expected, "and each once");
}

#[test]
fn later_complete_checkpoint_includes_earlier_ones() {
    let mut played = Played::with_parts([part("a", 0, 99)]);
    (1..=3).for_each(|checkpoint| drop(played.snapshot(checkpoint)));
    played.complete(2);
    played.complete(1);
    assert_eq!(played.diary()[3..], ["complete 2: a at 0"]);
    (4..40).for_each(|checkpoint| drop(played.snapshot(checkpoint)));
    assert!(
        played.head.snapshots.len() <= MOST_SNAPSHOTS,
        "positions of checkpoints that never complete are forgotten"
    );
}

#[test]
fn split_that_was_given_back_stays_in_snapshots_until_it_has_arrived() {
    let mut played = Played::with_parts([part("a", 0, 9), part("b", 0, 9)]);
    assert_eq!(played.run(), ["Taken((0))", "Taken((1))", "Reading((0))", "0", "Reading((1))", "0"]);
    let given = played.head.revoke("a").unwrap().expect("it is not at its end");
    assert_eq!(given.downcast_ref::<Part>(), Some(&part("a", 1, 9)));
    assert_eq!(played.head.split_names(), ["b"]);
    assert_eq!(positions(&played.snapshot(1)), [part("b", 1, 9), part("a", 1, 9)]);
    assert_eq!(played.run(), ["Finished((0))", "1"], "it holds event time back no longer");
    played.head.released("a");
    assert_eq!(positions(&played.snapshot(2)), [part("b", 2, 9)]);
}

#[test]
fn split_that_is_at_its_end_is_not_given_back() {
    let mut played = Played::with_parts([part("a", 0, 1), part("b", 0, 9)]);
    played.run();
    assert!(played.head.revoke("a").unwrap().is_none());
    assert_eq!(positions(&played.snapshot(1)), [part("b", 1, 9)]);
}

#[test]
fn split_that_was_never_read_leaves_without_a_trace() {
    let mut played = Played::with_parts([part("a", 0, 9)]);
    assert!(played.head.revoke("a").unwrap().is_some());
    assert_eq!(played.run(), Vec::<String>::new());
}

#[test]
fn paused_splits_wait_and_the_others_are_read() {
    let mut played = Played::with_parts([part("a", 0, 9), part("b", 10, 19)]);
    assert!(played.hold.pauses_splits());
    played.run();
    played.hold.pause([SplitNumber(0)].into());
    assert_eq!(played.run(), ["11"]);
    played.hold.pause([SplitNumber(0)].into());
    assert_eq!(played.run(), ["12"]);
    played.hold.pause([SplitNumber(1)].into());
    assert_eq!(played.run(), ["Reading((0))", "1"]);
    played.hold.set(true);
    assert_eq!(played.run(), Vec::<String>::new(), "the whole reader waits");
    played.hold.set(false);
    played.hold.pause(BTreeSet::new());
    assert_eq!(played.run(), ["2", "Reading((1))", "13"]);
    assert_eq!(played.diary(), ["split 0 waits", "split 0 goes on", "split 1 waits", "split 1 goes on"]);
}

#[test]
fn progress_of_splits_is_known_by_name() {
    let mut played = Played::with_parts([part("a", 0, 9)]);
    played.run();
    played.snapshot(1);
    let splits = played.head.names.all();
    assert_eq!(splits.iter().map(ToString::to_string).collect::<Vec<_>>(), ["'a' (at 1, 8 left)"]);
}

#[test]
fn restored_head_goes_on_at_the_positions_of_its_snapshot() {
    let mut played = Played::with_parts([part("a", 0, 9)]);
    played.run();
    let state = played.snapshot(1);
    assert_eq!(state.get::<u32>("input", PARALLELISM).unwrap(), [2]);
    let mut again = Played::open(ONE, Some(state)).unwrap();
    assert_eq!(again.run(), ["Taken((0))", "Reading((0))", "1"]);
}

#[test]
fn splits_of_another_schema_are_refused_with_both() {
    let state = Played::with_parts([]).snapshot(1);
    let error = Played::open(SplitSchema::new("parts", 2), Some(state)).err().expect("it must be refused").to_string();
    assert!(
        error.contains("the checkpoint has its splits as 'parts' version 1, this program has 'parts' version 2"),
        "{error}"
    );
}
