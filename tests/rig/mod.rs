//! What the recovery tests stand on: an input that the test lets flow, a fault that strikes once, waiting without
//! sleeping, and oracles that know nothing of Millstream.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod effort;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use millstream::actors::error::FailureKind;
use millstream::actors::faults::{CrashPoint, Faults, Passing, Strike};
use millstream::actors::ids::{CheckpointId, SubtaskId};
use millstream::actors::observe::{AttemptView, JobView};
use millstream::io::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber};
use millstream::model::{Data, Record};
use millstream::operator::{Emit, SubtaskContext};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// Options for tests: a checkpoint every few milliseconds, restarts without delay.
pub(crate) fn options(parallelism: u32) -> JobOptions {
    JobOptions::new()
        .parallelism(parallelism)
        .workers(2)
        .checkpoint_interval(Duration::from_millis(2))
        .batch_records(16)
        .restart(RestartPolicy::FixedDelay { attempts: Some(50), delay: Duration::ZERO })
}

// ---- an input that the test lets flow ----

/// Lets the input of a [`Tapped`] source flow as far as the test wants. Clones are the same tap.
#[derive(Clone, Default)]
pub(crate) struct Tap {
    released: Arc<AtomicU64>,
}

impl Tap {
    /// Lets the first `records` records of the input flow, but not its end.
    pub(crate) fn release(&self, records: u64) {
        self.released.fetch_max(records, Ordering::SeqCst);
    }

    /// Lets all of the input flow, and its end.
    pub(crate) fn open(&self) {
        self.release(u64::MAX);
    }

    /// How many records may flow; `None` if all may, and the end too.
    fn limit(&self) -> Option<u64> {
        let released = self.released.load(Ordering::SeqCst);
        (released < u64::MAX).then_some(released)
    }
}

/// A source of `count` records in several splits, which flow slowly and only as far as the tap is open.
pub(crate) struct Tapped<F> {
    count: u64,
    tap: Tap,
    record: F,
}

/// Splits of a [`Tapped`] source; more than any test has subtasks, so that splits wait in the enumerator.
const SPLITS: u64 = 11;

impl<F> Tapped<F> {
    /// The records `record(0)` to `record(count - 1)`.
    pub(crate) fn new(count: u64, tap: &Tap, record: F) -> Self {
        Self { count, tap: tap.clone(), record }
    }
}

/// A range of the input. The one that ends it waits for the tap to be open.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stretch {
    next: u64,
    end: u64,
    is_last: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Stretches(VecDeque<Stretch>);

impl SplitEnumerator for Stretches {
    type Split = Stretch;

    fn next_split(&mut self, _reader: u32) -> Result<Option<Stretch>> {
        Ok(self.0.pop_front())
    }
}

pub(crate) struct TappedReader<F> {
    stretches: VecDeque<Stretch>,
    /// Records per call while the test holds something back.
    trickle: usize,
    tap: Tap,
    record: F,
}

impl<T: Data, F: Fn(u64) -> T + Clone + Send + Sync + 'static> Source for Tapped<F> {
    type Out = T;
    type Split = Stretch;
    type Enumerator = Stretches;
    type Reader = TappedReader<F>;

    fn discover(&self, _parallelism: u32) -> Result<Stretches> {
        let border = |stretch: u64| stretch * self.count / SPLITS;
        let stretch = |i| Stretch { next: border(i), end: border(i + 1), is_last: i + 1 == SPLITS };
        Ok(Stretches((0..SPLITS).map(stretch).collect()))
    }

    fn reader(&self, _context: &mut SubtaskContext) -> Result<TappedReader<F>> {
        let trickle = (self.count / 500).max(4) as usize;
        Ok(TappedReader { stretches: VecDeque::new(), trickle, tap: self.tap.clone(), record: self.record.clone() })
    }
}

