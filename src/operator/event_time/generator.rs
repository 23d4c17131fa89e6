//! Makes watermarks from the records of one split: the trait, and the generators that are given.

use std::marker::PhantomData;

use millstream_actors::time::{Timespan, TimespanUnits, Timestamp};

/// Makes the watermarks of one split, or of all input of a subtask that reads no splits.
///
/// What it says is taken as a bound, so it may say a watermark again, or a lower one: only what rises is sent.
///
/// # Recovery
/// A generator is in no snapshot. After a restart, new ones begin with the records that follow, and say nothing before.
///
/// # Example
/// ```
/// use millstream::prelude::*;
/// use millstream::operator::event_time::WatermarkGenerator;
///
/// /// Allows for records that are late by a tenth of the time that has passed since the first one.
/// #[derive(Default)]
/// struct Tenth {
///     seen: Option<(i64, i64)>,
/// }
///
/// impl<T> WatermarkGenerator<T> for Tenth {
///     fn on_record(&mut self, _record: &T, time: Timestamp) -> Option<Timestamp> {
///         let time = time.as_millis();
///         let (first, last) = self.seen.get_or_insert((time, time));
///         *last = time.max(*last);
///         *first = time.min(*first);
///         None
///     }
///
///     fn on_periodic(&mut self) -> Option<Timestamp> {
///         self.seen.map(|(first, last)| Timestamp::from_millis(last - (last - first) / 10 - 1))
///     }
/// }
///
/// let topology = Topology::new("doc");
/// let readings = topology
///     .source("readings", Collection::of([1_000i64, 2_000, 1_950]))
///     .event_time(Watermarks::custom(Tenth::default), |millis| *millis)
///     .collect("results");
/// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
/// # assert_eq!(readings.take(), [1_000, 2_000, 1_950]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub trait WatermarkGenerator<T>: Send + 'static {
    /// Hears of a record with a time. What it gives is said behind the record.
    fn on_record(&mut self, record: &T, time: Timestamp) -> Option<Timestamp>;

    /// Gives the watermark as of now, if there is any; asked once per period, see [`Watermarks::every`].
    ///
    /// [`Watermarks::every`]: super::Watermarks::every
    fn on_periodic(&mut self) -> Option<Timestamp>;
}

/// Makes generators: one for each split.
pub trait MakeGenerator<T>: Clone + Send + 'static {
    /// What it makes.
    type Generator: WatermarkGenerator<T>;

    /// Whether generators are asked once per period even if no record came since they were asked last.
    const ASKED_WITHOUT_RECORDS: bool = true;

    /// A generator that has seen nothing.
    fn generator(&self) -> Self::Generator;
}

/// Generators for records that are out of order by a bounded time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundedOutOfOrder(pub(super) Timespan);

/// Says that nothing is still to come at or before the highest time seen, less a bound and a millisecond.
#[derive(Debug, Clone)]
pub struct HighestSeen {
    bound: Timespan,
    highest: Timestamp,
}

impl<T> MakeGenerator<T> for BoundedOutOfOrder {
    type Generator = HighestSeen;

    const ASKED_WITHOUT_RECORDS: bool = false;

    fn generator(&self) -> HighestSeen {
        HighestSeen { bound: self.0, highest: Timestamp::NONE }
    }
}

impl<T> WatermarkGenerator<T> for HighestSeen {
    #[inline(always)]
    fn on_record(&mut self, _record: &T, time: Timestamp) -> Option<Timestamp> {
        self.highest = self.highest.max(time);
        None
    }

    fn on_periodic(&mut self) -> Option<Timestamp> {
        // Another record at the highest time less the bound may still come: the watermark is one below it.
        self.highest.is_some().then(|| self.highest - self.bound - 1.millis())
    }
}

/// Generators that ask a function at each record.
pub struct Punctuated<T, F> {
    pub(super) function: F,
    pub(super) takes: PhantomData<fn(&T)>,
}

impl<T, F: Clone> Clone for Punctuated<T, F> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), takes: PhantomData }
    }
}

impl<T, F> MakeGenerator<T> for Punctuated<T, F>
where
    T: 'static,
    F: FnMut(&T, Timestamp) -> Option<Timestamp> + Clone + Send + 'static,
{
    type Generator = Self;

    const ASKED_WITHOUT_RECORDS: bool = false;

    fn generator(&self) -> Self {
        self.clone()
    }
}

impl<T, F> WatermarkGenerator<T> for Punctuated<T, F>
where
    T: 'static,
    F: FnMut(&T, Timestamp) -> Option<Timestamp> + Send + 'static,
{
    #[inline]
    fn on_record(&mut self, record: &T, time: Timestamp) -> Option<Timestamp> {
        (self.function)(record, time)
    }

    fn on_periodic(&mut self) -> Option<Timestamp> {
        None
    }
}

/// Generators that a function makes.
#[derive(Debug, Clone)]
pub struct Custom<F>(pub(super) F);

impl<T, G, F> MakeGenerator<T> for Custom<F>
where
    G: WatermarkGenerator<T>,
    F: Fn() -> G + Clone + Send + 'static,
{
    type Generator = G;

    fn generator(&self) -> G {
        (self.0)()
    }
}
