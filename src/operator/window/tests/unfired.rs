//! Windows of the clock that are open when the input ends: they do not fire, and are counted.

use millstream_actors::time::TimespanUnits;

use super::cases::{Windows, e};
use super::undisclosed::Undisclosed;
use crate::metrics::UNFIRED;
use crate::operator::window::trigger::{Count, EndOfStream, ProcessingTime, TriggerFor};
use crate::operator::window::{Session, Sliding, Tumbling, WindowAssigner};
use crate::testing::harness::{Element, end, processing_time};

/// Expects of two keys, one of which has records in two windows, this output and so many windows that wait for the clock.
fn expect<A, R, const N: usize>(assigner: A, trigger: R, expected: [Element<(String, i64)>; N], unfired: u64)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
{
    Windows::new(assigner, trigger)
        .summing()
        .input([
            processing_time(0),
            e("a", 1, 0),
            processing_time(1_000),
            e("a", 2, 0),
            e("a", 4, 0),
            e("b", 8, 0),
            end(),
        ])
        .expect_counters([(UNFIRED, unfired)])
        .expect(expected.into_iter().chain([end()]));
}

#[test]
fn windows_of_the_clock_that_are_open_at_the_end_are_counted_once_per_key() {
    let tumbling = || Tumbling::of(1.seconds()).processing_time();
    expect(tumbling(), ProcessingTime, [e("a", 1, 999)], 2);
    expect(tumbling(), Undisclosed(ProcessingTime), [e("a", 1, 999)], 2);
    let session = || Session::with_gap(800.millis()).processing_time();
    expect(session(), ProcessingTime, [e("a", 1, 799)], 2);
    expect(session(), Undisclosed(ProcessingTime), [e("a", 1, 799)], 2);
}

#[test]
fn sliding_windows_of_the_clock_that_are_open_at_the_end_are_counted_once_per_key() {
    let sliding = || Sliding::of(3.seconds(), 1.seconds()).processing_time();
    // Of each key those that end at 2, 3 and 4 s.
    expect(sliding(), ProcessingTime, [e("a", 1, 999)], 6);
    expect(sliding(), Undisclosed(ProcessingTime), [e("a", 1, 999)], 6);
}

#[test]
fn window_that_does_not_wait_for_the_clock_is_not_counted() {
    let windows = || Tumbling::of(1.seconds()).processing_time();
    expect(windows(), Count::of(3), [], 0);
    expect(windows(), EndOfStream, [e("a", 6, 1_999), e("b", 8, 1_999)], 0);
}
