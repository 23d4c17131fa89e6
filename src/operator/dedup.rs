//! Lets the first record of each key through and holds back its repeats.

use millstream_actors::time::{Timespan, Timestamp};

use super::{Emit, KeyContext, KeyedProcess, States, Timer, ValueState};
use crate::error::{Error, Result};
use crate::metrics::{Counter, FILTERED};
use crate::model::{Data, Key, Record};

/// Drops records whose key was let through less than `retain` ago, in event time; built by
/// [`KeyedStream::dedup`](crate::KeyedStream::dedup).
pub struct Dedup {
    uid: String,
    retain: Timespan,
    closed_until: ValueState<Timestamp>,
    filtered: Counter,
}

impl Dedup {
    pub(crate) fn open<K: Key>(uid: &str, retain: Timespan, states: &mut States<'_, K>) -> Result<Self> {
        let filtered = states.subtask().counter(FILTERED);
        Ok(Self { uid: uid.to_owned(), retain, closed_until: states.value("closed until")?, filtered })
    }
}

impl<K: Key, T: Data> KeyedProcess<K, T> for Dedup {
    type Out = T;

    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, context: &mut KeyContext<'_, K>, out: &mut E) -> Result<()> {
        if !record.time.is_some() {
            return Err(Error::user(&self.uid, "a record has no event time: call `event_time` before `dedup`"));
        }
        if context.value(self.closed_until).get()?.is_some_and(|until| record.time < *until) {
            self.filtered.add(1);
            return Ok(());
        }
        let until = record.time + self.retain;
        context.value(self.closed_until).set(until)?;
        // The timer, not the next record, opens the gate: a silent key must not keep state for ever.
        context.register_event_timer(until)?;
        out.emit(record)
    }

    fn on_timer<E: Emit<T>>(&mut self, timer: Timer, context: &mut KeyContext<'_, K>, _out: &mut E) -> Result<()> {
        if context.value(self.closed_until).get()? == Some(&timer.time) {
            context.value(self.closed_until).take()?;
        }
        Ok(())
    }
}
