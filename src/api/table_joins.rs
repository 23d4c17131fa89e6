//! Joins of a keyed stream with a table that changes: with the version of its time, or with the row as it is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stream::Prototype;
use super::{ConnectedStreams, KeyedStream, Stream};
use crate::model::{Data, Key};
use crate::operator::{Chain, Change, LookupJoin, OfEither, Process, SideOutput, TemporalJoin};

impl<K: Key, L: Data> KeyedStream<K, L> {
    /// Joins each record with the version of the row of `table` that was in force at the record's event time.
    ///
    /// `table` is a stream of which each record is, by `change_of`, a change of the row of its key. It is in force from its
    /// event time on, until that of the next change of the key. A record waits until the watermark of both streams has reached its time: then all changes that it must know are there,
    /// and it does not matter in which order they and the record came.
    ///
    /// # Shape
    /// At most one out per record, at the time of the record. Those of a key come in the order of time; of one time, in that
    /// in which they came.
    ///
    /// # State
    /// Per key: the records that wait; the version in force at the watermark, unless that is a deletion; and all newer ones.
    /// The row of a key that is never deleted is kept until the job ends.
    ///
    /// # Errors
    /// At run time, if a record or a change has no event time.
    ///
    /// # Recovery
    /// A snapshot holds the records that wait, the versions and the watermark. A record is answered once, and one that was
    /// late is late again.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("conversion");
    /// let rates = Script::new().record_at(('¥', 160), 0).record_at(('¥', 150), 1_000); // (currency, rate)
    /// let rates = topology.source("rates", rates).key_by(|(currency, _)| *currency);
    /// let orders = topology.source("orders", Script::new().record_at(('¥', 3), 999).record_at(('¥', 3), 1_000));
    /// let amounts = orders
    ///     .key_by(|(currency, _)| *currency)
    ///     .temporal_join("in yen", rates, |(_, rate)| Change::Upsert(rate))
    ///     .apply(|(_, euros), rate| euros * rate)
    ///     .collect("amounts");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(amounts.take(), [480, 450]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn temporal_join<T, V, C>(self, uid: &str, table: KeyedStream<K, T>, change_of: C) -> TemporalJoined<K, L, T, C>
    where
        T: Data,
        C: FnMut(T) -> Change<V> + Clone + Send + 'static,
    {
        let (streams, uid) = (self.connect(table), uid.to_owned());
        TemporalJoined { streams, uid, change_of, late_records: None, late_changes: None }
    }

    /// Joins each record with the row of `table` as it is when the record comes, at once.
    ///
    /// No time but the present plays a part: a change that comes later than the record changes nothing about it, and which of
    /// the two comes first is left open. Where that matters, use [`temporal_join`](Self::temporal_join).
    ///
    /// # Shape
    /// At most one out per record, at the time of the record if it has one. Order is kept.
    ///
    /// # State
    /// One row per key, until it is deleted.
    ///
    /// # Recovery
    /// A snapshot holds the rows. Records behind it are answered again, maybe from other rows than before: sinks with
    /// transactions make one of the answers visible.
    pub fn lookup_join<T, V, C>(self, uid: &str, table: KeyedStream<K, T>, change_of: C) -> LookedUp<K, L, T, C>
    where
        T: Data,
        C: FnMut(T) -> Change<V> + Clone + Send + 'static,
    {
        LookedUp { streams: self.connect(table), uid: uid.to_owned(), change_of }
    }
}

/// A join with the versions of a table that still lacks its function.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct TemporalJoined<K, L, T, C> {
    streams: ConnectedStreams<K, L, T>,
    uid: String,
    change_of: C,
    late_records: Option<SideOutput<L>>,
    late_changes: Option<SideOutput<T>>,
}

