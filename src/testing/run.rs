//! What a simulated run did: its outputs with the fate of each record, its attempts, checkpoints and faults.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::error::FailureKind;
use millstream_actors::observe::{AttemptView, CheckpointView, JobStatus, Observed};
use millstream_actors::time::Timestamp;

use super::difference::Difference;
use super::fault::Fault;
use super::simulation::AnyScript;
use super::trace::Trace;
use super::world::block_of;
use super::{Mismatch, Script};
use crate::error::Result;
use crate::io::{Capture, Captures, Fate, Written};
use crate::metrics::Counts;
use crate::model::{Data, Key, KeyHash, Record, hash_key};
use crate::plan::Plan;
use crate::state::CrashDisks;

/// What a simulated run did.
pub struct Run {
    seed: u64,
    plan: Plan,
    struck: Vec<(Fault, u64)>,
    lives: Vec<Life>,
    captures: Captures,
    scripts: BTreeMap<String, Arc<dyn AnyScript>>,
    trace: Trace,
    disks: CrashDisks,
    input_was_asked_for: Cell<bool>,
}

/// One process of a run.
pub(super) struct Life {
    /// Whether it was killed.
    pub(super) died: bool,
    /// The virtual time at which it began.
    pub(super) born_at: Duration,
    /// `None` if the job had finished before.
    pub(super) outcome: Result<Option<(Observed, Counts)>>,
}

/// Lines of a story that are shown.
const SHOWN: usize = 40;

impl Run {
    #[expect(clippy::too_many_arguments, reason = "it is what one run leaves behind")]
    pub(super) fn new(
        seed: u64,
        plan: Plan,
        struck: Vec<(Fault, u64)>,
        lives: Vec<Life>,
        captures: Captures,
        scripts: BTreeMap<String, Arc<dyn AnyScript>>,
        trace: Trace,
        disks: CrashDisks,
    ) -> Self {
        Self { seed, plan, struck, lives, captures, scripts, trace, disks, input_was_asked_for: Cell::new(false) }
    }

