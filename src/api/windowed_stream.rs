//! A stream whose records are put into windows: how windows begin, and what may be set about them.

use std::sync::Arc;

use millstream_actors::time::Timespan;

use super::stream::Prototype;
use super::{KeyedStream, Stream};
use crate::model::{Data, Key, Keyed};
use crate::operator::aggregate::Aggregate;
use crate::operator::window::contents::Contents;
use crate::operator::window::evictor::{self, Evictor};
use crate::operator::window::trigger::{self, Purging, TriggerFor};
use crate::operator::window::{
    Evicting, Evicts, Global, KeepAll, Keying, LateTo, LocalAggregate, PerKey, Unkeyed, WindowAssigner, WindowChain,
    WindowError, WindowOperator, WindowSettings,
};
use crate::operator::{BatchHead, Chain, SideOutput, SubtaskContext, Then};
use crate::plan::PlanError;
use crate::runtime::BeforeExchange;

/// A stream whose records are put into windows, of each key or of all records; what is made of them is still to be said.
///
/// Results carry the last timestamp of their window, so they are never late further down. Those of windows per key
/// come as pairs with the key.
///
/// # State
/// What is kept of a window lies under the operator's uid, until the window is over: when its time has come to its end,
/// in event time with the allowed lateness added.
///
/// # Recovery
/// A snapshot holds the open windows, the timers and the watermark. Windows that fired before it do not fire again because
/// of a restore, and a record that was late is late again.
#[must_use = "windows do nothing before something is made of them"]
pub struct WindowedStream<Z: Keying, T, A, R, V = KeepAll> {
    stream: Stream<BatchHead<Keyed<Z::Key, T>>>,
    before: BeforeExchange<Keyed<Z::Key, T>>,
    /// The verb that the user wrote.
    kind: &'static str,
    uid: String,
    settings: WindowSettings<T, A, R>,
    /// Whether to aggregate before the exchange, if the user has said.
    local: Option<bool>,
    pub(super) evicts: V,
    mistake: Option<WindowError>,
}

impl<K: Key, T: Data> KeyedStream<K, T> {
    /// Puts the records of each key into the windows that `assigner` says.
    ///
    /// # Shape
    /// [`Tumbling`](crate::operator::window::Tumbling), [`Sliding`](crate::operator::window::Sliding),
    /// [`Session`](crate::operator::window::Session), [`Global`], or your own [`WindowAssigner`].
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
    /// let rides = Script::new().record_at((7, 10), 5_000).record_at((7, 20), 50_000).record_at((7, 5), 61_000);
    /// let topology = Topology::new("fares");
    /// let fares = topology
    ///     .source("rides", rides)
    ///     .key_by(|(taxi, _)| *taxi)
    ///     .window("fares per minute", Tumbling::of(1.minutes()))
    ///     .aggregate(Sum::of(|(_, fare): &(u32, u64)| *fare))
    ///     .collect("fares");
    /// topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// assert_eq!(fares.take(), [(7, 30), (7, 5)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// # Source
    /// Akidau et al., "The Dataflow Model", PVLDB 8(12), 2015.
    pub fn window<A>(self, uid: &str, assigner: A) -> WindowedStream<PerKey<K>, T, A, A::Trigger>
    where
        A: WindowAssigner<T, Trigger: TriggerFor<A::Kind, T>>,
    {
        let before = self.before.clone();
        WindowedStream::new(self.begin(uid), before, "window", uid, assigner, A::Trigger::default())
    }

    /// Puts each `records` records of a key into a window of their own, in the order in which they come.
    ///
    /// # Shape
    /// As [`Global`] with `Purging::of(trigger::Count::of(records))`. A window that is not full at the end of the input
    /// gives nothing. Results have the last timestamp there is.
    ///
    /// # Errors
    /// At build time, if `records` is 0.
    pub fn count_window(
        self,
        uid: &str,
        records: u64,
    ) -> WindowedStream<PerKey<K>, T, Global, Purging<trigger::Count>> {
        let trigger = Purging::of(trigger::Count::of(records));
        let before = self.before.clone();
        WindowedStream::new(self.begin(uid), before, "count_window", uid, Global, trigger)
            .unless(records == 0, WindowError::CountNotPositive)
    }

    /// Looks at the last `records` records of a key, with every `every`-th of them.
    ///
    /// # Shape
    /// As [`Global`] with `trigger::Count::of(every)` and `evictor::Count::of(records)`. The first windows have fewer
    /// records. Results have the last timestamp there is.
    ///
    /// # State
    /// The last records of each key, one by one.
    ///
    /// # Errors
    /// At build time, if `records` or `every` is 0.
    pub fn count_window_sliding(
        self,
        uid: &str,
        records: u64,
        every: u64,
    ) -> WindowedStream<PerKey<K>, T, Global, trigger::Count, Evicting<evictor::Count>> {
        let keep = usize::try_from(records).unwrap_or(usize::MAX);
        let before = self.before.clone();
        WindowedStream::new(self.begin(uid), before, "count_window", uid, Global, trigger::Count::of(every))
            .unless(records == 0 || every == 0, WindowError::CountNotPositive)
            .evictor(evictor::Count::of(keep))
    }
}