impl<T: Data, F: Fn(u64) -> T + Send + 'static> SourceReader for TappedReader<F> {
    type Out = T;
    type Split = Stretch;

    fn add_split(&mut self, _number: SplitNumber, split: Stretch) -> Result<()> {
        self.stretches.push_back(split);
        Ok(())
    }

    fn read<E: Emit<T>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let Some(stretch) = self.stretches.front_mut() else { return Ok(ReadStatus::SplitsFinished) };
        let released = self.tap.limit();
        let end = released.map_or(stretch.end, |released| released.min(stretch.end));
        // While the test still holds something back, records trickle, so that checkpoints fall between them.
        let limit = if released.is_some() { limit.min(self.trickle) } else { limit };
        for _ in 0..limit {
            if stretch.next >= end {
                break;
            }
            stretch.next += 1;
            out.emit(Record::new((self.record)(stretch.next - 1)))?;
        }
        if stretch.next == stretch.end && !(stretch.is_last && released.is_some()) {
            self.stretches.pop_front();
            return Ok(ReadStatus::More);
        }
        Ok(if released.is_some() { ReadStatus::Wait(Duration::from_millis(1)) } else { ReadStatus::More })
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<Stretch>> {
        Ok(self.stretches.iter().cloned().collect())
    }
}

// ---- a fault that strikes once ----

/// Strikes once: the first time that its victim passes its point after it was armed. Clones are the same fault.
#[derive(Clone)]
pub(crate) struct StrikeOnce {
    victim: Option<SubtaskId>,
    point: CrashPoint,
    armed: Arc<AtomicBool>,
    strikes: Arc<AtomicU64>,
}

impl StrikeOnce {
    /// A fault for `victim`, or for the coordinator, at `point`. It is not armed yet.
    pub(crate) fn at(victim: Option<SubtaskId>, point: CrashPoint) -> Self {
        Self { victim, point, armed: Arc::default(), strikes: Arc::default() }
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u64 {
        self.strikes.load(Ordering::SeqCst)
    }
}

impl Faults for StrikeOnce {
    fn strikes(&self, passing: Passing) -> Option<Strike> {
        let strikes =
            passing.subtask == self.victim && passing.point == self.point && self.armed.swap(false, Ordering::SeqCst);
        self.strikes.fetch_add(u64::from(strikes), Ordering::SeqCst);
        strikes.then_some(Strike::Kill)
    }

