//! Reads the events of the `nexmark` crate: event n follows from n alone, so a position is all that a checkpoint needs.

use std::num::NonZeroU64;

use millstream::actors::ids::CheckpointId;
use millstream::io::{ReadStatus, Source, SourceReader, SplitNumber, SplitQueue, SplitSignal};
use millstream::metrics::{Counter, PROGRESS};
use millstream::model::Record;
use millstream::operator::{Emit, SubtaskContext};
use millstream::prelude::*;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Bid, Event};
use serde::{Deserialize, Serialize};

/// The time of the first event: the midnight that begins the fifteenth of July 2015.
const BASE_TIME: u64 = 1_436_918_400_000;

/// The first events of Nexmark, so many per second of event time.
///
/// Split s of P has the events s, s + P, s + 2 P, …, so all splits advance in event time together.
#[derive(Debug, Clone, Copy)]
pub struct Nexmark {
    /// How many there are.
    pub events: u64,
    /// How many have the same second of event time.
    pub events_per_second: usize,
}

impl Nexmark {
    /// What makes the events, beginning with the first.
    fn generator(self) -> EventGenerator {
        EventGenerator::new(NexmarkConfig {
            base_time: BASE_TIME,
            first_rate: self.events_per_second,
            next_rate: self.events_per_second,
            ..NexmarkConfig::default()
        })
    }
}

/// All events of `source`, in order.
pub fn events_of(source: Nexmark) -> Vec<Event> {
    (0..source.events).zip(source.generator()).map(|(_, event)| event).collect()
}

/// The bids among `events`.
pub(crate) fn bids(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Bid>> {
    events.flat_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        Event::Person(_) | Event::Auction(_) => None,
    })
}

/// The bids among `events`, for references.
pub(crate) fn bids_among(events: &[Event]) -> impl Iterator<Item = &Bid> {
    events.iter().filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        Event::Person(_) | Event::Auction(_) => None,
    })
}

/// The events `next`, `next + step`, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSplit {
    next: u64,
    step: NonZeroU64,
}

impl Source for Nexmark {
    type Out = Event;
    type Split = EventSplit;
    type Enumerator = SplitQueue<EventSplit>;
    type Reader = EventReader;

    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator> {
        let step = NonZeroU64::from(std::num::NonZeroU32::new(parallelism).unwrap_or(std::num::NonZeroU32::MIN));
        let splits = (0..step.get()).map(|next| EventSplit { next, step });
        Ok(SplitQueue::one_each(splits, Some(self.events)))
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<EventReader> {
        let progress = context.counter(PROGRESS);
        Ok(EventReader { all: self.generator(), events: self.events, splits: Vec::new(), progress })
    }
}

/// Reads events in one subtask. Of several splits, the one that is farthest behind is read next.
pub struct EventReader {
    all: EventGenerator,
    events: u64,
    splits: Vec<Reading>,
    progress: Counter,
}

/// A split that is read.
struct Reading {
    number: SplitNumber,
    step: NonZeroU64,
    /// Its offset is the position.
    generator: EventGenerator,
}

impl SourceReader for EventReader {
    type Out = Event;
    type Split = EventSplit;

    fn add_split(&mut self, number: SplitNumber, split: EventSplit) -> Result<()> {
        let generator = self.all.clone().with_offset(split.next).with_step(split.step.get());
        self.splits.push(Reading { number, step: split.step, generator });
        Ok(())
    }

    fn read<E: Emit<Event>>(&mut self, limit: usize, out: &mut E) -> Result<ReadStatus> {
        let positions = self.splits.iter().enumerate();
        let Some((index, _)) = positions.min_by_key(|(_, split)| split.generator.offset()) else {
            return Ok(ReadStatus::SplitsFinished);
        };
        let split = &mut self.splits[index];
        out.split(SplitSignal::Reading(split.number))?;
        let left = self.events.saturating_sub(split.generator.offset()).div_ceil(split.step.get());
        let records = left.min(limit as u64);
        for event in split.generator.by_ref().take(records as usize) {
            out.emit(Record::new(event))?;
        }
        self.progress.add(records);
        if records == left {
            out.split(SplitSignal::Finished(split.number))?;
            self.splits.remove(index);
        }
        Ok(if self.splits.is_empty() { ReadStatus::SplitsFinished } else { ReadStatus::More })
    }

    fn split_name(&self, split: &EventSplit) -> Option<String> {
        Some(format!("events {} of every {}", split.next % split.step, split.step))
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<EventSplit>> {
        let splits = self.splits.iter();
        Ok(splits.map(|split| EventSplit { next: split.generator.offset(), step: split.step }).collect())
    }
}
