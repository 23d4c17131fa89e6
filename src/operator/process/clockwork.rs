//! Decides when the timers of a keyed operator fire, and lets many of them fire bit by bit.

use millstream_actors::time::{TimeSignal, Timestamp};

use super::names::TIMERS;
use crate::error::Result;
use crate::model::{Key, KeyHash};
use crate::operator::small_state::{FIRING, WATERMARK};
use crate::operator::{After, Emission, PartVisitor, SubtaskContext};
use crate::state::Timers;

/// The event and processing timers of one operator, and what it hears of time.
///
/// # Source
/// `docs/semantics.md`, section 14; the rules are those of Flink's timer service.
pub(crate) struct Clockwork<K: Key> {
    event: Timers<K, ()>,
    processing: Timers<K, ()>,
    watermark: Timestamp,
    firing: Option<Firing>,
}

/// What timers are fired for, until none is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firing {
    /// The watermark, which is handed on behind what the timers emit.
    Event(Timestamp),
    Processing(Timestamp),
}

/// Which time a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// The watermark.
    Event,
    /// Clocks on the wall.
    Processing,
}

/// A timer that has become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// The time that it was registered for.
    pub time: Timestamp,
    /// Which time that is.
    pub kind: TimeKind,
}

/// What comes next in a firing.
pub(crate) enum Next<K> {
    /// A timer is due.
    Fire(Timer, KeyHash, K),
    /// No timer is due any more, and this is to be handed on.
    HandOn(TimeSignal),
    /// Nothing.
    Rest,
}

impl<K: Key> Clockwork<K> {
    pub(crate) fn open(uid: &str, context: &mut SubtaskContext) -> Result<Self> {
        // A record that was late before a failure is late after it, though channels begin anew without a watermark.
        let watermark = context.restored_watermark(uid)?;
        let mut timers = |name: &str| -> Result<Timers<K, ()>> {
            let name = format!("{uid}/{name}");
            Ok(Timers::open(context.store(&name)?, &name)?)
        };
        let (event, processing) = (timers(TIMERS[0])?, timers(TIMERS[1])?);
        let firing = context.was_firing(uid)?.then_some(Firing::Event(watermark));
        Ok(Self { event, processing, watermark, firing })
    }

    pub(crate) fn watermark(&self) -> Timestamp {
        self.watermark
    }

    fn of(&mut self, kind: TimeKind) -> &mut Timers<K, ()> {
        match kind {
            TimeKind::Event => &mut self.event,
            TimeKind::Processing => &mut self.processing,
        }
    }

    pub(crate) fn register(&mut self, timer: Timer, hash: KeyHash, key: &K) -> Result<()> {
        Ok(self.of(timer.kind).register(timer.time, hash, key, &())?)
    }

    pub(crate) fn delete(&mut self, timer: Timer, hash: KeyHash, key: &K) -> Result<()> {
        self.of(timer.kind).delete(timer.time, hash, key, &())?;
        Ok(())
    }

    /// The watermark has risen: event timers up to it fire.
    pub(crate) fn rise(&mut self, watermark: Timestamp) {
        self.watermark = self.watermark.max(watermark);
        self.firing = Some(Firing::Event(watermark));
    }

    /// Processing time has come as far as `now`: processing timers up to it fire.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        self.firing = Some(Firing::Processing(now));
    }

    /// What comes next in what fires now. A timer that is registered while others fire, and is due, fires with them.
    pub(crate) fn next(&mut self) -> Result<Next<K>> {
        let Some(firing) = self.firing else { return Ok(Next::Rest) };
        let (kind, up_to) = match firing {
            Firing::Event(up_to) => (TimeKind::Event, up_to),
            Firing::Processing(up_to) => (TimeKind::Processing, up_to),
        };
        if let Some((time, hash, key, ())) = self.of(kind).pop_due(up_to)? {
            return Ok(Next::Fire(Timer { time, kind }, hash, key));
        }
        self.firing = None;
        Ok(match firing {
            Firing::Event(watermark) => Next::HandOn(TimeSignal::Watermark(watermark)),
            Firing::Processing(_) => Next::Rest,
        })
    }

    /// Lists its parts: of the operator `uid`.
    pub(crate) fn parts(&mut self, uid: &str, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.event);
        visitor.tables(&mut self.processing);
        visitor.small_state(uid, WATERMARK, &mut |watermark| watermark.put(&self.watermark));
        // Timers of processing time that are due fire at once after a restore.
        visitor.small_state(uid, FIRING, &mut |firing| match self.firing {
            Some(Firing::Event(_)) => firing.put(&1u8),
            _ => Ok(()),
        });
        visitor.due(&mut || Ok(self.processing.next()));
        visitor.emission(After::Events, &mut || {
            if self.firing.is_some() { Emission::Interruptible } else { Emission::Complete }
        });
    }
}