    fn records_left(&self, subtask: SubtaskId, _taken: u64) -> Option<u64> {
        let asks = self.victim == Some(subtask) && self.point == CrashPoint::Record;
        (asks && self.armed.load(Ordering::SeqCst)).then_some(0)
    }
}

// ---- waiting, and what is proven about a recovery ----

/// Waits until the job's view is as wanted; panics if the job ends before.
pub(crate) fn wait_until(job: &JobHandle, what: impl Display, mut wanted: impl FnMut(&JobView) -> bool) -> JobView {
    let outcome = job.wait_until(|view| {
        let (reached, is_final) = (wanted(view), view.status.is_final());
        (reached || is_final).then(|| (reached, view.clone()))
    });
    let (reached, view) = outcome.expect("the job had finished before it was started");
    assert!(reached, "{what}: the job ended before that: {view:#?}");
    view
}

/// Waits until the job has completed `count` checkpoints since its start, and gives the number of the latest one.
pub(crate) fn wait_for_checkpoints(job: &JobHandle, what: impl Display, count: u64) -> CheckpointId {
    let view = wait_until(job, format!("{what}: {count} checkpoints"), |view| view.completed >= count);
    view.latest.expect("it has completed some").checkpoint
}

/// The number of an attempt within the present start of the job, counted from 0, as its view is now.
pub(crate) fn attempt(job: &JobHandle, number: usize) -> AttemptView {
    let attempts = job.attempts();
    attempts.get(number).unwrap_or_else(|| panic!("attempt {number} is missing: {attempts:#?}")).clone()
}

/// The name of a victim in failures.
pub(crate) fn name_of(victim: Option<SubtaskId>) -> String {
    victim.map_or_else(|| "the coordinator".to_owned(), |subtask| format!("subtask {subtask}"))
}

/// The first law of a recovery test: `attempt` ended because `victim` was killed.
pub(crate) fn assert_killed(attempt: &AttemptView, victim: Option<SubtaskId>, what: impl Display) {
    let failure = attempt.failure.as_ref().unwrap_or_else(|| panic!("{what}: nothing died in {attempt:#?}"));
    assert_eq!((failure.kind, failure.subtask), (FailureKind::Killed, victim), "{what}: {failure}");
}

/// The second law of a recovery test: `attempt` began with a completed checkpoint, no older than `oldest`.
pub(crate) fn assert_restored(attempt: &AttemptView, oldest: CheckpointId, what: impl Display) {
    assert!(attempt.restored_from >= Some(oldest), "{what}: a checkpoint before {oldest} was used in {attempt:#?}");
}

/// The third law of a recovery test: nothing lost, nothing doubled.
pub(crate) fn assert_output<T: Ord + std::fmt::Debug>(mut output: Vec<T>, expected: &[T], what: impl Display) {
    output.sort_unstable();
    let difference = output.iter().zip(expected).position(|(found, expected)| found != expected);
    let around = |of: &[T], at: usize| format!("{:?}", &of[at.min(of.len())..(at + 4).min(of.len())]);
    if let Some(at) = difference.or_else(|| (output.len() != expected.len()).then(|| output.len().min(expected.len())))
    {
        panic!(
            "{what}: {} records instead of {}; sorted, from {at} on: {} instead of {}",
            output.len(),
            expected.len(),
            around(&output, at),
            around(expected, at),
        );
    }
}

// ---- inputs from seeds, and oracles ----

/// SplitMix64: all that is random in these tests comes from one, and its seed is printed.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// Starts from `seed`, and prints it.
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Lines of one to six words, some words far more frequent than others.
pub(crate) fn text(random: &mut Seeded, lines: usize) -> Vec<String> {
    let line = |random: &mut Seeded| {
        let words = 1 + random.below(6);
        let word = |random: &mut Seeded| format!("word{}", random.below(60) * random.below(60) / 60);
        (0..words).map(|_| word(random)).collect::<Vec<_>>().join(" ")
    };
    (0..lines).map(|_| line(random)).collect()
}

/// The words of a line.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A counted word, as a line of a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) value: u64,
}

/// What is visible in the directory of a file sink of [`Row`]s. What is hidden is not committed.
pub(crate) fn committed_rows(directory: &Path) -> Vec<(String, u64)> {
    let mut rows = Vec::new();
    for name in file_names(directory).into_iter().filter(|name| !name.starts_with('.')) {
        let text = fs::read_to_string(directory.join(&name)).expect("a committed file can be read");
        assert!(text.ends_with('\n'), "{name} is torn");
        for line in text.lines() {
            let row = serde_json::from_str::<Row>(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
            rows.push((row.key, row.value));
        }
    }
    rows
}

/// The names in a directory, in order; none if there is no such directory.
pub(crate) fn file_names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("the directory can be read").file_name();
    let mut names = entries.map(|entry| name(entry).into_string().expect("a name is text")).collect::<Vec<_>>();
    names.sort_unstable();
    names
}

/// What counting emits: a key that occurs n times has the counts 1 to n, each once. Sorted.
pub(crate) fn running_counts<K: Ord + Clone>(keys: impl IntoIterator<Item = K>) -> Vec<(K, u64)> {
    let mut totals = BTreeMap::<K, u64>::new();
    let mut counts = keys
        .into_iter()
        .map(|key| {
            let total = totals.entry(key.clone()).or_default();
            *total += 1;
            (key, *total)
        })
        .collect::<Vec<_>>();
    counts.sort_unstable();
    counts
}
