//! Joins records of two streams whose event times lie close to each other.

use millstream_actors::time::{Timespan, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::metrics::{Counter, LATE};
use crate::model::{Data, Key, Record};
use crate::operator::{CoProcess, Emit, KeyContext, MapState, SideEmitter, States, Timer};

/// How far the event time of the right record may lie from that of the left one, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub(crate) lower: Timespan,
    pub(crate) upper: Timespan,
}

impl Bounds {
    /// From `lower` to `upper`, seen from the left record; a negative one lies before it.
    #[must_use]
    pub fn between(lower: Timespan, upper: Timespan) -> Self {
        Self { lower, upper }
    }

    /// The same without its lower end.
    #[must_use]
    pub fn exclude_lower(self) -> Self {
        Self { lower: Timespan::from_millis(self.lower.as_millis().saturating_add(1)), ..self }
    }

    /// The same without its upper end.
    #[must_use]
    pub fn exclude_upper(self) -> Self {
        Self { upper: Timespan::from_millis(self.upper.as_millis().saturating_sub(1)), ..self }
    }

    /// The last right record that a left one waits for.
    fn left_waits(self) -> Timespan {
        self.upper.max(Timespan::ZERO)
    }

    /// The last left record that a right one waits for.
    fn right_waits(self) -> Timespan {
        (-self.lower).max(Timespan::ZERO)
    }
}

/// One record out per pair of records of a key whose event times fit; built by
/// [`ConnectedStreams::interval_join`](crate::ConnectedStreams::interval_join).
///
/// # State
/// Per key, each record until the watermark says that all it could be joined with has come.
///
/// # Source
/// `docs/semantics.md`, laws JN-3 and JN-4; the rules are those of Flink's interval join.
pub struct IntervalJoin<L, R, F> {
    uid: String,
    bounds: Bounds,
    join: F,
    left: MapState<Timestamp, Vec<L>>,
    right: MapState<Timestamp, Vec<R>>,
    late: Counter,
    late_left: Option<SideEmitter<L>>,
    late_right: Option<SideEmitter<R>>,
}

impl<L, R, F> IntervalJoin<L, R, F>
where
    L: Data + Serialize + DeserializeOwned,
    R: Data + Serialize + DeserializeOwned,
{
    pub(crate) fn open<K: Key>(
        uid: &str,
        bounds: Bounds,
        join: F,
        (late_left, late_right): (Option<SideEmitter<L>>, Option<SideEmitter<R>>),
        states: &mut States<'_, K>,
    ) -> Result<Self> {
        let late = states.subtask().counter(LATE);
        let (left, right) = (states.map("left")?, states.map("right")?);
        Ok(Self { uid: uid.to_owned(), bounds, join, left, right, late, late_left, late_right })
    }

    /// Whether the record comes at or behind the watermark. Its pairs might lie there, too: then they would be late
    /// further down, and some of what they need is forgotten.
    fn is_late<K: Key>(&self, time: Timestamp, context: &KeyContext<'_, K>) -> Result<bool> {
        if !time.is_some() {
            return Err(Error::user(&self.uid, "a record has no event time: call `event_time` before the join"));
        }
        Ok(time <= context.watermark())
    }
}

impl<K, L, R, O, F> CoProcess<K, L, R> for IntervalJoin<L, R, F>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    R: Data + Serialize + DeserializeOwned,
    O: Data,
    F: FnMut(&L, &R) -> O + Send + 'static,
{
    type Out = O;

    fn on_left<E: Emit<O>>(&mut self, left: Record<L>, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        let time = left.time;
        if self.is_late(time, context)? {
            self.late.add(1);
            if let Some(side) = &self.late_left {
                side.emit(left);
            }
            return Ok(());
        }
        for (other, rights) in context.map(self.right).range(time + self.bounds.lower..=time + self.bounds.upper)? {
            for right in rights {
                out.emit(Record { value: (self.join)(&left.value, right), time: time.max(*other) })?;
            }
        }
        context.map(self.left).get_or_insert_with(&time, Vec::new)?.push(left.value);
        context.register_event_timer(time + self.bounds.left_waits())
    }

    fn on_right<E: Emit<O>>(&mut self, right: Record<R>, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        let time = right.time;
        if self.is_late(time, context)? {
            self.late.add(1);
            if let Some(side) = &self.late_right {
                side.emit(right);
            }
            return Ok(());
        }
        for (other, lefts) in context.map(self.left).range(time - self.bounds.upper..=time - self.bounds.lower)? {
            for left in lefts {
                out.emit(Record { value: (self.join)(left, &right.value), time: time.max(*other) })?;
            }
        }
        context.map(self.right).get_or_insert_with(&time, Vec::new)?.push(right.value);
        context.register_event_timer(time + self.bounds.right_waits())
    }

    /// What could join nothing that is still to come is forgotten.
    fn on_timer<E: Emit<O>>(&mut self, timer: Timer, context: &mut KeyContext<'_, K>, _out: &mut E) -> Result<()> {
        context.map(self.left).remove(&(timer.time - self.bounds.left_waits()))?;
        context.map(self.right).remove(&(timer.time - self.bounds.right_waits()))?;
        Ok(())
    }
}
