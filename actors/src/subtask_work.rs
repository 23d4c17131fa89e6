//! The work of a subtask within a run slice: the elements of its inputs in turn, a chunk of records at a time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::channel::Permit;
use crate::faults::CrashPoint;
use crate::ids::ChannelId;
use crate::mail::ToSupervisor;
use crate::packet::{Item, Signal};
use crate::protocol::alignment::AlignmentEvent;
use crate::protocol::valve::ValveEvent;
use crate::sabotage::Sabotage;
use crate::subtask::{Ended, Persisting, Subtask};
use crate::subtask_reader::Reader;
use crate::subtask_turns::Next;
use crate::task::{Emission, Progress, TaskEvent, Then};
use crate::time::{Moment, TimeSignal};

/// Records taken between two looks at the clock, at most; fewer where they take long.
const CHUNK_RECORDS: usize = 512;
const LEAST_CHUNK_RECORDS: usize = 16;

/// Records that chance lets a subtask take at once, at most.
const CHANCE_RECORDS: usize = 24;

/// One in so many chunks that are left to chance ends a batch, or a slice.
const CHANCE_OF_CUT: usize = 4;

/// Elements that are taken from the channel that holds event time back, before the others have a turn.
const STRAGGLER_TURNS: usize = 16;

/// How many times shorter a slice is where that channel has nothing to take: its sender may be waiting for the same core.
const SHORTER_WITHOUT_STRAGGLER: u32 = 8;

/// The input of a subtask, and how far it is with it.
pub(crate) struct Intake {
    /// What came and waits, per channel.
    queues: Vec<VecDeque<Item>>,
    /// The channel whose turn it is, but for the straggler's.
    next_queue: usize,
    /// The channel through which event time has come less far than through others. What these bring must be kept until it
    /// has come as far, so it has more turns.
    pub(crate) straggler: Option<ChannelId>,
    /// Turns that the straggler had in a row.
    straggler_turns: usize,
    /// Set while a batch is in hand.
    in_hand: Option<Permit>,
    /// Records taken in this attempt.
    taken: u64,
    /// Records taken next before the clock is looked at.
    chunk: usize,
}

impl Intake {
    pub(crate) fn new(channels: usize) -> Self {
        let queues = (0..channels).map(|_| VecDeque::new()).collect();
        let (next_queue, straggler, straggler_turns) = (0, None, 0);
        Self { queues, next_queue, straggler, straggler_turns, in_hand: None, taken: 0, chunk: LEAST_CHUNK_RECORDS }
    }

