//! Gives records their event time, and makes the watermarks of the stream.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use millstream_actors::time::{TimeSignal, Timespan, Timestamp};
use millstream_actors::time_view::{Origin, SplitTime};

use super::alignment::Member;
use super::inputs::{HeldBy, Inputs, Signals};
use super::{MakeGenerator, WatermarkGenerator, Watermarks};
use crate::error::Result;
use crate::io::{SplitNumber, SplitSignal};
use crate::model::{Data, Record};
use crate::operator::{Emit, Event, Hold, Operator, PartVisitor, SplitNames, SubtaskContext};

/// One record out per record in, with the event time that a function tells; built by
/// [`Stream::event_time`](crate::Stream::event_time).
pub struct EventTime<T, M: MakeGenerator<T>, F, R> {
    make: M,
    time_of: F,
    inputs: Inputs<M::Generator>,
    period: Timespan,
    next_tick: Timestamp,
    last_tick: Timestamp,
    member: Option<Member>,
    hold: Hold,
    /// The splits that are paused, because they are too far ahead of the group.
    paused: BTreeSet<SplitNumber>,
    names: SplitNames,
    takes: PhantomData<fn(T) -> R>,
}

/// The number of what is no split: all input of a block without source.
const NO_SPLIT: SplitNumber = SplitNumber(u64::MAX);

impl<T, M, F, R> EventTime<T, M, F, R>
where
    T: Data,
    M: MakeGenerator<T>,
{
    pub(crate) fn open(watermarks: &Watermarks<M>, time_of: F, context: &mut SubtaskContext) -> Self {
        let now = context.clock.processing_time();
        let member = watermarks.alignment.as_ref().map(|group| Member::new(&context.alignment_groups, group));
        let mut operator = Self {
            make: watermarks.make.clone(),
            time_of,
            inputs: Inputs::new(watermarks.idle_after),
            period: watermarks.period,
            next_tick: now + watermarks.period,
            last_tick: now,
            member,
            hold: context.hold.clone(),
            paused: BTreeSet::new(),
            names: context.split_names.clone(),
            takes: PhantomData,
        };
        if !context.is_source {
            operator.take_all_input();
        }
        operator
    }

    /// All that comes is one input.
    fn take_all_input(&mut self) {
        // With nothing before it, an input that is opened says nothing.
        self.inputs.taken(NO_SPLIT, self.make.generator(), &mut Signals::default());
        self.inputs.reading(NO_SPLIT);
    }

    /// Opens an input for a record that no split has been named for, or wakes the one that it comes from.
    #[cold]
    fn prepare_input<E: Emit<T>>(&mut self, out: &mut E) -> Result<()> {
        let mut signals = Signals::default();
        if self.inputs.current().is_none() {
            self.inputs.taken(NO_SPLIT, self.make.generator(), &mut signals);
        }
        self.inputs.wake(&mut signals);
        say(signals, out)
    }

    #[cold]
    fn tick<E: Emit<T>>(&mut self, now: Timestamp, out: &mut E) -> Result<()> {
        // What the group keeps from being read is not quiet.
        let held = Timespan::from_millis(now.as_millis().saturating_sub(self.last_tick.as_millis()));
        if self.member.as_ref().is_some_and(Member::is_held) {
            self.inputs.stalled(held.into());
        } else if !self.paused.is_empty() {
            self.inputs.paused(&self.paused, held);
        }
        let mut signals = Signals::default();
        self.inputs.tick(now, &mut signals);
        say(signals, out)?;
        if let Some(member) = &mut self.member {
            let reached = (!self.inputs.is_idle()).then(|| self.inputs.watermark());
            self.hold.set(member.tick(now, reached));
            if self.hold.pauses_splits() {
                self.paused = member.limit().map_or_else(BTreeSet::new, |limit| self.inputs.beyond(limit));
                self.hold.pause(self.paused.clone());
            }
        }
        (self.last_tick, self.next_tick) = (now, now + self.period);
        Ok(())
    }

    /// The split that holds the watermark back.
    fn held_by(&self) -> Option<SplitTime> {
        let HeldBy { number, watermark, last_record } = self.inputs.held_by()?;
        Some(SplitTime { split: self.names.view(number), watermark, last_record })
    }

    fn note(&mut self, signal: SplitSignal) -> Signals {
        let mut signals = Signals::default();
        match signal {
            SplitSignal::Taken(split) => self.inputs.taken(split, self.make.generator(), &mut signals),
            SplitSignal::Reading(split) => self.inputs.reading(split),
            SplitSignal::Finished(split) => self.inputs.finished(split, &mut signals),
            SplitSignal::Unassigned => self.inputs.none_assigned(&mut signals),
        }
        signals
    }
}

fn say<T, E: Emit<T>>(signals: Signals, out: &mut E) -> Result<()> {
    signals.into_iter().try_for_each(|signal| out.signal(signal))
}

impl<T, M, F, R> Operator for EventTime<T, M, F, R>
where
    T: Data,
    M: MakeGenerator<T>,
    R: Into<Timestamp> + 'static,
    F: FnMut(&T) -> R + Send + 'static,
{
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        let time = (self.time_of)(&record.value).into();
        if self.inputs.current().is_none_or(|input| input.is_idle) {
            self.prepare_input(out)?;
        }
        let mut watermark = None;
        if let Some(input) = self.inputs.current() {
            input.had_record = true;
            if time.is_some() {
                watermark = input.generator.on_record(&record.value, time);
            }
        }
        out.emit(Record { value: record.value, time })?;
        if let Some(at) = watermark {
            let mut signals = Signals::default();
            self.inputs.advance(at, &mut signals);
            say(signals, out)?;
        }
        Ok(())
    }

    /// The watermarks of this operator take the place of those before it, but for the end of event time.
    fn on_signal<E: Emit<T>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        if signal == TimeSignal::Watermark(Timestamp::MAX) { out.signal(signal) } else { Ok(()) }
    }

    fn on_split<E: Emit<T>>(&mut self, signal: SplitSignal, out: &mut E) -> Result<()> {
        say(self.note(signal), out)?;
        out.split(signal)
    }

    #[inline]
    fn on_event<E: Emit<T>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        match event {
            Event::ProcessingTime(now) if now >= self.next_tick => self.tick(now, out),
            Event::Stalled(time) => {
                self.inputs.stalled(time);
                Ok(())
            }
            Event::End => {
                self.member = None;
                self.hold.pause(BTreeSet::new());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.due(&mut || {
            let ticks = M::ASKED_WITHOUT_RECORDS || self.member.is_some() || self.inputs.wants_tick();
            Ok(ticks.then_some(self.next_tick))
        });
        visitor.event_time(&mut |time| {
            let waits_for = self.member.as_ref().and_then(Member::waits_for);
            time.origin = Some(Origin::Records { held_by: self.held_by(), waits_for });
            Ok(())
        });
    }
}
