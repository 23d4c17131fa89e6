//! An input written down line by line: records, what is said about event time, pauses, an abort.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_actors::ids::CheckpointId;
use millstream_actors::time::{Clock, Moment, TimeSignal, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber, SplitSchema, SplitSignal};
use crate::error::{Error, Result};
use crate::model::{Data, Record};
use crate::operator::{Emit, SubtaskContext};

/// An input as one readable list, for tests.
///
/// # Shape
/// A script is read by one reader. [`Script::beside`] adds another that is read at the same time, by another subtask if
/// there is one.
///
/// # Recovery
/// A checkpoint holds the line that comes next. An abort strikes once.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::testing::{Script, Simulation};
///
/// let topology = Topology::new("orders");
/// topology.source("orders", FileSource::lines("orders/*.txt")).collect("kept orders");
///
/// let script = Script::new()
///     .record_at("tea".to_owned(), 1_000)
///     .record_at("cup".to_owned(), 1_500)
///     .watermark(2_000)
///     .pause(Duration::from_secs(1))
///     .abort()
///     .record_at("tea".to_owned(), 3_000);
/// let run = Simulation::new(topology, 7).input("orders", script).run();
/// run.assert_output("kept orders", &["tea", "cup", "tea"].map(str::to_owned));
/// assert_eq!(run.attempts().len(), 2);
/// ```
///
/// # Source
/// The forms are those of Beam's `TestStream` and Bytewax's `TestingSource`.
#[derive(Clone)]
pub struct Script<T> {
    lanes: Vec<Lane<T>>,
}

#[derive(Clone)]
struct Lane<T> {
    lines: Vec<Line<T>>,
    /// One per line; only those of aborts are ever set.
    struck: Arc<Vec<AtomicBool>>,
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<T> {
    /// A record.
    Record(Record<T>),
    /// What is said about event time.
    Signal(TimeSignal),
    /// Nothing is read for this long, in machine time.
    Pause(Duration),
    /// Reading fails, once.
    Abort,
}

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Script<T> {
    /// An input without lines.
    #[must_use]
    pub fn new() -> Self {
        Self::of([])
    }

    /// An input of these lines.
    pub fn of(lines: impl IntoIterator<Item = Line<T>>) -> Self {
        Self { lanes: vec![Lane::of(lines.into_iter().collect())] }
    }

    /// An input of records without event time.
    pub fn records(values: impl IntoIterator<Item = T>) -> Self {
        Self::of(values.into_iter().map(|value| Line::Record(Record::new(value))))
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, line: Line<T>) -> Self {
        if let Some(lane) = self.lanes.last_mut() {
            let mut lines = std::mem::take(&mut lane.lines);
            lines.push(line);
            *lane = Lane::of(lines);
        }
        self
    }

    /// A record without event time.
    #[must_use]
    pub fn record(self, value: T) -> Self {
        self.line(Line::Record(Record::new(value)))
    }

    /// A record at `millis` of event time.
    #[must_use]
    pub fn record_at(self, value: T, millis: i64) -> Self {
        self.line(Line::Record(Record::at(value, Timestamp::from_millis(millis))))
    }

    /// A watermark: no record at or before `millis` is still to come.
    #[must_use]
    pub fn watermark(self, millis: i64) -> Self {
        self.line(Line::Signal(TimeSignal::Watermark(Timestamp::from_millis(millis))))
    }

    /// The input does not hold back event time until further notice.
    #[must_use]
    pub fn idle(self) -> Self {
        self.line(Line::Signal(TimeSignal::Idle))
    }

    /// The input holds back event time again.
    #[must_use]
    pub fn active(self) -> Self {
        self.line(Line::Signal(TimeSignal::Active))
    }

    /// Nothing is read for `time`.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.line(Line::Pause(time))
    }

    /// Reading fails here, once: the attempt ends, and the job goes on from its latest checkpoint.
    #[must_use]
    pub fn abort(self) -> Self {
        self.line(Line::Abort)
    }

    /// Adds the lanes of `other`, which are read beside those of this script.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.lanes.extend(other.lanes);
        self
    }

    /// The lines of all lanes, one lane behind the other.
    pub fn lines(&self) -> impl Iterator<Item = &Line<T>> {
        self.lanes.iter().flat_map(|lane| &lane.lines)
    }

    /// The records of all lanes, one lane behind the other.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.lines().filter_map(|line| match line {
            Line::Record(record) => Some(&record.value),
            _ => None,
        })
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines().count()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Lane<T> {
    fn of(lines: Vec<Line<T>>) -> Self {
        let struck = lines.iter().map(|_| AtomicBool::new(false)).collect();
        Self { lines, struck: Arc::new(struck) }
    }
}