    /// Keeps what came, and says how much waits now.
    pub(crate) fn push(&mut self, channel: ChannelId, item: Item) -> usize {
        self.queues[channel.index()].push_back(item);
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// The next element of the channels in turn, passing over those that are not open.
    fn pop(&mut self, is_open: impl Fn(ChannelId) -> bool) -> Option<(ChannelId, Item)> {
        let straggler = self.straggler.filter(|channel| self.straggler_turns < STRAGGLER_TURNS && is_open(*channel));
        if let Some(channel) = straggler
            && let Some(item) = self.queues[channel.index()].pop_front()
        {
            self.straggler_turns += 1;
            return Some((channel, item));
        }
        self.straggler_turns = 0;
        let count = self.queues.len();
        for step in 0..count {
            let index = (self.next_queue + step) % count;
            let channel = ChannelId(index as u32);
            if is_open(channel)
                && let Some(item) = self.queues[index].pop_front()
            {
                self.next_queue = (index + 1) % count;
                return Some((channel, item));
            }
        }
        None
    }

    /// The next barrier or end at the head of a channel that is open.
    fn pop_marker(&mut self, is_open: impl Fn(ChannelId) -> bool) -> Option<(ChannelId, Item)> {
        (0..).map(ChannelId).zip(&mut self.queues).find_map(|(channel, queue)| {
            let is_marker = matches!(queue.front(), Some(Item::Signal(Signal::Barrier(_) | Signal::End)));
            let marker = if is_marker && is_open(channel) { queue.pop_front() } else { None };
            Some((channel, marker?))
        })
    }

    /// The time that is left of `slice` if what there is to take only adds to what must be kept.
    fn fit_slice(&self, slice: Duration) -> Duration {
        let adds = self.straggler.is_some_and(|channel| self.queues[channel.index()].is_empty());
        if adds { slice / SHORTER_WITHOUT_STRAGGLER } else { slice }
    }

    /// Takes fewer records at once if those taken last were slow, since their state had to be read from disk, say; and more
    /// again once as many as can be taken were fast. The few that end a batch say nothing of that.
    fn fit_chunk(&mut self, records: usize, took: Duration, slice: Duration) {
        if took > slice / 4 {
            self.chunk = (self.chunk / 2).max(LEAST_CHUNK_RECORDS);
        } else if took < slice / 16 && records >= self.chunk {
            self.chunk = (self.chunk * 2).min(CHUNK_RECORDS);
        }
    }
}

impl Subtask {
    /// Works for a run slice that began at `began`: on a snapshot for half of it at most, if there is one to encode, and on
    /// what else is to be done until it is over.
    pub(crate) fn work(&mut self, began: Moment) -> Result<Next, Ended> {
        self.encode_snapshot(began)?;
        if std::mem::take(&mut self.woken) && !self.drained {
            self.tell(TaskEvent::Woken)?;
        }
        let must_hold = self.must_hold()?;
        if self.is_busy {
            self.run_background(false)?;
        }
        let next = if must_hold { self.stall() } else { self.process(began)? };
        self.is_busy = matches!(next, Next::Again);
        if self.emission != Emission::Unfinished
            && let Some((checkpoint, suspend)) = self.postponed.take()
        {
            self.trigger(checkpoint, suspend)?;
        }
        if !self.is_busy {
            self.run_background(true)?;
        }
        if matches!(self.rounds.persisting, Persisting::Encoding { .. }) {
            return Ok(Next::Again);
        }
        // Time is told between two events, and when there is memory for what follows from it.
        Ok(if must_hold || self.emission.comes_first() { next } else { self.until_due(next) })
    }

    /// Works on input until the slice's time is used up, the inputs are empty, or an output has no room.
    fn process(&mut self, began: Moment) -> Result<Next, Ended> {
        let mut before = self.setup.environment.clock.now();
        if let Some(since) = self.stall.since.take() {
            self.stall.untold += before.since(since);
        }
        self.pass_time()?;
        // Set once the outputs were asked to wake this actor: what is released from then on is a letter.
        let mut will_be_woken = false;
        loop {
            if !self.setup.outputs.drain() {
                if will_be_woken {
                    self.setup.meter.blocked();
                    return Ok(self.stall());
                }
                self.setup.outputs.wait();
                will_be_woken = true;
                continue;
            }
            self.tell_signals()?;
            if self.must_end && !self.emission.comes_first() {
                self.end_of_input()?;
            }
            if self.is_ending && self.emission == Emission::Complete {
                self.drain_done()?;
            }
            if self.emission == Emission::Waiting {
                self.flush()?;
                return Ok(Next::Sleep);
            }
            let reads = matches!(self.reader, Reader::Reading(_));
            // What is left of a batch in hand came before any barrier.
            if self.emission == Emission::Interruptible && self.intake.in_hand.is_none() {
                self.take_markers()?;
            }
            if self.emission.comes_first() || self.intake.in_hand.is_some() || reads {
                let Progress { records, then } = self.run_chunk()?;
                match then {
                    Then::BatchDone => self.intake.in_hand = None,
                    Then::More | Then::Emitting(_) => {}
                    Then::Blocked if will_be_woken => {
                        self.setup.meter.blocked();
                        return Ok(self.stall());
                    }
                    Then::Blocked => {
                        self.setup.outputs.wait();
                        will_be_woken = true;
                    }
                    Then::Wait(time) => {
                        self.flush()?;
                        return Ok(Next::SleepFor(time));
                    }
                    Then::UntilWoken => {
                        self.flush()?;
                        return Ok(Next::Sleep);
                    }
                    Then::SplitsFinished => self.ask_for_split()?,
                }
                let now = self.setup.environment.clock.now();
                let took = now.since(std::mem::replace(&mut before, now));
                self.intake.fit_chunk(records, took, self.setup.run_slice);
                if self.has_had(self.intake.fit_slice(self.setup.run_slice), began, now) || self.setup.kill.is_killed()
                {
                    return Ok(Next::Again);
                }
                continue;
            }
            match self.next_item() {
                Some((channel, item)) => self.take(channel, item)?,
                None => {
                    self.flush()?;
                    return Ok(self.until_asked(began));
                }
            }
        }
    }

