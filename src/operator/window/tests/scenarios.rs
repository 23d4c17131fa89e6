//! The scenarios that the semantics of windows name, each under its own number.

use millstream_actors::time::{TimespanUnits, Timestamp};

use super::rehearsal::{Rehearsal, Step};
use crate::model::Record;
use crate::operator::window::trigger::{Count, EndOfStream, EventTime, Never, ProcessingTime, Purging};
use crate::operator::window::{Global, Session, Sliding, Tumbling, WindowError, evictor};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn e(key: &'static str, value: i64, time: i64) -> Step {
    Step::Element(key, Record::at(value, at(time)))
}

/// A record with the value 1 and no timestamp.
fn one(key: &'static str) -> Step {
    Step::Element(key, Record::new(1))
}

fn wm(millis: i64) -> Step {
    Step::Watermark(at(millis))
}

fn clock(millis: i64) -> Step {
    Step::Clock(at(millis))
}

const NOTHING: [&str; 0] = [];

#[test]
fn w1_late_record_is_dropped_from_tumbling_windows() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), EventTime);
    let early = [e("k2", 1, 1_000), wm(1_985), e("k2", 1, 1_980), wm(1_999)];
    assert_eq!(windows.play(early), ["k2=2@1999"]);
    assert_eq!(windows.play([e("k2", 1, 1_998)]), ["late k2=1"]);
    assert_eq!(windows.play([e("k2", 1, 2_001), wm(2_999)]), NOTHING);
    assert_eq!(windows.play([wm(3_999)]), ["k2=1@3999"]);
    assert!(windows.is_empty());
}

#[test]
fn w3_late_firing_accumulates() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), EventTime).lateness(500.millis());
    assert_eq!(windows.play([e("k", 1, 500), wm(1_999)]), ["k=1@1999"]);
    assert_eq!(windows.play([e("k", 1, 1_300)]), ["k=2@1999"]);
    assert_eq!(windows.play([wm(2_499)]), NOTHING);
    assert!(windows.is_empty());
    assert_eq!(windows.play([e("k", 1, 1_500)]), ["late k=1"]);
}

#[test]
fn late_firing_of_a_purging_trigger_has_only_what_is_new() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), Purging::of(EventTime)).lateness(500.millis());
    assert_eq!(windows.play([e("k", 1, 500), wm(1_999)]), ["k=1@1999"]);
    assert_eq!(windows.play([e("k", 1, 1_300)]), ["k=1@1999"]);
}

#[test]
fn w6_cleanup_after_a_purge_emits_nothing() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), Purging::of(EventTime)).lateness(1.millis());
    assert_eq!(windows.play([e("k", 1, 1_000), wm(1_599), wm(1_999)]), ["k=1@1999"]);
    assert!(!windows.is_empty());
    assert_eq!(windows.play([wm(2_000)]), NOTHING);
    assert!(windows.is_empty());
}

#[test]
fn w7_global_window_fires_at_the_end_of_the_stream() {
    let mut windows = Rehearsal::new(Global, EndOfStream);
    let k2 = [3_000, 3_999, 1_998, 1_999, 1_000].map(|time| e("k2", 1, time));
    let k1 = [20, 0, 999].map(|time| e("k1", 1, time));
    assert_eq!(windows.play(k2.into_iter().chain(k1).chain([wm(1_000_000)])), NOTHING);
    assert_eq!(windows.play([wm(i64::MAX)]), ["k1=3@max", "k2=5@max"]);
}

#[test]
fn global_window_never_fires_by_itself_and_takes_records_without_timestamp() {
    let mut windows = Rehearsal::new(Global, Never);
    assert_eq!(windows.play([one("k"), e("k", 1, 5), wm(i64::MAX)]), NOTHING);
}

#[test]
fn w9_tumbling_windows_of_processing_time_ignore_timestamps() {
    let mut windows = Rehearsal::new(Tumbling::of(3.seconds()).processing_time(), ProcessingTime);
    let first = [clock(3), e("k2", 1, i64::MAX), e("k2", 1, 7_000), one("k2"), one("k1"), one("k1")];
    assert_eq!(windows.play(first), NOTHING);
    assert_eq!(windows.play([clock(5_000)]), ["k1=2@2999", "k2=3@2999"]);
    assert_eq!(windows.play([one("k1"), one("k1"), one("k1"), wm(i64::MAX)]), NOTHING);
    assert_eq!(windows.play([clock(7_000)]), ["k1=3@5999"]);
    assert!(windows.is_empty());
}

#[test]
fn w10_sliding_windows_of_processing_time() {
    let mut windows = Rehearsal::new(Sliding::of(3.seconds(), 1.seconds()).processing_time(), ProcessingTime);
    assert_eq!(windows.play([clock(3), one("k2"), clock(1_000)]), ["k2=1@999"]);
    assert_eq!(windows.play([one("k2"), one("k2"), clock(2_000)]), ["k2=3@1999"]);
    assert_eq!(windows.play([one("k1"), one("k1"), clock(3_000)]), ["k1=2@2999", "k2=3@2999"]);
    let last = windows.play([one("k1"), one("k1"), one("k1"), clock(7_000)]);
    assert_eq!(last, ["k1=5@3999", "k2=2@3999", "k1=5@4999", "k1=3@5999"]);
    assert!(windows.is_empty());
}