impl<C: Chain> Stream<C> {
    /// Puts all records together into the windows that `assigner` says, whatever their keys.
    ///
    /// All records meet in one subtask, so this does not scale: where records have keys, use
    /// [`key_by`](Stream::key_by) and [`window`](KeyedStream::window).
    ///
    /// # Errors
    /// As [`KeyedStream::window`]; and at build time, if another parallelism than 1 is set behind it.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Script;
    ///
    /// let topology = Topology::new("visitors");
    /// let counts = topology
    ///     .source("visitors", Script::new().record_at("ann", 1_000).record_at("bob", 59_000).record_at("ann", 60_000))
    ///     .window_all("visitors per minute", Tumbling::of(1.minutes()))
    ///     .aggregate(Count)
    ///     .collect("counts");
    /// topology.start(JobOptions::new().parallelism(2))?.wait()?;
    /// assert_eq!(counts.take(), [2, 1]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn window_all<A>(self, uid: &str, assigner: A) -> WindowedStream<Unkeyed, C::Out, A, A::Trigger>
    where
        A: WindowAssigner<C::Out, Trigger: TriggerFor<A::Kind, C::Out>>,
    {
        let (stream, before) = self.together();
        {
            let mut draft = stream.topology.draft();
            draft.meets_in(stream.block, uid);
            draft.keeps_state(stream.block, uid);
        }
        WindowedStream::new(stream, before, "window_all", uid, assigner, A::Trigger::default())
    }
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, R> WindowedStream<Z, T, A, R> {
    fn new(
        stream: Stream<BatchHead<Keyed<Z::Key, T>>>,
        before: BeforeExchange<Keyed<Z::Key, T>>,
        kind: &'static str,
        uid: &str,
        assigner: A,
        trigger: R,
    ) -> Self {
        let settings = WindowSettings { assigner, trigger, allowed_lateness: Timespan::ZERO, late_to: None };
        Self { stream, before, kind, uid: uid.to_owned(), settings, local: None, evicts: KeepAll, mistake: None }
    }

    fn unless(self, is_wrong: bool, mistake: WindowError) -> Self {
        Self { mistake: is_wrong.then_some(mistake), ..self }
    }

    /// Lets `evictor` take records out of windows when they fire.
    ///
    /// # State
    /// Each window keeps its records one by one, also if they are aggregated.
    pub fn evictor<E: Evictor<T>>(self, evictor: E) -> WindowedStream<Z, T, A, R, Evicting<E>> {
        let Self { stream, before, kind, uid, settings, local, evicts: KeepAll, mistake } = self;
        WindowedStream { stream, before, kind, uid, settings, local, evicts: Evicting(evictor), mistake }
    }
}

impl<Z: Keying, T: Data, A: WindowAssigner<T>, R, V: Evicts<T>> WindowedStream<Z, T, A, R, V> {
    /// Lets windows fire when `trigger` says so, instead of the default one.
    ///
    /// Windows that merge accept only triggers that can, too: see
    /// [`MergingTrigger`](crate::operator::window::trigger::MergingTrigger).
    pub fn trigger<Q: TriggerFor<A::Kind, T>>(self, trigger: Q) -> WindowedStream<Z, T, A, Q, V> {
        let WindowSettings { assigner, allowed_lateness, late_to, .. } = self.settings;
        let settings = WindowSettings { assigner, trigger, allowed_lateness, late_to };
        let Self { stream, before, kind, uid, local, evicts, mistake, .. } = self;
        WindowedStream { stream, before, kind, uid, settings, local, evicts, mistake }
    }

    /// Keeps windows of event time for so much longer; records that come meanwhile fire them again. 0 by default.
    ///
    /// # Errors
    /// At build time, if it is negative, or the windows are of processing time.
    pub fn allowed_lateness(mut self, lateness: Timespan) -> Self {
        self.settings.allowed_lateness = lateness;
        self
    }

    /// Aggregates in each subtask what it has of a key before the records of the key meet, so that less travels; or does not.
    ///
    /// Results are the same, and so is recovery: nothing is held back when a snapshot is taken. By default it is done where
    /// the aggregate says that it is worth while ([`Aggregate::LOCAL`](crate::operator::aggregate::Aggregate::LOCAL):
    /// counts, exact sums and averages, minima and maxima, and tuples of them), the windows are of event time, do not merge
    /// and fire at their end, and late records are not sent elsewhere. Say `true` for aggregates and reductions of your own
    /// whose accumulators are small. Where nearly all records of a window have different keys, it turns itself off.
    ///
    /// # Errors
    /// At build time, if the windows are not of this kind, or what is made of them is no aggregate.
    pub fn local_aggregation(mut self, is_wanted: bool) -> Self {
        self.local = Some(is_wanted);
        self
    }

