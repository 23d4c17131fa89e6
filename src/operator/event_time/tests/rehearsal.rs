//! Drives an operator of event time the way its chain does, and writes down what leaves it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millstream_actors::ids::Attempt;
use millstream_actors::time::{Clock, Moment, TimeSignal, Timestamp};

use crate::error::Result;
use crate::io::{SplitNumber, SplitSignal};
use crate::model::Record;
use crate::operator::event_time::{AlignmentGroups, EventTime, MakeGenerator, Watermarks};
use crate::operator::parts::{OfOperator, due_of};
use crate::operator::{Emit, Event, Operator, SubtaskContext};

/// What leaves the operator, in words: `5@1000` is a record, `WM 999` a watermark.
#[derive(Default)]
pub(super) struct Said(Vec<String>);

impl Said {
    pub(super) fn lines(self) -> Vec<String> {
        self.0
    }
}

impl<T: Debug> Emit<T> for Said {
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.0.push(format!("{:?}@{}", record.value, record.time));
        Ok(())
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.0.push(match signal {
            TimeSignal::Watermark(at) => format!("WM {at}"),
            other => format!("{other:?}"),
        });
        Ok(())
    }

    fn split(&mut self, _signal: SplitSignal) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Millis(AtomicI64);

impl Clock for Millis {
    fn now(&self) -> Moment {
        Moment::after_start(Duration::from_millis(self.0.load(Ordering::Relaxed) as u64))
    }

    fn started_at(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// The function that tells the time of a record: here, its value.
pub(super) type TimeOf = fn(&i64) -> i64;

/// One subtask with nothing but the operator, whose clock stands at 0. A record is its own time.
pub(super) struct Rehearsal<M: MakeGenerator<i64>> {
    pub(super) operator: EventTime<i64, M, TimeOf, i64>,
    pub(super) context: SubtaskContext,
    clock: Arc<Millis>,
    said: Said,
}

impl<M: MakeGenerator<i64>> Rehearsal<M> {
    /// Behind an exchange: all input is one.
    pub(super) fn behind_an_exchange(watermarks: Watermarks<M>) -> Self {
        Self::new(watermarks, false, 0, AlignmentGroups::default())
    }

    /// In the block of a source that has taken splits 0 to `splits`.
    pub(super) fn behind_a_source(watermarks: Watermarks<M>, splits: u64) -> Self {
        Self::new(watermarks, true, splits, AlignmentGroups::default())
    }

    /// As [`Self::behind_a_source`], in the same job as this one.
    pub(super) fn beside(&self, watermarks: Watermarks<M>, splits: u64) -> Self {
        Self::new(watermarks, true, splits, self.context.alignment_groups.clone())
    }

    fn new(watermarks: Watermarks<M>, is_source: bool, splits: u64, groups: AlignmentGroups) -> Self {
        let clock = Arc::new(Millis::default());
        let mut context = SubtaskContext::new(0, 1, Attempt(1), "run", clock.clone());
        (context.is_source, context.alignment_groups) = (is_source, groups);
        let operator = EventTime::open(&watermarks, (|millis: &i64| *millis) as TimeOf, &mut context);
        let mut rehearsal = Self { operator, context, clock, said: Said::default() };
        for split in 0..splits {
            rehearsal.taken(split);
        }
        rehearsal
    }

    /// What was said since the last call.
    pub(super) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said.0)
    }

    pub(super) fn event(&mut self, event: Event) -> Vec<String> {
        self.operator.on_event(event, &mut self.said).unwrap();
        self.said()
    }

    fn split(&mut self, signal: SplitSignal) -> Vec<String> {
        self.operator.on_split(signal, &mut self.said).unwrap();
        self.said()
    }

    pub(super) fn taken(&mut self, split: u64) -> Vec<String> {
        self.split(SplitSignal::Taken(SplitNumber(split)))
    }

    pub(super) fn reading(&mut self, split: u64) -> Vec<String> {
        self.split(SplitSignal::Reading(SplitNumber(split)))
    }

    pub(super) fn finished(&mut self, split: u64) -> Vec<String> {
        self.split(SplitSignal::Finished(SplitNumber(split)))
    }

    pub(super) fn unassigned(&mut self) -> Vec<String> {
        self.split(SplitSignal::Unassigned)
    }

    /// Records of one split; gives what is said between and behind them.
    pub(super) fn records_of(&mut self, split: u64, times: &[i64]) -> Vec<String> {
        self.reading(split);
        self.records(times)
    }

    pub(super) fn records(&mut self, times: &[i64]) -> Vec<String> {
        for time in times {
            self.operator.on_record(Record::new(*time), &mut self.said).unwrap();
        }
        let mut said = self.said();
        said.retain(|line| !line.contains('@'));
        said
    }

    /// Whether the reader of the block is held back.
    pub(super) fn is_held(&self) -> bool {
        self.context.hold.is_set()
    }

    /// Whether the operator waits for processing time, and for which.
    pub(super) fn due(&mut self) -> Option<i64> {
        due_of(&mut OfOperator(&mut self.operator)).unwrap().map(Timestamp::as_millis)
    }

    /// Lets the clock go to `millis`, with every event that becomes due on the way.
    pub(super) fn clock(&mut self, millis: i64) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(due) = self.due().filter(|due| *due <= millis) {
            let now = due.max(self.clock.0.load(Ordering::Relaxed));
            self.clock.0.store(now, Ordering::Relaxed);
            said.extend(self.event(Event::ProcessingTime(Timestamp::from_millis(now))));
        }
        self.clock.0.store(millis, Ordering::Relaxed);
        said
    }

    /// The same while no input can be taken: the operator hears of it before each event.
    pub(super) fn clock_while_blocked(&mut self, millis: i64) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(due) = self.due().filter(|due| *due <= millis) {
            let before = self.clock.0.swap(due, Ordering::Relaxed);
            said.extend(self.event(Event::Stalled(Duration::from_millis((due - before) as u64))));
            said.extend(self.event(Event::ProcessingTime(Timestamp::from_millis(due))));
        }
        let before = self.clock.0.swap(millis, Ordering::Relaxed);
        said.extend(self.event(Event::Stalled(Duration::from_millis((millis - before) as u64))));
        said
    }
}
