//! Decides the watermark of a subtask from those of its splits, and which of them are idle.
//!
//! An input is a split of the block's source, or all input of a block without source. All of them meet in the valve
//! that combines channels: the rules are the same.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_actors::ids::ChannelId;
use millstream_actors::protocol::{ValveEvent, WatermarkValve};
use millstream_actors::time::{TimeSignal, Timespan, Timestamp};

use super::WatermarkGenerator;
use crate::io::SplitNumber;

/// The inputs of one subtask.
pub(super) struct Inputs<G> {
    valve: WatermarkValve,
    /// By number.
    inputs: Vec<Input<G>>,
    /// The position of the input that is being read.
    current: usize,
    /// The place in the valve that stands for the absence of splits.
    unassigned: Option<ChannelId>,
    idle_after: Option<Timespan>,
}

/// One input.
pub(super) struct Input<G> {
    pub(super) number: SplitNumber,
    pub(super) generator: G,
    pub(super) is_idle: bool,
    /// Whether it had a record since the last tick.
    pub(super) had_record: bool,
    place: ChannelId,
    /// Whether anybody reads it: only then can it be quiet.
    is_read: bool,
    /// The tick at which it was first found quiet, or later by the time in which it could not be read.
    quiet_since: Option<Timestamp>,
    /// The tick behind its last record.
    last_record: Option<Timestamp>,
}

/// What holds the watermark of a subtask back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldBy {
    pub(super) number: SplitNumber,
    pub(super) watermark: Timestamp,
    pub(super) last_record: Option<Timestamp>,
}

/// No position.
const NONE: usize = usize::MAX;

impl<G> Inputs<G> {
    pub(super) fn new(idle_after: Option<Timespan>) -> Self {
        Self { valve: WatermarkValve::new(0), inputs: Vec::new(), current: NONE, unassigned: None, idle_after }
    }

    /// The input whose records come.
    #[inline(always)]
    pub(super) fn current(&mut self) -> Option<&mut Input<G>> {
        self.inputs.get_mut(self.current)
    }

    /// What the inputs together have reached; [`Timestamp::NONE`] before the first watermark.
    pub(super) fn watermark(&self) -> Timestamp {
        self.valve.watermark()
    }

    /// Whether they hold nothing back.
    pub(super) fn is_idle(&self) -> bool {
        self.valve.is_idle()
    }

    /// Whether a tick could change anything.
    pub(super) fn wants_tick(&self) -> bool {
        let counts_down = |input: &Input<G>| self.idle_after.is_some() && input.is_read && !input.is_idle;
        self.inputs.iter().any(|input| input.had_record || counts_down(input))
    }

    /// The input with the lowest watermark among those that take part in the minimum.
    pub(super) fn held_by(&self) -> Option<HeldBy> {
        let place = self.valve.holds_back()?;
        let input = self.inputs.iter().find(|input| input.place == place)?;
        let (number, last_record) = (input.number, input.last_record);
        Some(HeldBy { number, watermark: self.valve.watermark_of(place), last_record })
    }

    fn position(&self, number: SplitNumber) -> Option<usize> {
        self.inputs.binary_search_by_key(&number, |input| input.number).ok()
    }

    /// For so long, none of them could be read.
    pub(super) fn stalled(&mut self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        for quiet_since in self.inputs.iter_mut().filter_map(|input| input.quiet_since.as_mut()) {
            *quiet_since = *quiet_since + Timespan::from_millis(millis);
        }
    }

    /// For so long, these could not be read.
    pub(super) fn paused(&mut self, splits: &BTreeSet<SplitNumber>, time: Timespan) {
        for input in self.inputs.iter_mut().filter(|input| splits.contains(&input.number)) {
            input.quiet_since = input.quiet_since.map(|since| since + time);
        }
    }

    /// Those that have come further than `limit`.
    pub(super) fn beyond(&self, limit: Timestamp) -> BTreeSet<SplitNumber> {
        let ahead = self.inputs.iter().filter(|input| self.valve.watermark_of(input.place) > limit);
        ahead.map(|input| input.number).collect()
    }

    /// The reader has no input.
    pub(super) fn none_assigned(&mut self, signals: &mut Signals) {
        if self.inputs.is_empty() && self.unassigned.is_none() {
            let place = self.valve.open();
            self.unassigned = Some(place);
            signals.add(self.valve.step(ValveEvent::Idle { channel: place }));
        }
    }