    /// Sends records that come too late for all their windows to `side`. They are counted as late in any case.
    ///
    /// # Errors
    /// At build time, if the windows are of processing time.
    pub fn late_to(mut self, side: &SideOutput<T>) -> Self {
        self.settings.late_to = Some(LateTo::one(side));
        self
    }
}

/// The operator of windows behind a chain.
pub(super) type Behind<H, Z, T, A, R, C> = Then<H, WindowOperator<Z, T, A, R, C>>;

/// The operator of windows behind one stream.
pub(super) type Windows<Z, T, A, R, C> = Behind<BatchHead<Keyed<<Z as Keying>::Key, T>>, Z, T, A, R, C>;

impl<Z, T, A, R, V> WindowedStream<Z, T, A, R, V>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    V: Evicts<T>,
{
    /// Notes down that a function cannot be used with these windows.
    pub(super) fn refuse(mut self, is_wrong: bool, mistake: WindowError) -> Self {
        self.mistake = self.mistake.or(is_wrong.then_some(mistake));
        self
    }

    /// Puts the operator behind the stream. Each instance keeps what `contents` makes of a clone of `parts`.
    pub(super) fn then<P, C>(self, parts: P, contents: fn(P) -> C) -> Stream<Windows<Z, T, A, R, C>>
    where
        P: Clone + Send + 'static,
        C: Contents<Z, T>,
    {
        let this = if self.local == Some(true) { self.refuse(true, WindowError::NotLocal) } else { self };
        let Self { stream, kind, uid, settings, mistake, .. } = this;
        note_mistake(&stream, &uid, mistake);
        put_windows(stream, kind, &uid, settings, parts, contents)
    }

    /// As [`Self::then`], with contents that are those of `aggregate`, and may be aggregated before the exchange.
    pub(super) fn then_aggregating<G, P, C>(
        self,
        aggregate: G,
        parts: P,
        contents: fn(P) -> C,
    ) -> Stream<WindowChain<Z, T, A, R, C>>
    where
        G: Aggregate<T>,
        P: Clone + Send + 'static,
        C: Contents<Z, T, Held = G::Accumulator>,
    {
        let Self { stream, before, kind, uid, settings, local, mistake, .. } = self;
        let local_rule = settings.local_rule();
        let cannot = (local == Some(true) && local_rule.is_none()).then_some(WindowError::NotLocal);
        note_mistake(&stream, &uid, mistake.or(cannot));
        note_settings(&stream, &uid, &settings);
        if let Some(rule) = local_rule.filter(|_| local.unwrap_or(G::LOCAL)) {
            let (prototype, name) = (Prototype::new((settings.assigner.clone(), aggregate)), uid.clone());
            before.aggregate(move || {
                let (assigner, aggregate) = prototype.instance();
                LocalAggregate::new(&name, assigner, rule, aggregate)
            });
        }
        stream.topology.draft().add(stream.block, kind, Some(&uid));
        let prototype = Prototype::new((settings, parts));
        let open = move |context: &mut SubtaskContext| {
            let (settings, parts) = prototype.instance();
            context.uid = uid.as_str().into();
            Ok(WindowChain::new(WindowOperator::open(&uid, settings, contents(parts), context)?))
        };
        Stream { topology: stream.topology, block: stream.block, open: Arc::new(open) }
    }
}

fn note_mistake<C>(stream: &Stream<C>, uid: &str, mistake: Option<WindowError>) {
    if let Some(mistake) = mistake {
        stream.topology.draft().mistake(PlanError::Window { uid: uid.to_owned(), mistake });
    }
}

/// Tells the plan what the settings of windows mean for it.
fn note_settings<C, T: Data, A: WindowAssigner<T>, R>(
    stream: &Stream<C>,
    uid: &str,
    settings: &WindowSettings<T, A, R>,
) {
    let mut draft = stream.topology.draft();
    let sides = settings.late_to.iter().flat_map(LateTo::sides);
    sides.for_each(|side| draft.fills(stream.block, *side));
    if let Err(mistake) = settings.check() {
        draft.mistake(PlanError::Window { uid: uid.to_owned(), mistake });
    }
}

/// Puts the operator of windows behind a stream. Each instance keeps what `contents` makes of a clone of `parts`.
pub(super) fn put_windows<H, Z, T, A, R, P, C>(
    stream: Stream<H>,
    kind: &'static str,
    uid: &str,
    settings: WindowSettings<T, A, R>,
    parts: P,
    contents: fn(P) -> C,
) -> Stream<Behind<H, Z, T, A, R, C>>
where
    H: Chain<Out = Keyed<Z::Key, T>>,
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    P: Clone + Send + 'static,
    C: Contents<Z, T>,
{
    note_settings(&stream, uid, &settings);
    let (prototype, name) = (Prototype::new((settings, parts)), uid.to_owned());
    stream.then(kind, Some(uid), move |context| {
        let (settings, parts) = prototype.instance();
        WindowOperator::open(&name, settings, contents(parts), context)
    })
}