impl<T: Clone> Script<T> {
    /// The same script without the lines `from..to`, counted over all lanes, and as if it had never been read.
    #[must_use]
    pub fn without(&self, from: usize, to: usize) -> Self {
        let mut number = 0;
        let lanes = self.lanes.iter().map(|lane| {
            let kept = lane.lines.iter().filter(|_| {
                number += 1;
                !(from..to).contains(&(number - 1))
            });
            Lane::of(kept.cloned().collect())
        });
        Self { lanes: lanes.collect() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Script<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

/// The lines of a script whose records need not be known to be clonable.
pub(crate) trait ScriptLines<T>: Send + Sync + 'static {
    /// How many lanes there are.
    fn lanes(&self) -> usize;

    /// A line of a lane. Each is asked for in order, again only after a restart.
    ///
    /// # Errors
    /// If it is an abort that has not struck yet.
    fn read(&self, lane: usize, line: usize) -> Result<NextLine<T>>;
}

/// What comes next in a lane.
pub(crate) enum NextLine<T> {
    Line(Line<T>),
    /// It is not known yet.
    NotYet,
    End,
}

impl<T: Data + Clone + Sync> ScriptLines<T> for Script<T> {
    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn read(&self, lane: usize, line: usize) -> Result<NextLine<T>> {
        let lane = &self.lanes[lane];
        let Some(found) = lane.lines.get(line) else { return Ok(NextLine::End) };
        if matches!(found, Line::Abort) && !lane.struck[line].swap(true, Ordering::SeqCst) {
            return Err(Error::other(format!("the script aborts at line {line}")));
        }
        Ok(NextLine::Line(found.clone()))
    }
}

/// A lane, and the line of it that comes next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LanePosition {
    lane: usize,
    line: usize,
}

/// The lanes that no reader has yet. They are dealt to the readers in turn, whichever asks first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lanes {
    left: Vec<LanePosition>,
    readers: usize,
}

impl Lanes {
    pub(crate) fn of(lanes: usize, readers: u32) -> Self {
        let left = (0..lanes).map(|lane| LanePosition { lane, line: 0 }).collect();
        Self { left, readers: readers.max(1) as usize }
    }
}

impl SplitEnumerator for Lanes {
    type Split = LanePosition;

    fn next_split(&mut self, reader: u32) -> Result<Option<LanePosition>> {
        let own = self.left.iter().position(|position| position.lane % self.readers == reader as usize);
        Ok(own.map(|index| self.left.remove(index)))
    }
}

impl<T: Data + Clone + Sync> Source for Script<T> {
    type Out = T;
    type Split = LanePosition;
    type Enumerator = Lanes;
    type Reader = ScriptReader<T>;

    const SPLIT_SCHEMA: SplitSchema = SplitSchema::new("lanes of a script", 1);

    fn discover(&self, parallelism: u32) -> Result<Lanes> {
        Ok(Lanes::of(self.lanes.len(), parallelism))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<ScriptReader<T>> {
        Ok(ScriptReader::new(Arc::new(self.clone()), context))
    }
}

/// Reads lanes of a script, inside one subtask.
pub struct ScriptReader<T> {
    script: Arc<dyn ScriptLines<T>>,
    lanes: VecDeque<(SplitNumber, LanePosition)>,
    clock: Arc<dyn Clock>,
    /// Until when the lane in front pauses. A pause begins anew after a restart.
    pause: Option<Moment>,
}

impl<T> ScriptReader<T> {
    pub(crate) fn new(script: Arc<dyn ScriptLines<T>>, context: &SubtaskContext) -> Self {
        Self { script, lanes: VecDeque::new(), clock: Arc::clone(&context.clock), pause: None }
    }
}

impl<T: Data> SourceReader for ScriptReader<T> {
    type Out = T;
    type Split = LanePosition;

    fn add_split(&mut self, number: SplitNumber, split: LanePosition) -> Result<()> {
        self.lanes.push_back((number, split));
        Ok(())
    }

    fn read<E: Emit<T>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let Some((number, position)) = self.lanes.front_mut() else { return Ok(ReadStatus::SplitsFinished) };
        out.split(SplitSignal::Reading(*number))?;
        for _ in 0..limit {
            match self.script.read(position.lane, position.line)? {
                NextLine::Line(Line::Record(record)) => out.emit(record)?,
                NextLine::Line(Line::Signal(signal)) => out.signal(signal)?,
                NextLine::Line(Line::Pause(time)) => {
                    let now = self.clock.now();
                    let until = *self.pause.get_or_insert(now + time);
                    if now < until {
                        return Ok(ReadStatus::Wait(until.since(now)));
                    }
                    self.pause = None;
                }
                NextLine::Line(Line::Abort) => {}
                NextLine::NotYet => return Ok(ReadStatus::UntilWoken),
                NextLine::End => {
                    let number = *number;
                    self.lanes.pop_front();
                    out.split(SplitSignal::Finished(number))?;
                    return Ok(ReadStatus::More);
                }
            }
            position.line += 1;
        }
        Ok(ReadStatus::More)
    }

    fn split_name(&self, split: &LanePosition) -> Option<String> {
        Some(format!("lane {} of the script", split.lane))
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<LanePosition>> {
        Ok(self.lanes.iter().map(|(_, lane)| lane.clone()).collect())
    }
}
