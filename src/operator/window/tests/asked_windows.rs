//! Windows whose triggers must be asked, with timers in both times, in every mode.

use millstream_actors::time::TimespanUnits;

use super::cases::{Windows, e, one};
use crate::operator::window::trigger::{
    ContinuousEventTime, ContinuousProcessingTime, Count, Delta, EventTime, ProcessingTime, Purging, Timeout,
};
use crate::operator::window::{Global, Session, Sliding, Tumbling, evictor};
use crate::testing::harness::{end, processing_time, watermark};

const NEVER: i64 = i64::MAX;

#[test]
fn window_fires_at_each_multiple_of_an_interval() {
    Windows::new(Tumbling::of(3.seconds()), ContinuousEventTime::every(1.seconds()))
        .sums([])
        .input([e("k", 1, 0), watermark(999), e("k", 2, 1_500), watermark(2_500), watermark(3_000), end()])
        .allow_late()
        .expect([
            watermark(999),
            e("k", 3, 2_999),
            e("k", 3, 2_999),
            watermark(2_500),
            e("k", 3, 2_999),
            watermark(3_000),
            end(),
        ]);
}

#[test]
fn window_fires_at_each_multiple_of_an_interval_of_the_clock_until_it_is_over() {
    Windows::new(Tumbling::of(3.seconds()), ContinuousProcessingTime::every(1.seconds()))
        .sums([])
        .input([
            processing_time(10_300),
            e("k", 1, 0),
            processing_time(11_000),
            e("k", 2, 0),
            processing_time(12_500),
            watermark(2_999),
            processing_time(20_000),
        ])
        .expect([e("k", 1, 2_999), e("k", 3, 2_999), watermark(2_999)]);
}

#[test]
fn window_fires_when_patience_ends() {
    Windows::new(Global, Purging::of(Timeout::of(Count::of(3), 10.seconds())))
        .sums([])
        .input([
            processing_time(1_000),
            one("a"),
            one("b"),
            processing_time(5_000),
            one("a"),
            processing_time(11_000),
            one("a"),
            one("a"),
            one("a"),
            processing_time(60_000),
            end(),
        ])
        .expect([e("a", 2, NEVER), e("b", 1, NEVER), e("a", 3, NEVER), end()]);
}

#[test]
fn window_fires_when_a_number_is_far_from_the_last_that_fired() {
    Windows::new(Global, Delta::of(5.0, |last: &i64, new: &i64| (new - last) as f64))
        .sums([])
        .input([0, 3, 6, 9, 12].map(|value| e("k", value, 0)))
        .expect([e("k", 9, NEVER), e("k", 30, NEVER)]);
}

#[test]
fn sessions_that_merge_add_their_counts() {
    Windows::new(Session::with_gap(3.seconds()), Purging::of(Count::of(3)))
        .sums([])
        .input([e("k", 1, 0), e("k", 2, 5_000), e("k", 4, 2_500), e("k", 8, 2_600), watermark(10_000)])
        .expect([e("k", 7, 7_999), watermark(10_000)]);
}

#[test]
fn sessions_fire_at_intervals_and_at_their_end() {
    Windows::new(Session::with_gap(3.seconds()), ContinuousEventTime::every(2.seconds()))
        .sums([])
        .input([e("k", 1, 500), watermark(2_100), e("k", 2, 3_000), watermark(5_999), watermark(6_500)])
        .allow_late()
        .expect([
            e("k", 1, 3_499),
            watermark(2_100),
            e("k", 3, 5_999),
            e("k", 3, 5_999),
            watermark(5_999),
            watermark(6_500),
        ]);
}

#[test]
fn sessions_of_the_clock_may_be_evicted() {
    Windows::new(Session::with_gap(3.seconds()).processing_time(), ProcessingTime)
        .evicted(evictor::Count::of(2))
        .input([
            processing_time(0),
            e("k", 1, 0),
            e("k", 2, 0),
            processing_time(2_000),
            e("k", 4, 0),
            processing_time(9_000),
            e("k", 8, 0),
            end(),
        ])
        .expect([e("k", 6, 4_999), end()]);
}

#[test]
fn overlapping_windows_evict_each_for_itself() {
    Windows::new(Sliding::of(4.seconds(), 2.seconds()), EventTime)
        .evicted(evictor::Count::of(1))
        .input([e("k", 1, 1_000), e("k", 2, 3_000), e("k", 4, 2_500), end()])
        .expect([e("k", 1, 1_999), e("k", 4, 3_999), e("k", 4, 5_999), end()]);
}

#[test]
fn window_of_which_nothing_is_left_gives_nothing() {
    Windows::new(Tumbling::of(2.seconds()), EventTime)
        .evicted(evictor::Count::of(0))
        .input([e("k", 1, 1_000), end()])
        .expect([end()]);
}

#[test]
fn record_at_the_last_moment_of_a_window_of_the_clock_fires_with_it() {
    Windows::new(Tumbling::of(2.seconds()).processing_time(), ProcessingTime)
        .evicted(evictor::Count::of(5))
        .input([processing_time(500), one("k"), one("k"), processing_time(1_999), one("k"), one("k")])
        .expect([e("k", 2, 1_999), e("k", 1, 1_999), e("k", 1, 1_999)]);
}
