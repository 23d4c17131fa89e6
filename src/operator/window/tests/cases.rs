//! Cases for the operator of windows: sums of numbers per key, driven in every mode.

use std::fmt::Debug;

use millstream_actors::time::{Timespan, TimespanUnits};

use crate::metrics::LATE;
use crate::model::{Data, Record};
use crate::operator::aggregate::Sum;
use crate::operator::window::contents::{Accumulated, AggregatedLater, Call, Contents, Listed, Pair};
use crate::operator::window::evictor::Evictor;
use crate::operator::window::trigger::TriggerFor;
use crate::operator::window::{Evicting, LateTo, PerKey, TimeWindow, WindowAssigner, WindowOperator, WindowSettings};
use crate::operator::{SideOutput, SubtaskContext};
use crate::testing::harness::{Element, OperatorHarness, rec, rec_at};

/// A number of a key at a time, or a sum of a key as the result of a window.
pub(super) fn e(key: &str, value: i64, millis: i64) -> Element<(String, i64)> {
    rec_at((key.to_owned(), value), millis)
}

/// The number 1 of a key, without timestamp.
pub(super) fn one(key: &str) -> Element<(String, i64)> {
    rec((key.to_owned(), 1))
}

/// The sum of a key in the window from `start` to `end`.
pub(super) fn spanned(key: &str, sum: i64, start: i64, end: i64) -> Element<(String, i64, i64)> {
    rec_at((key.to_owned(), sum, start), if end == i64::MAX { end } else { end - 1 })
}

/// A case that has not run yet.
pub(super) type Case<T> = OperatorHarness<(String, i64), T>;

/// What windows are set to.
#[derive(Clone)]
pub(super) struct Windows<A, R> {
    assigner: A,
    trigger: R,
    lateness: Timespan,
    pub(super) late: SideOutput<i64>,
}

impl<A: WindowAssigner<i64>, R: TriggerFor<A::Kind, i64>> Windows<A, R> {
    pub(super) fn new(assigner: A, trigger: R) -> Self {
        Self { assigner, trigger, lateness: 0.millis(), late: SideOutput::new("late") }
    }

    pub(super) fn lateness(self, lateness: Timespan) -> Self {
        Self { lateness, ..self }
    }

    fn settings(&self) -> WindowSettings<i64, A, R> {
        WindowSettings {
            assigner: self.assigner.clone(),
            trigger: self.trigger.clone(),
            allowed_lateness: self.lateness,
            late_to: Some(LateTo::one(&self.late)),
        }
    }

    /// A case over windows that keep what `contents` makes.
    pub(super) fn keeping<C, F>(&self, contents: F) -> Case<C::Out>
    where
        C: Contents<PerKey<String>, i64>,
        C::Out: Data + PartialEq + Debug,
        F: Fn() -> C + 'static,
    {
        let settings = self.settings();
        let open = move |context: &mut SubtaskContext| {
            WindowOperator::<PerKey<String>, i64, A, R, C>::open("windows", settings.clone(), contents(), context)
        };
        OperatorHarness::keyed(open).in_any_order()
    }

    /// A case over windows that sum.
    pub(super) fn summing(&self) -> Case<(String, i64)> {
        self.keeping(|| Accumulated::new(Sum::of(|value: &i64| *value), Pair::new()))
    }

    /// A case over windows that give sums with their starts.
    pub(super) fn spans(&self) -> Case<(String, i64, i64)> {
        let span = |key: &String, window: TimeWindow, sum: i64| [(key.clone(), sum, window.start().as_millis())];
        self.keeping(move || Accumulated::new(Sum::of(|value: &i64| *value), Call::new(span)))
    }

    /// A case over windows that sum, and turn away `N` records.
    pub(super) fn sums<const N: usize>(&self, late: [Element<i64>; N]) -> Case<(String, i64)> {
        let counted = [(LATE, N as u64)];
        self.summing().expect_side(&self.late, late).expect_counters(counted)
    }

    /// A case over windows that sum what `evictor` leaves.
    pub(super) fn evicted<E: Evictor<i64>>(&self, evictor: E) -> Case<(String, i64)> {
        let sum = || Sum::of(|value: &i64| *value);
        self.keeping(move || Listed::new(Evicting(evictor.clone()), AggregatedLater::new(sum(), Pair::new())))
    }
}

/// The sum of records, for functions over whole windows.
pub(super) fn sum_of(records: &[Record<i64>]) -> i64 {
    records.iter().map(|record| record.value).sum()
}
