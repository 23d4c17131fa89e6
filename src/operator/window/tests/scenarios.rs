//! The scenarios that the semantics of windows name, each under its own number, in every mode.

use millstream_actors::time::TimespanUnits;

use super::cases::{Windows, e, one};
use crate::metrics::UNFIRED;
use crate::operator::window::trigger::{Count, EndOfStream, EventTime, Never, ProcessingTime, Purging};
use crate::operator::window::{Global, Session, Sliding, Tumbling, evictor};
use crate::testing::harness::{end, processing_time, rec_at, watermark};

const NEVER: i64 = i64::MAX;

#[test]
fn w1_late_record_goes_to_the_side_output() {
    Windows::new(Tumbling::of(2.seconds()), EventTime)
        .sums([rec_at(1, 1_998)])
        .input([
            e("k2", 1, 1_000),
            watermark(1_985),
            e("k2", 1, 1_980),
            watermark(1_999),
            e("k2", 1, 1_998),
            e("k2", 1, 2_001),
            watermark(2_999),
            watermark(3_999),
        ])
        .expect([
            watermark(1_985),
            e("k2", 2, 1_999),
            watermark(1_999),
            watermark(2_999),
            e("k2", 1, 3_999),
            watermark(3_999),
        ]);
}

#[test]
fn w3_late_firing_accumulates() {
    Windows::new(Tumbling::of(2.seconds()), EventTime)
        .lateness(500.millis())
        .sums([rec_at(1, 1_500)])
        .input([e("k", 1, 500), watermark(1_999), e("k", 1, 1_300), watermark(2_499), e("k", 1, 1_500)])
        .allow_late()
        .expect([e("k", 1, 1_999), watermark(1_999), e("k", 2, 1_999), watermark(2_499)]);
}

#[test]
fn w5_late_firing_of_a_purging_trigger_has_only_what_is_new() {
    Windows::new(Tumbling::of(2.seconds()), Purging::of(EventTime))
        .lateness(500.millis())
        .sums([])
        .input([e("k", 1, 500), watermark(1_999), e("k", 1, 1_300), e("k", 1, 1_400)])
        .allow_late()
        .expect([e("k", 1, 1_999), watermark(1_999), e("k", 1, 1_999), e("k", 1, 1_999)]);
}

#[test]
fn w6_cleanup_after_a_purge_emits_nothing() {
    Windows::new(Tumbling::of(2.seconds()), Purging::of(EventTime))
        .lateness(1.millis())
        .sums([])
        .input([e("k", 1, 1_000), watermark(1_599), watermark(1_999), watermark(2_000)])
        .expect([watermark(1_599), e("k", 1, 1_999), watermark(1_999), watermark(2_000)]);
}

#[test]
fn w7_global_window_fires_at_the_end_of_the_stream() {
    let k2 = [3_000, 3_999, 1_998, 1_999, 1_000].map(|time| e("k2", 1, time));
    let k1 = [20, 0, 999].map(|time| e("k1", 1, time));
    Windows::new(Global, EndOfStream)
        .sums([])
        .input(k2.into_iter().chain(k1).chain([watermark(1_000_000), end()]))
        .expect([watermark(1_000_000), e("k1", 3, NEVER), e("k2", 5, NEVER), end()]);
}

#[test]
fn global_window_never_fires_by_itself_and_takes_records_without_timestamp() {
    Windows::new(Global, Never).sums([]).input([one("k"), e("k", 1, 5), end()]).expect([end()]);
}

#[test]
fn w9_tumbling_windows_of_processing_time_ignore_timestamps() {
    Windows::new(Tumbling::of(3.seconds()).processing_time(), ProcessingTime)
        .summing()
        .expect_counters([(UNFIRED, 1)])
        .input([
            processing_time(3),
            e("k2", 1, i64::MAX),
            e("k2", 1, 7_000),
            one("k2"),
            one("k1"),
            one("k1"),
            processing_time(5_000),
            one("k1"),
            one("k1"),
            one("k1"),
            processing_time(7_000),
            one("k1"),
            end(),
        ])
        .expect([e("k1", 2, 2_999), e("k2", 3, 2_999), e("k1", 3, 5_999), end()]);
}

#[test]
fn w10_sliding_windows_of_processing_time() {
    Windows::new(Sliding::of(3.seconds(), 1.seconds()).processing_time(), ProcessingTime)
        .sums([])
        .input([
            processing_time(3),
            one("k2"),
            processing_time(1_000),
            one("k2"),
            one("k2"),
            processing_time(2_000),
            one("k1"),
            one("k1"),
            processing_time(3_000),
            one("k1"),
            one("k1"),
            one("k1"),
            processing_time(7_000),
        ])
        .expect([
            e("k2", 1, 999),
            e("k2", 3, 1_999),
            e("k1", 2, 2_999),
            e("k2", 3, 2_999),
            e("k1", 5, 3_999),
            e("k2", 2, 3_999),
            e("k1", 5, 4_999),
            e("k1", 3, 5_999),
        ]);
}

#[test]
fn w11_records_are_evicted_by_time_after_the_function() {
    Windows::new(Global, Count::of(2))
        .evicted(evictor::Time::of(2.seconds()).after())
        .input([
            e("k2", 1, 1_000),
            e("k2", 1, 4_000),
            e("k1", 1, 20),
            e("k1", 1, 0),
            e("k1", 1, 999),
            e("k2", 1, 3_500),
            e("k2", 1, 2_001),
            e("k2", 1, 1_001),
            e("k1", 1, 10_999),
            e("k2", 1, 1_002),
        ])
        .expect([e("k2", 2, NEVER), e("k1", 2, NEVER), e("k2", 3, NEVER), e("k1", 4, NEVER), e("k2", 5, NEVER)]);
}

#[test]
fn w4_trigger_of_the_user_takes_the_place_of_the_default() {
    Windows::new(Tumbling::of(2.seconds()), Count::of(2))
        .lateness(5.millis())
        .sums([])
        .input([e("k", 1, 0), watermark(1_999), e("k", 1, 1), watermark(5_000)])
        .allow_late()
        .expect([watermark(1_999), e("k", 2, 1_999), watermark(5_000)]);
}

#[test]
fn w8_windows_of_a_number_of_records_begin_anew_when_they_are_full() {
    Windows::new(Global, Purging::of(Count::of(3)))
        .sums([])
        .input((1..=7).map(|value| e("k", value, 0)))
        .expect([e("k", 6, NEVER), e("k", 15, NEVER)]);
}

#[test]
fn w8_windows_of_a_number_of_records_slide() {
    Windows::new(Global, Count::of(2))
        .evicted(evictor::Count::of(3))
        .input((1..=6).map(|value| e("k", value, 0)))
        .expect([e("k", 3, NEVER), e("k", 9, NEVER), e("k", 15, NEVER)]);
}

#[test]
fn record_without_timestamp_is_an_error_in_event_time() {
    let expected = "windows: a record has no timestamp, and the windows are of event time";
    Windows::new(Tumbling::of(2.seconds()), EventTime).sums([]).input([one("k")]).expect_error(expected);
    Windows::new(Session::with_gap(2.seconds()), EventTime).sums([]).input([one("k")]).expect_error(expected);
    Windows::new(Sliding::of(2.seconds(), 1.seconds()), EventTime).sums([]).input([one("k")]).expect_error(expected);
}
