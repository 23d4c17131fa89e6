//! What happened in a simulated run, in order, and a number that tells two runs apart.

use std::fmt;
use std::hash::Hasher;
use std::time::Duration;

use millstream_actors::faults::{CrashPoint, Passing, Work};
use millstream_actors::ids::{BlockId, SubtaskId};
use millstream_actors::time::{TimeSignal, Timestamp};

use crate::model::{KeyHash, StableHasher};

/// The events of a run, and the hash of everything that was decided in it.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    events: Vec<Event>,
    hasher: StableHasher,
}

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The virtual time since the beginning of the run.
    pub at: Duration,
    /// What happened.
    pub what: Happening,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// An actor passed a crash point.
    Passed(Passing),
    /// A fault struck.
    Struck(String),
    /// A process began, the first one included.
    ProcessBegan,
    /// A record whose key has this hash was sent to subtask `to` of the next block.
    Routed {
        /// The sender.
        from: SubtaskId,
        /// The hash of the key.
        hash: KeyHash,
        /// The receiver, as a position in its block.
        to: usize,
    },
    /// A subtask said how far event time has come, behind all records that it had emitted.
    Signalled {
        /// The subtask.
        from: SubtaskId,
        /// What it said.
        signal: TimeSignal,
    },
    /// Blocking work was handed out.
    Work(Work),
}

impl Trace {
    pub(super) fn push(&mut self, at: Duration, what: Happening) {
        self.hasher.write_u64(at.as_nanos() as u64);
        match &what {
            Happening::Passed(passing) => self.hash_passing(*passing),
            Happening::Struck(fault) => self.hasher.write(fault.as_bytes()),
            Happening::ProcessBegan => self.hasher.write_u64(1),
            Happening::Routed { from, hash, to } => {
                self.hash_subtask(*from);
                self.hasher.write_u64(hash.0);
                self.hasher.write_usize(*to);
            }
            Happening::Signalled { from, signal } => {
                self.hash_subtask(*from);
                self.hasher.write_i64(match signal {
                    TimeSignal::Watermark(at) => at.as_millis(),
                    // No watermark is the absence of a time, nor can one lie so low.
                    TimeSignal::Idle => i64::MIN,
                    TimeSignal::Active => i64::MIN + 1,
                });
            }
            Happening::Work(work) => {
                self.hasher.write_u64(work.kind as u64);
                work.subtask.into_iter().for_each(|subtask| self.hash_subtask(subtask));
                self.hasher.write_u64(work.checkpoint.map_or(0, |checkpoint| checkpoint.0));
            }
        }
        self.events.push(Event { at, what });
    }

    /// A choice was made. It is part of the hash, but no event.
    pub(super) fn chose(&mut self, bound: usize, choice: usize) {
        self.hasher.write_u64((bound as u64) << 32 | choice as u64);
    }

    fn hash_passing(&mut self, passing: Passing) {
        self.hasher.write_u64(passing.point as u64);
        passing.subtask.into_iter().for_each(|subtask| self.hash_subtask(subtask));
        self.hasher.write_u64(passing.attempt.0);
        self.hasher.write_u64(passing.checkpoint.map_or(0, |checkpoint| checkpoint.0));
    }

    fn hash_subtask(&mut self, subtask: SubtaskId) {
        self.hasher.write_u64(u64::from(subtask.block.0) << 32 | u64::from(subtask.index));
    }

    /// All events, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// A number that is the same for two runs in which the same was decided in the same order at the same virtual
    /// times, whatever the process and the build.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The events that tell the story of a run without its records: strikes, processes, and what became of
    /// checkpoints.
    pub(super) fn story(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| match &event.what {
            Happening::Passed(passing) => {
                passing.point == CrashPoint::AfterPublish || passing.point == CrashPoint::Opened && is_first(*passing)
            }
            Happening::Struck(_) | Happening::ProcessBegan => true,
            Happening::Routed { .. } | Happening::Signalled { .. } | Happening::Work(_) => false,
        })
    }

    /// The watermarks of the subtasks of `block`, with the subtask, in order.
    pub(super) fn watermarks(&self, block: BlockId) -> impl Iterator<Item = (u32, Timestamp)> {
        self.events.iter().filter_map(move |event| match event.what {
            Happening::Signalled { from, signal: TimeSignal::Watermark(at) } if from.block == block => {
                Some((from.index, at))
            }
            _ => None,
        })
    }

    /// The events of the key with this hash.
    pub(super) fn of_key(&self, hash: KeyHash) -> impl Iterator<Item = (&Event, SubtaskId, usize)> {
        self.events.iter().filter_map(move |event| match event.what {
            Happening::Routed { from, hash: other, to } if other == hash => Some((event, from, to)),
            _ => None,
        })
    }
}

fn is_first(passing: Passing) -> bool {
    passing.subtask == Some(SubtaskId::new(0, 0))
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ms  ", self.at.as_secs_f64() * 1e3)?;
        match &self.what {
            Happening::Passed(passing) => match (passing.point, passing.checkpoint) {
                (CrashPoint::AfterPublish, Some(checkpoint)) => {
                    write!(f, "checkpoint {checkpoint} is complete (attempt {})", passing.attempt)
                }
                (CrashPoint::Opened, _) if is_first(*passing) => write!(f, "attempt {} runs", passing.attempt),
                (point, checkpoint) => {
                    match passing.subtask {
                        Some(subtask) => write!(f, "subtask {subtask}")?,
                        None => f.write_str("the coordinator")?,
                    }
                    write!(f, " passes {point:?} in attempt {}", passing.attempt)?;
                    checkpoint.map_or(Ok(()), |checkpoint| write!(f, " for checkpoint {checkpoint}"))
                }
            },
            Happening::Struck(fault) => write!(f, "STRUCK: {fault}"),
            Happening::ProcessBegan => f.write_str("a process begins"),
            Happening::Routed { from, hash, to } => write!(f, "subtask {from} sends key {:016x} to {to}", hash.0),
            Happening::Signalled { from, signal } => write!(f, "subtask {from} says {signal:?}"),
            Happening::Work(work) => write!(f, "{:?} is handed out", work.kind),
        }
    }
}