    /// The current input is awake.
    pub(super) fn wake(&mut self, signals: &mut Signals) {
        if let Some(input) = self.inputs.get_mut(self.current)
            && std::mem::take(&mut input.is_idle)
        {
            signals.add(self.valve.step(ValveEvent::Active { channel: input.place }));
        }
    }

    /// The generator of the current input has said a watermark.
    pub(super) fn advance(&mut self, at: Timestamp, signals: &mut Signals) {
        if let Some(place) = self.inputs.get(self.current).map(|input| input.place) {
            self.advance_at(place, at, signals);
        }
    }

    fn advance_at(&mut self, channel: ChannelId, at: Timestamp, signals: &mut Signals) {
        // The earliest time says nothing: nobody has to hear of it.
        if at > Timestamp::MIN {
            signals.add(self.valve.step(ValveEvent::Watermark { channel, at }));
        }
    }

    /// The reader has taken one more.
    pub(super) fn taken(&mut self, number: SplitNumber, generator: G, signals: &mut Signals) {
        let place = self.valve.open();
        if let Some(channel) = self.unassigned.take() {
            signals.add(self.valve.step(ValveEvent::End { channel }));
        }
        let (is_idle, had_record, is_read) = (false, false, false);
        let input =
            Input { number, generator, is_idle, had_record, place, is_read, quiet_since: None, last_record: None };
        self.inputs.push(input);
        if self.current == NONE {
            self.current = self.inputs.len() - 1;
        }
    }

    /// The records that follow are of this one.
    #[inline]
    pub(super) fn reading(&mut self, number: SplitNumber) {
        if self.inputs.get(self.current).is_none_or(|input| input.number != number || !input.is_read) {
            self.current = self.position(number).unwrap_or(NONE);
            if let Some(input) = self.inputs.get_mut(self.current) {
                input.is_read = true;
            }
        }
    }
}

impl<G> Inputs<G> {
    /// Nothing more comes from this one.
    pub(super) fn finished<T>(&mut self, number: SplitNumber, signals: &mut Signals)
    where
        G: WatermarkGenerator<T>,
    {
        let Some(position) = self.position(number) else { return };
        let mut input = self.inputs.remove(position);
        self.current = match self.current {
            NONE => NONE,
            current if current == position => NONE,
            current => current - usize::from(current > position),
        };
        // What it has reached counts, also if no tick came in time to say it.
        if let Some(at) = input.generator.on_periodic().filter(|_| !input.is_idle) {
            self.advance_at(input.place, at, signals);
        }
        signals.add(self.valve.step(ValveEvent::End { channel: input.place }));
    }

    /// Processing time has come to `now`: asks the generators, and finds out who is idle.
    pub(super) fn tick<T>(&mut self, now: Timestamp, signals: &mut Signals)
    where
        G: WatermarkGenerator<T>,
    {
        let mut reached = Vec::with_capacity(self.inputs.len());
        for input in &mut self.inputs {
            if std::mem::take(&mut input.had_record) {
                (input.is_read, input.last_record, input.quiet_since) = (true, Some(now), Some(now));
            }
            if let Some(at) = input.generator.on_periodic().filter(|_| !input.is_idle) {
                reached.push((at, input.place));
            }
        }
        // All of this happens at once. From the lowest to the highest, an input that was behind catches up before others
        // take the watermark further.
        reached.sort_unstable();
        for (at, place) in reached {
            self.advance_at(place, at, signals);
        }
        let Some(idle_after) = self.idle_after else { return };
        for input in self.inputs.iter_mut().filter(|input| input.is_read && !input.is_idle) {
            let since = *input.quiet_since.get_or_insert(now);
            input.quiet_since = Some(since.min(now));
            if since + idle_after <= now {
                input.is_idle = true;
                signals.add(self.valve.step(ValveEvent::Idle { channel: input.place }));
            }
        }
    }
}

/// What is to be said, in order.
#[derive(Debug, Default)]
pub(super) struct Signals(Vec<TimeSignal>);

impl Signals {
    fn add(&mut self, signals: Vec<TimeSignal>) {
        for signal in signals {
            // A watermark says all that the one just before it says, and each sends batches that are not full.
            if let (TimeSignal::Watermark(_), Some(last @ TimeSignal::Watermark(_))) = (signal, self.0.last_mut()) {
                *last = signal;
            } else {
                self.0.push(signal);
            }
        }
    }
}

impl IntoIterator for Signals {
    type Item = TimeSignal;
    type IntoIter = std::vec::IntoIter<TimeSignal>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
