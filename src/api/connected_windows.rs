//! Two keyed streams whose records are put into windows together: what may be set about these, and what is made of them.

use millstream_actors::time::Timespan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::windowed_stream::put_windows;
use super::{ConnectedStreams, Stream};
use crate::model::{Data, Key};
use crate::operator::window::contents::{Listed, Pairs, Sides};
use crate::operator::window::evictor::Evictor;
use crate::operator::window::trigger::TriggerFor;
use crate::operator::window::{Evicting, Evicts, KeepAll, LateTo, PerKey, TimeWindow, WindowAssigner, WindowSettings};
use crate::operator::{Chain, Either, SideOutput};

/// Two streams whose records are put into windows, those of a key and a window together; what is made of them is still to be
/// said.
///
/// To assigners, triggers and evictors a record is one [`Either`] of the two. The windows are those of
/// [`WindowedStream`](crate::WindowedStream), and results carry the last timestamp of their window.
///
/// # State
/// All records of both streams, until their window is over.
///
/// # Recovery
/// A snapshot holds the open windows, the timers and the watermark. A window that fired before it does not fire again because
/// of a restore.
#[must_use = "windows do nothing before something is made of them"]
pub struct ConnectedWindows<K, L, R, A, Q, V = KeepAll> {
    streams: ConnectedStreams<K, L, R>,
    uid: String,
    settings: WindowSettings<Either<L, R>, A, Q>,
    late_left: Option<SideOutput<L>>,
    late_right: Option<SideOutput<R>>,
    evicts: V,
}

impl<K: Key, L: Data, R: Data> ConnectedStreams<K, L, R> {
    /// Puts the records of each key, of both streams, into the windows that `assigner` says.
    ///
    /// # Errors
    /// At build time, if the assigner has a mistake. At run time, if a record has no timestamp and windows are of event
    /// time.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("clicks");
    /// let shown = topology.source("shown", Script::new().record_at(7u32, 100).record_at(8u32, 200));
    /// let clicked = topology.source("clicked", Script::new().record_at(7u32, 900).record_at(8u32, 1_100));
    /// let pairs = shown
    ///     .key_by(|advert| *advert)
    ///     .connect(clicked.key_by(|advert| *advert))
    ///     .window("clicked in the same second", Tumbling::of(1.seconds()))
    ///     .join(|shown, clicked| (*shown, *clicked))
    ///     .collect("pairs");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(pairs.take(), [(7, 7)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn window<A>(self, uid: &str, assigner: A) -> ConnectedWindows<K, L, R, A, A::Trigger>
    where
        A: WindowAssigner<Either<L, R>, Trigger: TriggerFor<A::Kind, Either<L, R>>>,
    {
        let trigger = A::Trigger::default();
        let settings = WindowSettings { assigner, trigger, allowed_lateness: Timespan::ZERO, late_to: None };
        let uid = uid.to_owned();
        ConnectedWindows { streams: self, uid, settings, late_left: None, late_right: None, evicts: KeepAll }
    }
}

impl<K: Key, L: Data, R: Data, A: WindowAssigner<Either<L, R>>, Q> ConnectedWindows<K, L, R, A, Q> {
    /// Lets `evictor` take records out of windows when they fire.
    pub fn evictor<E: Evictor<Either<L, R>>>(self, evictor: E) -> ConnectedWindows<K, L, R, A, Q, Evicting<E>> {
        let Self { streams, uid, settings, late_left, late_right, evicts: KeepAll } = self;
        ConnectedWindows { streams, uid, settings, late_left, late_right, evicts: Evicting(evictor) }
    }
}