    /// Lets the task take some records.
    fn run_chunk(&mut self) -> Result<Progress, Ended> {
        let environment = &self.setup.environment;
        let mut budget =
            if environment.chance.is_some() { 1 + environment.choose(CHANCE_RECORDS) } else { self.intake.chunk };
        if let Some(left) = environment.faults.records_left(self.setup.id, self.intake.taken) {
            if left == 0 {
                self.pass(CrashPoint::Record, None)?;
            } else {
                budget = budget.min(usize::try_from(left).unwrap_or(usize::MAX));
            }
        }
        let began = (self.intake.taken == 0).then(|| self.setup.environment.clock.now());
        let progress = self.setup.task.run(budget, &mut self.setup.outputs)?;
        self.intake.taken += progress.records as u64;
        self.emission = match progress.then {
            Then::Emitting(emission) => emission,
            // An output without room changes nothing.
            Then::Blocked => self.emission,
            _ => Emission::Complete,
        };
        let environment = &self.setup.environment;
        if environment.chance.is_some() && environment.choose(CHANCE_OF_CUT) == 0 {
            self.flush()?;
        }
        if let Some(began) = began.filter(|_| progress.records > 0) {
            if self.setup.is_source {
                self.tell_supervisor(ToSupervisor::FirstRead(began));
            }
            if self.setup.outputs.edges() == 0 {
                self.tell_supervisor(ToSupervisor::FirstRecord(self.setup.environment.clock.now()));
            }
        }
        Ok(progress)
    }

    /// Whether a slice that began at `began` has had its `time` by now, or as chance wants it.
    pub(crate) fn has_had(&self, time: Duration, began: Moment, now: Moment) -> bool {
        let environment = &self.setup.environment;
        if environment.chance.is_some() { environment.choose(2) == 0 } else { now.since(began) >= time }
    }

    /// The next element of the inputs in turn, or by chance, passing over channels that wait for a barrier of others.
    fn next_item(&mut self) -> Option<(ChannelId, Item)> {
        let Self { setup, intake, alignment, .. } = self;
        let count = intake.queues.len();
        if count > 1 && setup.environment.chance.is_some() {
            // Every order must come up: nobody is preferred.
            (intake.next_queue, intake.straggler) = (setup.environment.choose(count), None);
        }
        intake.pop(|channel| !alignment.is_blocked(channel) || setup.environment.sabotaged(Sabotage::SkipAlignment))
    }

    /// Takes the barriers and ends that come next in their channels: a checkpoint need not wait for an emission that may be
    /// interrupted.
    fn take_markers(&mut self) -> Result<(), Ended> {
        while let Some((channel, item)) = self.intake.pop_marker(|channel| !self.alignment.is_blocked(channel)) {
            self.take(channel, item)?;
        }
        Ok(())
    }