#[test]
fn w11_records_are_evicted_by_time_after_the_function() {
    let mut windows = Rehearsal::evicting(Global, Count::of(2), evictor::Time::of(2.seconds()).after());
    let first = [
        e("k2", 1, 1_000),
        e("k2", 1, 4_000),
        e("k1", 1, 20),
        e("k1", 1, 0),
        e("k1", 1, 999),
        e("k2", 1, 3_500),
        e("k2", 1, 2_001),
        e("k2", 1, 1_001),
    ];
    assert_eq!(windows.play(first), ["k2=2@max", "k1=2@max", "k2=3@max"]);
    assert_eq!(windows.play([e("k1", 1, 10_999), e("k2", 1, 1_002)]), ["k1=4@max", "k2=5@max"]);
}

#[test]
fn trigger_of_the_user_takes_the_place_of_the_default() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), Count::of(2)).lateness(5.millis());
    assert_eq!(windows.play([e("k", 1, 0), wm(1_999)]), NOTHING);
    assert_eq!(windows.play([e("k", 1, 1)]), ["k=2@1999"]);
    assert_eq!(windows.play([wm(5_000)]), NOTHING);
    assert!(windows.is_empty());
}

#[test]
fn windows_of_a_number_of_records_begin_anew_when_they_are_full() {
    let mut windows = Rehearsal::new(Global, Purging::of(Count::of(3)));
    assert_eq!(windows.play((1..=7).map(|value| e("k", value, 0))), ["k=6@max", "k=15@max"]);
}

#[test]
fn windows_of_a_number_of_records_slide() {
    let mut windows = Rehearsal::evicting(Global, Count::of(2), evictor::Count::of(3));
    assert_eq!(windows.play((1..=6).map(|value| e("k", value, 0))), ["k=3@max", "k=9@max", "k=15@max"]);
}

#[test]
fn record_without_timestamp_is_an_error_in_event_time() {
    let mut windows = Rehearsal::new(Tumbling::of(2.seconds()), EventTime);
    assert_eq!(windows.step(one("k")), Err(WindowError::NoTimestamp));
    let mut sessions = Rehearsal::merging(Session::with_gap(2.seconds()), EventTime);
    assert_eq!(sessions.step(one("k")), Err(WindowError::NoTimestamp));
}

#[test]
fn s1_sessions_of_a_key_end_when_no_record_comes_for_the_gap() {
    let mut sessions = Rehearsal::merging(Session::with_gap(3.seconds()), EventTime);
    let k2 = [e("k2", 1, 0), e("k2", 2, 1_000), e("k2", 3, 2_500)];
    let k1 = [e("k1", 1, 10), e("k1", 2, 1_000), e("k1", 3, 2_500)];
    let next = [e("k2", 4, 5_501), e("k2", 5, 6_000), e("k2", 5, 6_000), e("k2", 6, 6_050)];
    assert_eq!(sessions.play(k2.into_iter().chain(k1).chain(next)), NOTHING);
    assert_eq!(sessions.play([wm(12_000)]), ["k2=6@5499", "k1=6@5499", "k2=20@9049"]);
    assert_eq!(sessions.play([e("k2", 10, 15_000), e("k2", 20, 15_000), wm(17_999)]), ["k2=30@17999"]);
    assert!(sessions.is_empty());
}

#[test]
fn sessions_that_touch_are_one() {
    let mut sessions = Rehearsal::merging(Session::with_gap(3.seconds()), EventTime);
    assert_eq!(sessions.play([e("k", 1, 2_500), e("k", 2, 5_500), wm(i64::MAX)]), ["k=3@8499"]);
}

#[test]
fn s3_late_record_joins_a_session_that_is_open() {
    let mut sessions = Rehearsal::merging(Session::with_gap(3.seconds()), EventTime);
    let one_at = |time| e("k", 1, time);
    let first = [one_at(1_000), wm(1_999), one_at(2_000), wm(4_998), one_at(4_500), one_at(8_500), wm(7_400)];
    assert_eq!(sessions.play(first), NOTHING);
    assert_eq!(sessions.play([one_at(7_000), wm(11_501)]), ["k=5@11499"]);
    assert_eq!(sessions.play([one_at(11_600), wm(14_600)]), ["k=1@14599"]);
    assert_eq!(sessions.play([one_at(10_000)]), ["late k=1"]);
    assert_eq!(sessions.play([one_at(14_500), wm(20_000)]), ["k=1@17499"]);
    assert!(sessions.is_empty());
}

#[test]
fn s9_sessions_of_processing_time() {
    let mut sessions = Rehearsal::merging(Session::with_gap(3.seconds()).processing_time(), ProcessingTime);
    assert_eq!(sessions.play([clock(3), one("k2"), clock(1_000), one("k2")]), NOTHING);
    assert_eq!(sessions.play([clock(5_000)]), ["k2=2@3999"]);
    let second = [one("k2"), one("k2"), one("k1"), one("k1"), one("k1")];
    assert_eq!(sessions.play(second), NOTHING);
    assert_eq!(sessions.play([clock(10_000)]), ["k1=3@7999", "k2=2@7999"]);
    assert!(sessions.is_empty());
}

#[test]
fn sessions_with_gaps_of_their_own_last_until_the_longest_ends() {
    let gap_of = |value: &i64| value.seconds();
    let mut sessions = Rehearsal::merging(Session::dynamic(gap_of), EventTime);
    assert_eq!(sessions.play([e("k", 10, 0), e("k", 1, 1_000), wm(i64::MAX)]), ["k=11@9999"]);
    let refused = WindowError::GapNotPositive { gap: 0.millis() };
    let mut sessions = Rehearsal::merging(Session::dynamic(gap_of), EventTime);
    assert_eq!(sessions.step(e("k", 0, 0)), Err(refused));
}