impl<K, L, T, V, C> TemporalJoined<K, L, T, C>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    T: Data + Clone,
    V: Data + Serialize + DeserializeOwned,
    C: FnMut(T) -> Change<V> + Clone + Send + 'static,
{
    /// Sets how many subtasks the block of the join has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { streams: self.streams.parallelism(subtasks), ..self }
    }

    /// Puts records that come at or behind the watermark into `side`: they are not joined. They are counted as late in any
    /// case.
    pub fn late_to(self, side: &SideOutput<L>) -> Self {
        Self { late_records: Some(side.clone()), ..self }
    }

    /// Puts changes that come at or behind the watermark into `side`. They are counted as late in any case, and count for
    /// records that are still to come unless a newer one is in force.
    pub fn late_changes_to(self, side: &SideOutput<T>) -> Self {
        Self { late_changes: Some(side.clone()), ..self }
    }

    /// Emits what `join` makes of each record and its version. A record without one gives nothing.
    pub fn apply<O, F>(self, mut join: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, &V) -> O + Clone + Send + 'static,
    {
        self.answer(move |record, version: Option<&V>| version.map(|version| join(record, version)))
    }

    /// Emits what `join` makes of each record and its version, if there is one.
    pub fn apply_outer<O, F>(self, mut join: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, Option<&V>) -> O + Clone + Send + 'static,
    {
        self.answer(move |record, version: Option<&V>| Some(join(record, version)))
    }

    fn answer<O, F>(self, answer: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, Option<&V>) -> Option<O> + Clone + Send + 'static,
    {
        let Self { streams, uid, change_of, late_records, late_changes } = self;
        let mut stream = streams.begin(&uid);
        if let Some(side) = &late_records {
            stream = stream.fills(side);
        }
        if let Some(side) = &late_changes {
            stream = stream.fills(side);
        }
        let (functions, name) = (Prototype::new((change_of, answer)), uid.clone());
        stream.then("temporal_join", Some(&uid), move |context| {
            Process::open(&name, context, |states| {
                let late = (
                    late_records.as_ref().map(|side| states.side(side)),
                    late_changes.as_ref().map(|side| states.side(side)),
                );
                Ok(OfEither::new(TemporalJoin::open(&name, functions.instance(), late, states)?))
            })
        })
    }
}

/// A join with the rows of a table that still lacks its function.
#[must_use = "a stream does nothing before it ends in a sink"]
pub struct LookedUp<K, L, T, C> {
    streams: ConnectedStreams<K, L, T>,
    uid: String,
    change_of: C,
}

impl<K, L, T, V, C> LookedUp<K, L, T, C>
where
    K: Key,
    L: Data,
    T: Data,
    V: Data + Serialize + DeserializeOwned,
    C: FnMut(T) -> Change<V> + Clone + Send + 'static,
{
    /// Sets how many subtasks the block of the join has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { streams: self.streams.parallelism(subtasks), ..self }
    }

    /// Emits what `join` makes of each record and its row. A record without one gives nothing.
    pub fn apply<O, F>(self, mut join: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, &V) -> O + Clone + Send + 'static,
    {
        self.answer(move |record, row: Option<&V>| row.map(|row| join(record, row)))
    }

    /// Emits what `join` makes of each record and its row, if there is one.
    pub fn apply_outer<O, F>(self, mut join: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, Option<&V>) -> O + Clone + Send + 'static,
    {
        self.answer(move |record, row: Option<&V>| Some(join(record, row)))
    }

    fn answer<O, F>(self, answer: F) -> Stream<impl Chain<Out = O> + use<K, L, T, V, C, O, F>>
    where
        O: Data,
        F: FnMut(L, Option<&V>) -> Option<O> + Clone + Send + 'static,
    {
        let Self { streams, uid, change_of } = self;
        let (functions, name) = (Prototype::new((change_of, answer)), uid.clone());
        streams.begin(&uid).then("lookup_join", Some(&uid), move |context| {
            Process::open(&name, context, |states| {
                Ok(OfEither::new(LookupJoin::open::<K>(functions.instance(), states)?))
            })
        })
    }
}
