//! Lets a user's function see each record with the state of its key, register timers, and emit whatever it wants.

mod cells;
mod clockwork;
mod co_process;

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_actors::time::{Clock, TimeSignal, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Control, Emit, Event, Operator, SubtaskContext};
use crate::error::Result;
use crate::model::{Data, Key, KeyHash, Keyed, Record};
use crate::state::{EntryName, VisitTables};

pub(crate) use cells::{Cells, OfKey};
pub use cells::{Map, MapState, States, Value, ValueState};
pub(crate) use clockwork::{Clockwork, Next};
pub use clockwork::{TimeKind, Timer};
pub use co_process::{CoProcess, OfEither};

/// A function over the records of each key, with state and timers. Given to
/// [`KeyedStream::process`](crate::KeyedStream::process).
///
/// What it keeps in its own fields is its own, per subtask, and is lost at a failure; what must survive goes into the
/// states that it declares.
pub trait KeyedProcess<K: Key, T>: Send + 'static {
    /// What it emits.
    type Out: Data;

    /// Hears a record of the present key.
    ///
    /// # Errors
    /// What it returns fails the attempt, and so does a panic.
    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<T>,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a timer that the present key registered. It is gone, and may be registered again.
    ///
    /// # Errors
    /// As [`KeyedProcess::on_record`].
    fn on_timer<E: Emit<Self::Out>>(
        &mut self,
        timer: Timer,
        context: &mut KeyContext<'_, K>,
        out: &mut E,
    ) -> Result<()> {
        let _ = (timer, context, out);
        Ok(())
    }
}

/// The present key with its states and timers, and what is known of time.
pub struct KeyContext<'a, K: Key> {
    key: &'a K,
    hash: KeyHash,
    time: Timestamp,
    cells: &'a mut Cells,
    clockwork: &'a mut Clockwork<K>,
    clock: &'a dyn Clock,
}

impl<'a, K: Key> KeyContext<'a, K> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a K {
        self.key
    }

    /// The event time of the record, or the time of the timer, that is heard.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark: no record at or before it is still to come.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.clockwork.watermark()
    }

    /// What clocks on the wall show.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.clock.processing_time()
    }

    /// The key's value of `state`.
    pub fn value<V: Data + Serialize + DeserializeOwned>(&mut self, state: ValueState<V>) -> Value<'_, K, V> {
        Value::of(state, OfKey { cells: self.cells, hash: self.hash, key: self.key })
    }

    /// The key's map of `state`.
    pub fn map<N, V>(&mut self, state: MapState<N, V>) -> Map<'_, K, N, V>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        Map::of(state, OfKey { cells: self.cells, hash: self.hash, key: self.key })
    }

    /// Registers a timer for when the watermark reaches `time`. The same one twice is one. One that is not later than the
    /// watermark fires when the watermark rises next.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn register_event_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.register(Timer { time, kind: TimeKind::Event }, self.hash, self.key)
    }

    /// Registers a timer for when clocks on the wall show `time`. The same one twice is one. One that is in the past fires
    /// at once. The end of the input does not wait for it.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn register_processing_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.register(Timer { time, kind: TimeKind::Processing }, self.hash, self.key)
    }

    /// Deletes the event timer at `time`, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn delete_event_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.delete(Timer { time, kind: TimeKind::Event }, self.hash, self.key)
    }

    /// Deletes the processing timer at `time`, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn delete_processing_timer(&mut self, time: Timestamp) -> Result<()> {
        self.clockwork.delete(Timer { time, kind: TimeKind::Processing }, self.hash, self.key)
    }
}

/// Timers that fire in one go.
const FIRE_AT_ONCE: usize = 256;

/// Whatever the function emits; built by [`KeyedStream::process`](crate::KeyedStream::process).
pub struct Process<K: Key, T, P> {
    function: P,
    cells: Cells,
    clockwork: Clockwork<K>,
    clock: Arc<dyn Clock>,
    takes: PhantomData<fn(T)>,
}

impl<K: Key, T: Data, P: KeyedProcess<K, T>> Process<K, T, P> {
    /// Opens the operator: `open` declares the states and makes the function.
    pub(crate) fn open(
        uid: &str,
        context: &mut SubtaskContext,
        open: impl FnOnce(&mut States<'_, K>) -> Result<P>,
    ) -> Result<Self> {
        let mut cells = Cells::default();
        let function = open(&mut States::new(uid, context, &mut cells))?;
        let clockwork = Clockwork::open(uid, context)?;
        Ok(Self { function, cells, clockwork, clock: Arc::clone(&context.clock), takes: PhantomData })
    }

    /// Lets about `at_most` timers fire.
    fn fire<E: Emit<P::Out>>(&mut self, at_most: usize, out: &mut E) -> Result<()> {
        for _ in 0..at_most.max(1) {
            match self.clockwork.next()? {
                Next::Fire(timer, hash, key) => {
                    let (cells, clockwork, clock) = (&mut self.cells, &mut self.clockwork, &*self.clock);
                    let mut context = KeyContext { key: &key, hash, time: timer.time, cells, clockwork, clock };
                    self.function.on_timer(timer, &mut context, out)?;
                }
                Next::HandOn(signal) => return out.signal(signal),
                Next::Rest => return Ok(()),
            }
        }
        Ok(())
    }
}

impl<K: Key, T: Data, P: KeyedProcess<K, T>> Operator for Process<K, T, P> {
    type In = Keyed<K, T>;
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(&mut self, record: Record<Keyed<K, T>>, out: &mut E) -> Result<()> {
        let Keyed { hash, key, value } = record.value;
        let (cells, clockwork, clock) = (&mut self.cells, &mut self.clockwork, &*self.clock);
        let mut context = KeyContext { key: &key, hash, time: record.time, cells, clockwork, clock };
        self.function.on_record(Record { value, time: record.time }, &mut context, out)
    }

    fn on_signal<E: Emit<P::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        match signal {
            TimeSignal::Watermark(watermark) => {
                self.clockwork.rise(watermark);
                self.fire(FIRE_AT_ONCE, out)
            }
            TimeSignal::Idle | TimeSignal::Active => out.signal(signal),
        }
    }

    fn on_event<E: Emit<P::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        match event {
            Event::ProcessingTime(now) => {
                self.clockwork.pass(now);
                self.fire(FIRE_AT_ONCE, out)
            }
            Event::Resume { at_most } => self.fire(at_most, out),
            _ => Ok(()),
        }
    }

    fn on_control(&mut self, control: &mut Control<'_>) -> Result<()> {
        match control {
            Control::Tables(each) => {
                self.cells.visit(each)?;
                self.clockwork.visit(each)?;
            }
            Control::Due(due) => {
                **due = [**due, self.clockwork.due()].into_iter().flatten().min();
            }
            Control::Snapshot { state, .. } => self.clockwork.snapshot(state)?,
            Control::Unfinished(emission) => **emission = (**emission).max(self.clockwork.emission()),
            _ => {}
        }
        Ok(())
    }
}
