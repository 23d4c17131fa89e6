//! Windows at both ends of time: a watermark one millisecond before the end fires nothing that reaches to the end.

use millstream_actors::time::{Timespan, TimespanUnits};

use super::cases::{Windows, e, spanned};
use super::undisclosed::Undisclosed;
use crate::operator::window::trigger::{EndOfStream, EventTime, Purging, TriggerFor};
use crate::operator::window::{Global, Session, Sliding, Tumbling, WindowAssigner};
use crate::testing::harness::{end, watermark};

const LAST: i64 = i64::MAX;
const FIRST: i64 = i64::MIN + 1;

/// Records near the end of time, in a window that reaches to it and begins at `start`.
fn near_the_end<A, R>(assigner: A, trigger: R, start: i64)
where
    A: WindowAssigner<i64>,
    R: TriggerFor<A::Kind, i64>,
{
    Windows::new(assigner, trigger)
        .spans()
        .input([e("k", 1, LAST - 1), watermark(LAST - 1), e("k", 2, LAST), e("k", 4, LAST), end()])
        .expect([watermark(LAST - 1), spanned("k", 7, start, LAST), end()]);
}

#[test]
fn window_that_reaches_to_the_end_of_time_fires_there_and_not_before() {
    let start = LAST - LAST.rem_euclid(1_000);
    near_the_end(Tumbling::of(1.seconds()), EventTime, start);
    near_the_end(Tumbling::of(1.seconds()), Undisclosed(EventTime), start);
    near_the_end(Tumbling::of(1.seconds()), Purging::of(EventTime), start);
    near_the_end(Sliding::of(1.seconds(), 5.seconds()).offset(Timespan::from_millis(start % 5_000)), EventTime, start);
    near_the_end(Session::with_gap(1.seconds()), EventTime, LAST - 1);
    near_the_end(Session::with_gap(1.seconds()), Undisclosed(EventTime), LAST - 1);
}

#[test]
fn window_over_all_of_time_fires_at_its_end_and_not_before() {
    near_the_end(Global, EndOfStream, FIRST);
    near_the_end(Global, Undisclosed(EndOfStream), FIRST);
    near_the_end(Global, EventTime, FIRST);
}

#[test]
fn windows_that_overlap_at_the_end_of_time_fire_in_order() {
    let start = LAST - LAST.rem_euclid(1_000);
    for lateness in [0.millis(), 5.seconds(), Timespan::MAX] {
        let windows = Windows::new(Sliding::of(2.seconds(), 1.seconds()), EventTime).lateness(lateness);
        windows
            .spans()
            .input([e("k", 1, start - 1_000), watermark(LAST - 1), e("k", 2, start), end()])
            .allow_late()
            .expect([
                spanned("k", 1, start - 2_000, start),
                watermark(LAST - 1),
                spanned("k", 3, start - 1_000, LAST),
                spanned("k", 2, start, LAST),
                end(),
            ]);
    }
}

#[test]
fn windows_at_the_beginning_of_time_are_cut_and_fire() {
    let end_of_first = FIRST + 1_000 - FIRST.rem_euclid(1_000);
    Windows::new(Tumbling::of(1.seconds()), EventTime)
        .spans()
        .input([e("k", 1, FIRST), e("k", 2, FIRST + 1), watermark(end_of_first), end()])
        .expect([spanned("k", 3, FIRST, end_of_first), watermark(end_of_first), end()]);
    Windows::new(Session::with_gap(1.seconds()), EventTime)
        .spans()
        .input([e("k", 1, FIRST), e("k", 2, FIRST + 1), end()])
        .expect([spanned("k", 3, FIRST, FIRST + 1_001), end()]);
}

#[test]
fn lateness_that_reaches_over_the_end_of_time_keeps_windows_until_then() {
    let start = LAST - LAST.rem_euclid(1_000) - 1_000;
    Windows::new(Tumbling::of(1.seconds()), EventTime)
        .lateness(2.seconds())
        .sums([])
        .input([e("k", 1, start), watermark(LAST - 10), e("k", 2, start), end()])
        .allow_late()
        .expect([e("k", 1, start + 999), watermark(LAST - 10), e("k", 3, start + 999), end()]);
}

#[test]
fn gap_as_long_as_time_makes_one_session() {
    Windows::new(Session::with_gap(Timespan::MAX), EventTime)
        .spans()
        .input([e("k", 1, FIRST), e("k", 2, 0), e("k", 4, LAST), end()])
        .expect([spanned("k", 7, FIRST, LAST), end()]);
}