    fn take(&mut self, channel: ChannelId, item: Item) -> Result<(), Ended> {
        match item {
            Item::Batch(batch) => {
                self.setup.task.load(channel, batch.rows);
                self.intake.in_hand = Some(batch.permit);
                Ok(())
            }
            Item::Signal(Signal::Barrier(checkpoint)) => self.align(AlignmentEvent::Barrier { channel, checkpoint }),
            Item::Signal(Signal::End) => {
                self.move_valve(ValveEvent::End { channel })?;
                self.align(AlignmentEvent::End { channel })
            }
            Item::Signal(Signal::Time(signal)) => self.move_valve(match signal {
                TimeSignal::Watermark(at) => ValveEvent::Watermark { channel, at },
                TimeSignal::Idle => ValveEvent::Idle { channel },
                TimeSignal::Active => ValveEvent::Active { channel },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An intake of three channels, each of which has `waiting` elements.
    fn three_channels(waiting: usize) -> Intake {
        let mut intake = Intake::new(3);
        for channel in (0..3).map(ChannelId).cycle().take(3 * waiting) {
            intake.push(channel, Item::Signal(Signal::End));
        }
        intake
    }

    /// The channels of the next `count` elements.
    fn next(intake: &mut Intake, count: usize) -> Vec<u32> {
        (0..count).map_while(|_| intake.pop(|_| true)).map(|(channel, _)| channel.0).collect()
    }

    #[test]
    fn channels_have_their_turn_whether_one_is_behind_or_not() {
        let mut intake = three_channels(100);
        assert_eq!(next(&mut intake, 4), [0, 1, 2, 0]);
        intake.straggler = Some(ChannelId(2));
        let run = [2; STRAGGLER_TURNS];
        assert_eq!(next(&mut intake, 2 * STRAGGLER_TURNS + 2), [&run[..], &[1], &run, &[2]].concat());
        assert_eq!(next(&mut intake, STRAGGLER_TURNS + 1), [&run[..], &[0]].concat(), "the others are not passed over");
        intake.straggler = None;
        assert_eq!(next(&mut intake, 3), [1, 2, 0]);
    }

    #[test]
    fn others_need_not_wait_for_a_straggler_without_input_or_behind_its_barrier() {
        let mut intake = three_channels(2);
        intake.straggler = Some(ChannelId(2));
        let open = |channel: ChannelId| channel != ChannelId(2);
        let taken: Vec<_> = (0..5).map_while(|_| intake.pop(open)).map(|(channel, _)| channel.0).collect();
        assert_eq!(taken, [0, 1, 0, 1], "a channel that waits for the barriers of others keeps what it has");
        assert_eq!(next(&mut intake, 3), [2, 2]);
        intake.push(ChannelId(0), Item::Signal(Signal::End));
        assert_eq!(next(&mut intake, 2), [0]);
    }

    #[test]
    fn slices_are_shorter_while_a_straggler_has_no_input() {
        let (mut intake, slice) = (three_channels(1), Duration::from_micros(500));
        assert_eq!(intake.fit_slice(slice), slice, "nobody is behind");
        intake.straggler = Some(ChannelId(1));
        assert_eq!(intake.fit_slice(slice), slice, "it has input");
        assert_eq!(next(&mut intake, 1), [1]);
        assert_eq!(intake.fit_slice(slice), slice / SHORTER_WITHOUT_STRAGGLER);
    }

    #[test]
    fn slow_records_are_taken_in_smaller_chunks_until_full_ones_are_fast() {
        let slice = Duration::from_micros(500);
        let (mut intake, fast, slow) = (Intake::new(1), slice / 20, slice);
        (0..20).for_each(|_| intake.fit_chunk(intake.chunk, slow, slice));
        assert_eq!(intake.chunk, LEAST_CHUNK_RECORDS);
        (0..20).for_each(|_| intake.fit_chunk(LEAST_CHUNK_RECORDS - 1, fast, slice));
        assert_eq!(intake.chunk, LEAST_CHUNK_RECORDS, "few records are fast however slow each of them is");
        intake.fit_chunk(LEAST_CHUNK_RECORDS, slice / 8, slice);
        assert_eq!(intake.chunk, LEAST_CHUNK_RECORDS, "neither fast nor slow");
        intake.fit_chunk(LEAST_CHUNK_RECORDS, fast, slice);
        assert_eq!(intake.chunk, 2 * LEAST_CHUNK_RECORDS);
        (0..20).for_each(|_| intake.fit_chunk(intake.chunk, fast, slice));
        assert_eq!(intake.chunk, CHUNK_RECORDS);
    }
}