impl<K, L, R, A, Q, V> ConnectedWindows<K, L, R, A, Q, V>
where
    K: Key,
    L: Data,
    R: Data,
    A: WindowAssigner<Either<L, R>>,
    V: Evicts<Either<L, R>>,
{
    /// Sets how many subtasks the block of the windows has.
    pub fn parallelism(self, subtasks: u32) -> Self {
        Self { streams: self.streams.parallelism(subtasks), ..self }
    }

    /// Lets windows fire when `trigger` says so, instead of the default one.
    ///
    /// Windows that merge accept only triggers that can, too: see
    /// [`MergingTrigger`](crate::operator::window::trigger::MergingTrigger).
    pub fn trigger<P>(self, trigger: P) -> ConnectedWindows<K, L, R, A, P, V>
    where
        P: TriggerFor<A::Kind, Either<L, R>>,
    {
        let WindowSettings { assigner, allowed_lateness, late_to, .. } = self.settings;
        let settings = WindowSettings { assigner, trigger, allowed_lateness, late_to };
        let Self { streams, uid, late_left, late_right, evicts, .. } = self;
        ConnectedWindows { streams, uid, settings, late_left, late_right, evicts }
    }

    /// Keeps windows of event time for so much longer; records that come meanwhile fire them again, with all that they hold.
    /// 0 by default.
    ///
    /// # Errors
    /// At build time, if it is negative, or the windows are of processing time.
    pub fn allowed_lateness(mut self, lateness: Timespan) -> Self {
        self.settings.allowed_lateness = lateness;
        self
    }

    /// Sends records of the first stream that come too late for all their windows to `side`. They are counted as late in any
    /// case.
    ///
    /// # Errors
    /// At build time, if the windows are of processing time.
    pub fn late_left_to(self, side: &SideOutput<L>) -> Self {
        Self { late_left: Some(side.clone()), ..self }
    }

    /// Sends records of the second stream that come too late for all their windows to `side`. They are counted as late in
    /// any case.
    ///
    /// # Errors
    /// At build time, if the windows are of processing time.
    pub fn late_right_to(self, side: &SideOutput<R>) -> Self {
        Self { late_right: Some(side.clone()), ..self }
    }
}

impl<K, L, R, A, Q, V> ConnectedWindows<K, L, R, A, Q, V>
where
    K: Key,
    L: Data + Clone + Serialize + DeserializeOwned,
    R: Data + Clone + Serialize + DeserializeOwned,
    A: WindowAssigner<Either<L, R>>,
    Q: TriggerFor<A::Kind, Either<L, R>>,
    V: Evicts<Either<L, R>>,
{
    /// Emits what `join` makes of each pair of records of a key and a window, one of either stream.
    ///
    /// # Shape
    /// As many out per window and key as there are pairs; none if one of the streams has no record there. Pairs come in the
    /// order in which the left records came, and for one of them in that of the right ones. In windows that overlap or
    /// merge, records come in the order of the parts that were kept apart.
    ///
    /// # State
    /// All records of open windows. Pairs are not kept: if there are more than outputs have room for, the records of windows
    /// that fire wait until there is.
    pub fn join<O, F>(self, join: F) -> Stream<impl Chain<Out = O> + use<K, L, R, A, Q, V, O, F>>
    where
        O: Data,
        F: FnMut(&L, &R) -> O + Clone + Send + 'static,
    {
        let parts = (self.evicts.clone(), join);
        let Self { streams, uid, settings, .. } = self.with_late_records();
        let stream = streams.begin(&uid);
        put_windows::<_, PerKey<K>, _, _, _, _, _>(stream, "window_join", &uid, settings, parts, |(evicts, join)| {
            Listed::new(evicts, Pairs::new(join))
        })
    }

    /// Gives what `function` makes of key, window, and the records of the one stream and of the other, for each window that
    /// fires.
    ///
    /// # Shape
    /// Any number out per window and key. It is called once per firing, also if one of the streams has no record there.
    ///
    /// # State
    /// All records of open windows.
    ///
    /// # Example
    /// What was ordered and not paid in the same minute:
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("unpaid");
    /// let orders = topology.source("orders", Script::new().record_at(1u32, 100).record_at(2u32, 200));
    /// let payments = topology.source("payments", Script::new().record_at(2u32, 300));
    /// let unpaid = orders
    ///     .key_by(|order| *order)
    ///     .connect(payments.key_by(|order| *order))
    ///     .window("orders per minute", Tumbling::of(1.minutes()))
    ///     .co_group(|order, _, _orders, payments| payments.is_empty().then_some(*order))
    ///     .collect("unpaid");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(unpaid.take(), [1]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn co_group<F, I>(self, function: F) -> Stream<impl Chain<Out = I::Item> + use<K, L, R, A, Q, V, F, I>>
    where
        F: FnMut(&K, TimeWindow, &[&L], &[&R]) -> I + Clone + Send + 'static,
        I: IntoIterator<Item: Data> + 'static,
    {
        let parts = (self.evicts.clone(), function);
        let Self { streams, uid, settings, .. } = self.with_late_records();
        let stream = streams.begin(&uid);
        put_windows::<_, PerKey<K>, _, _, _, _, _>(stream, "window_co_group", &uid, settings, parts, |parts| {
            let (evicts, function) = parts;
            Listed::new(evicts, Sides::new(function))
        })
    }

    /// Lets settings know where late records go.
    fn with_late_records(mut self) -> Self {
        self.settings.late_to = LateTo::each(self.late_left.take(), self.late_right.take());
        self
    }
}
