//! Lets a user's function see the records of each key by the light of what is broadcast to all subtasks.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use millstream_actors::time::{TimeSignal, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cells::Cells;
use super::clockwork::Timer;
use super::handles::KeyedState;
use super::key_context::KeyContext;
use super::keyed_part::KeyedPart;
use super::names::Names;
use super::states::States;
use super::subtask_cells::{BroadcastState, SubtaskCells};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record};
use crate::operator::{Either, Emit, Event, Operator, PartVisitor, SubtaskContext};
use crate::state::EntryName;

/// A function over the records of each key, and over records that every subtask hears. Given to
/// [`KeyedBroadcast::process`](crate::KeyedBroadcast::process).
///
/// A record of a key changes the states of its key, and reads the broadcast maps. A broadcast record changes the broadcast
/// maps. So these are the same on all subtasks, if what [`on_broadcast`](Self::on_broadcast) does to them follows from what
/// it hears alone. If the broadcast stream has several senders, their records may come in another order on each subtask.
pub trait KeyedBroadcastProcess<K: Key, T, B>: Send + 'static {
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

    /// Hears a record that every subtask hears.
    ///
    /// # Errors
    /// As [`KeyedBroadcastProcess::on_record`].
    fn on_broadcast<E: Emit<Self::Out>>(
        &mut self,
        record: Record<B>,
        context: &mut KeyedBroadcastContext<'_, K>,
        out: &mut E,
    ) -> Result<()>;

    /// Hears a timer that the present key registered.
    ///
    /// # Errors
    /// As [`KeyedBroadcastProcess::on_record`].
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

/// Declares the states of a function that hears broadcast records, when a subtask opens.
pub struct BroadcastStates<'a, K> {
    names: &'a mut Names,
    context: &'a mut SubtaskContext,
    cells: &'a mut Cells,
    shared: &'a mut SubtaskCells,
    keys: PhantomData<fn(K)>,
}

impl<K: Key> BroadcastStates<'_, K> {
    /// Declares states of which each key has its own part.
    pub fn keyed(&mut self) -> States<'_, K> {
        States::new(self.names, self.context, self.cells)
    }

    /// A map that is the same on all subtasks; see [`OperatorStates::broadcast`](super::OperatorStates::broadcast).
    ///
    /// # Errors
    /// As [`States`], and [`OperatorStates`](super::OperatorStates).
    pub fn broadcast<N, V>(&mut self, name: &str) -> Result<BroadcastState<N, V>>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        self.names.claim(name)?;
        Ok(BroadcastState(self.shared.add_map(name)?))
    }
}

/// The broadcast maps, the states of all keys, and what is known of time.
pub struct KeyedBroadcastContext<'a, K: Key> {
    part: &'a mut KeyedPart<K>,
    time: Timestamp,
}

impl<K: Key> KeyedBroadcastContext<'_, K> {
    /// The event time of the record.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The watermark: no record at or before it is still to come. [`Timestamp::MIN`] as long as there is none.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.part.clockwork.watermark()
    }

    /// What clocks on the wall show. Two subtasks may see different times.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.part.watch.now()
    }

    /// The broadcast map of `state`, to be changed.
    pub fn broadcast<N: EntryName, V: Data>(&mut self, state: BroadcastState<N, V>) -> &mut BTreeMap<N, V> {
        self.part.shared.map_mut(state.0)
    }

    /// Shows what each key of this subtask has of `state` to `each`, in an order that depends on the keys alone. Keys all
    /// of whose time-to-live is over may be among them, and have nothing.
    ///
    /// It is a scan: it finds the keys of all rows, those on disk too, before it shows the first, and works until it has
    /// shown the last. So it is for what happens rarely, such as a rule that is taken back.
    ///
    /// # Errors
    /// If the state cannot be read, and those of `each`.
    pub fn for_each_key<S: KeyedState<K>>(
        &mut self,
        state: S,
        each: impl FnMut(&K, S::Of<'_>) -> Result<()>,
    ) -> Result<()> {
        self.part.for_each_key(state, each)
    }
}

/// Whatever the function emits; built by [`KeyedBroadcast::process`](crate::KeyedBroadcast::process).
pub struct ProcessKeyedBroadcast<K: Key, T, B, P> {
    function: P,
    part: KeyedPart<K>,
    takes: PhantomData<fn(T, B)>,
}

impl<K: Key, T: Data, B: Data, P: KeyedBroadcastProcess<K, T, B>> ProcessKeyedBroadcast<K, T, B, P> {
    /// Opens the operator: `open` declares the states and makes the function.
    pub(crate) fn open(
        uid: &str,
        context: &mut SubtaskContext,
        open: impl FnOnce(&mut BroadcastStates<'_, K>) -> Result<P>,
    ) -> Result<Self> {
        let (part, function) = KeyedPart::open(uid, context, |names, context, cells, shared| {
            open(&mut BroadcastStates { names, context, cells, shared, keys: PhantomData })
        })?;
        Ok(Self { function, part, takes: PhantomData })
    }
}

impl<K: Key, T: Data, B: Data, P: KeyedBroadcastProcess<K, T, B>> Operator for ProcessKeyedBroadcast<K, T, B, P> {
    type In = Either<Keyed<K, T>, B>;
    type Out = P::Out;

    #[inline]
    fn on_record<E: Emit<P::Out>>(&mut self, record: Record<Self::In>, out: &mut E) -> Result<()> {
        self.part.watch.next();
        let time = record.time;
        match record.value {
            Either::Left(Keyed { hash, key, value }) => {
                self.function.on_record(Record { value, time }, &mut self.part.of_key(hash, &key, time), out)
            }
            Either::Right(value) => {
                let mut context = KeyedBroadcastContext { part: &mut self.part, time };
                self.function.on_broadcast(Record { value, time }, &mut context, out)
            }
        }
    }

    #[inline]
    fn look_ahead(&mut self, upcoming: &[Self::In]) {
        self.part.watch.look_ahead(upcoming.len());
    }

    fn on_signal<E: Emit<P::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        let function = &mut self.function;
        self.part.on_signal(signal, out, |timer, context, out| function.on_timer(timer, context, out))
    }

    fn on_event<E: Emit<P::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        let function = &mut self.function;
        self.part.on_event(event, out, |timer, context, out| function.on_timer(timer, context, out))
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.part.parts(visitor);
    }
}