    /// Whether somebody computes from the input what must come out.
    pub(super) fn input_was_asked_for(&self) -> bool {
        self.input_was_asked_for.get()
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The plan that ran.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The faults that struck, and how often.
    pub fn struck(&self) -> impl Iterator<Item = (&Fault, u64)> {
        self.struck.iter().filter(|(_, strikes)| *strikes > 0).map(|(fault, strikes)| (fault, *strikes))
    }

    fn observed(&self) -> impl DoubleEndedIterator<Item = &Observed> {
        self.lives.iter().filter_map(|life| life.outcome.as_ref().ok()?.as_ref().map(|(observed, _)| observed))
    }

    /// How the job ended. A job that could not even be resumed has failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match self.lives.last().map(|life| (&life.outcome, life.died)) {
            Some((Err(error), _)) => Some(error.to_string()),
            Some((Ok(None), _)) => None,
            Some((Ok(Some((observed, _))), false)) => match observed.status() {
                JobStatus::Finished | JobStatus::Stopped(_) => None,
                JobStatus::Failed(failure) => Some(failure.to_string()),
                status => Some(format!("it ended as {status:?}")),
            },
            _ => Some("the run made no progress".to_owned()),
        }
    }

    /// The attempts of all processes, oldest first.
    #[must_use]
    pub fn attempts(&self) -> Vec<AttemptView> {
        self.observed().flat_map(Observed::attempts).collect()
    }

    /// The complete checkpoints of all processes, oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<CheckpointView> {
        self.observed().flat_map(Observed::checkpoints).collect()
    }

    /// How many attempts or processes ended because something was killed.
    #[must_use]
    pub fn kills(&self) -> usize {
        let killed =
            |attempt: &AttemptView| attempt.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Killed);
        self.attempts().iter().filter(|attempt| killed(attempt)).count() + self.lives.iter().filter(|l| l.died).count()
    }

    /// How many processes there were.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.lives.len()
    }

    /// How many attempts began with a complete checkpoint.
    #[must_use]
    pub fn restores(&self) -> usize {
        self.attempts().iter().filter(|attempt| attempt.restored_from.is_some()).count()
    }

    /// What the job counted, replays not counted twice.
    #[must_use]
    pub fn counters(&self) -> Counts {
        let counted = |life: &Life| life.outcome.as_ref().ok()?.as_ref().map(|(_, counts)| counts.clone());
        self.lives.iter().rev().find_map(counted).unwrap_or_default()
    }

    fn capture<T: Data>(&self, uid: &str) -> Capture<T> {
        self.captures.read(uid)
    }

    /// What the sink `uid`, or the side output of that name that nobody reads, has made visible, in the order in which it
    /// became so.
    ///
    /// # Panics
    /// If it holds records of another type.
    #[must_use]
    pub fn output<T: Data + Clone>(&self, uid: &str) -> Vec<T> {
        self.capture::<T>(uid).committed().into_iter().map(|record| record.value).collect()
    }

    /// The same with event times.
    ///
    /// # Panics
    /// As [`Run::output`].
    #[must_use]
    pub fn records<T: Data + Clone>(&self, uid: &str) -> Vec<Record<T>> {
        self.capture::<T>(uid).committed()
    }

    /// Everything that was ever written to the sink `uid`, and what became of it.
    ///
    /// # Panics
    /// As [`Run::output`].
    #[must_use]
    pub fn written<T: Data + Clone>(&self, uid: &str) -> Vec<Written<T>> {
        self.capture::<T>(uid).written()
    }

    /// The watermarks that came through the block which holds `uid` (an operator, a source or a sink), with the subtask
    /// of each, in order. Within an attempt, those of a subtask rise.
    ///
    /// # Panics
    /// If the topology has no such uid.
    #[must_use]
    pub fn watermarks(&self, uid: &str) -> Vec<(u32, Timestamp)> {
        self.trace.watermarks(block_of(uid, &self.plan)).collect()
    }

    /// The records of the script in the place of source `uid`. An oracle that begins with them stays right when the
    /// script is shrunk; the script is not shrunk for a check that does not ask for them.
    ///
    /// # Panics
    /// If there is no script of such records.
    #[must_use]
    pub fn input<T: Data + Clone + Sync>(&self, uid: &str) -> Vec<T> {
        self.input_was_asked_for.set(true);
        let script = self.scripts.get(uid).and_then(|script| script.as_any().downcast_ref::<Script<T>>());
        let script = script.unwrap_or_else(|| panic!("source '{uid}' has no script of such records"));
        script.values().cloned().collect()
    }

    /// What happened, in order.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A number that is the same for two runs in which the same happened, in whatever process and build: it covers every
    /// choice, every crash point with its virtual time, where every keyed record went, and the size of every checkpoint.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        let checkpoint = |view: CheckpointView| (view.checkpoint, view.attempt, view.duration, view.bytes);
        hash_key(&(self.trace.hash(), self.checkpoints().into_iter().map(checkpoint).collect::<Vec<_>>())).0
    }

    /// A number that is the same for two runs of one build that left the same bytes on disk. (Other builds of the
    /// database leave other bytes in pages that are free.)
    #[must_use]
    pub fn state_digest(&self) -> u64 {
        self.disks.digest()
    }

    /// Checks that the job has come to its end, and that no attempt ended without a reason.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_end(&self) -> Result<(), Mismatch> {
        if let Some(failure) = self.failure() {
            return Err(self.mismatch(format!("the job failed: {failure}")));
        }
        let killed = self.kills();
        let strikes = self.struck().map(|(_, strikes)| strikes).sum::<u64>() as usize;
        if killed > strikes {
            let message = format!("{killed} attempts or processes were killed, but only {strikes} faults struck");
            return Err(self.mismatch(message));
        }
        Ok(())
    }

    /// Checks that the job has come to its end, and that what the sink `uid` made visible is exactly `expected`, in
    /// any order.
    ///
    /// # Errors
    /// The difference, the seed, the faults that struck, and what became of the records that differ.
    pub fn check_output<T>(&self, uid: &str, expected: &[T]) -> Result<(), Mismatch>
    where
        T: Data + Clone + Ord + Debug,
    {
        self.check(uid, expected, |_, _| String::new())
    }

    /// The same, and a difference comes with everything that happened to its keys: `key_of` gives the key by which a
    /// record was keyed last.
    ///
    /// # Errors
    /// As [`Run::check_output`].
    pub fn check_output_by<T, K>(&self, uid: &str, expected: &[T], key_of: impl Fn(&T) -> K) -> Result<(), Mismatch>
    where
        T: Data + Clone + Ord + Debug,
        K: Key,
    {
        self.check(uid, expected, |difference, written| {
            let mut hashes = difference.iter().map(|record| hash_key(&key_of(record))).collect::<Vec<_>>();
            hashes.sort_unstable();
            hashes.dedup();
            hashes.into_iter().take(2).fold(String::new(), |mut text, hash| {
                let of_key = written.iter().filter(|written| hash_key(&key_of(&written.record.value)) == hash);
                text.push_str(&self.story_of_key(hash, of_key));
                text
            })
        })
    }

    fn check<T>(
        &self,
        uid: &str,
        expected: &[T],
        story: impl Fn(&[&T], &[Written<T>]) -> String,
    ) -> Result<(), Mismatch>
    where
        T: Data + Clone + Ord + Debug,
    {
        self.check_end()?;
        let found = self.output::<T>(uid);
        let Some(difference) = Difference::between(expected, &found) else { return Ok(()) };
        let text = format!("output '{uid}' has {} records, expected {}\n{difference}", found.len(), expected.len());
        let mut mismatch = self.mismatch(text);
        let (records, written) = (difference.records().collect::<Vec<_>>(), self.written::<T>(uid));
        mismatch.add("what became of the records that differ:");
        for written in written.iter().filter(|written| records.contains(&&written.record.value)).take(SHOWN) {
            mismatch.add(&tell(written));
        }
        mismatch.add(&story(&records, &written));
        Err(mismatch)
    }

    /// Panics unless the job has come to its end and the sink `uid` has made exactly `expected` visible, in any order.
    ///
    /// # Panics
    /// With the difference, the seed, the faults that struck, and what became of the records that differ.
    #[track_caller]
    pub fn assert_output<T>(&self, uid: &str, expected: &[T])
    where
        T: Data + Clone + Ord + Debug,
    {
        if let Err(mismatch) = self.check_output(uid, expected) {
            panic!("{mismatch}");
        }
    }

    fn mismatch(&self, what: String) -> Mismatch {
        let mut text = format!("simulated run of '{}' with seed {}: {what}", self.plan.name, self.seed);
        text.push_str("\nfaults that struck:");
        let struck = self.struck().map(|(fault, strikes)| format!("\n  {fault} ({strikes} x)")).collect::<String>();
        text.push_str(if struck.is_empty() { " none" } else { &struck });
        text.push_str("\nwhat happened:");
        for event in self.trace.story().take(SHOWN) {
            let _ = write!(text, "\n{event}");
        }
        Mismatch::new(text)
    }

    fn story_of_key<'a, T: Debug + 'a>(&self, hash: KeyHash, of_key: impl Iterator<Item = &'a Written<T>>) -> String {
        let mut text = format!("the key with hash {:016x}:", hash.0);
        for (event, from, to) in self.trace.of_key(hash).take(SHOWN) {
            let _ = write!(text, "\n{:>10.3} ms  sent by subtask {from} to {to}", event.at.as_secs_f64() * 1e3);
        }
        for written in of_key.take(SHOWN) {
            let _ = write!(text, "\n{}", tell(written));
        }
        text.push('\n');
        text
    }

    /// The virtual time at which each process began.
    pub fn process_starts(&self) -> impl Iterator<Item = Duration> {
        self.lives.iter().map(|life| life.born_at)
    }
}

/// One line about a record and its fate.
fn tell<T: Debug>(written: &Written<T>) -> String {
    let Written { record, subtask, attempt, at, fate } = written;
    let fate = match fate {
        Fate::Open => "never sealed".to_owned(),
        Fate::Sealed(checkpoint) => format!("sealed for checkpoint {checkpoint}, never committed"),
        Fate::Committed(checkpoint) => format!("committed with checkpoint {checkpoint}"),
        Fate::Aborted(checkpoint) => format!("sealed for checkpoint {checkpoint}, then aborted"),
    };
    let millis = at.since_start().as_secs_f64() * 1e3;
    format!("{millis:>10.3} ms  {:?} written by subtask {subtask} in attempt {attempt}: {fate}", record.value)
}
