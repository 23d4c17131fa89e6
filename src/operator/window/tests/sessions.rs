//! The scenarios of sessions that the semantics name, each under its own number, in every mode.

use millstream_actors::time::{TimespanUnits, Timestamp};

use super::cases::{Windows, e, one, spanned};
use super::undisclosed::Undisclosed;
use crate::metrics::UNFIRED;
use crate::operator::window::trigger::{Count, EventTime, ProcessingTime, Purging};
use crate::operator::window::{InEventTime, Merging, Session, TimeWindow, WindowAssigner, WindowError};
use crate::testing::harness::{Element, end, processing_time, rec_at, watermark};

#[test]
fn s1_sessions_of_a_key_end_when_no_record_comes_for_the_gap() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .sums([])
        .input([
            e("k2", 1, 0),
            e("k2", 2, 1_000),
            e("k2", 3, 2_500),
            e("k1", 1, 10),
            e("k1", 2, 1_000),
            e("k1", 3, 2_500),
            e("k2", 4, 5_501),
            e("k2", 5, 6_000),
            e("k2", 5, 6_000),
            e("k2", 6, 6_050),
            watermark(12_000),
            e("k2", 10, 15_000),
            e("k2", 20, 15_000),
            watermark(17_999),
        ])
        .expect([
            e("k1", 6, 5_499),
            e("k2", 6, 5_499),
            e("k2", 20, 9_049),
            watermark(12_000),
            e("k2", 30, 17_999),
            watermark(17_999),
        ]);
}

#[test]
fn s1_sessions_that_touch_are_one() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .sums([])
        .input([e("k", 1, 2_500), e("k", 2, 5_500), end()])
        .expect([e("k", 3, 8_499), end()]);
}

#[test]
fn s3_late_record_joins_a_session_that_is_open() {
    let one_at = |time| e("k", 1, time);
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .sums([rec_at(1, 10_000)])
        .input([
            one_at(1_000),
            watermark(1_999),
            one_at(2_000),
            watermark(4_998),
            one_at(4_500),
            one_at(8_500),
            watermark(7_400),
            one_at(7_000),
            watermark(11_501),
            one_at(11_600),
            watermark(14_600),
            one_at(10_000),
            one_at(14_500),
            watermark(20_000),
        ])
        .expect([
            watermark(1_999),
            watermark(4_998),
            watermark(7_400),
            e("k", 5, 11_499),
            watermark(11_501),
            e("k", 1, 14_599),
            watermark(14_600),
            e("k", 1, 17_499),
            watermark(20_000),
        ]);
}

#[test]
fn s9_sessions_of_processing_time() {
    Windows::new(Session::with_gap(3.seconds()).processing_time(), ProcessingTime)
        .summing()
        .expect_counters([(UNFIRED, 1)])
        .input([
            processing_time(3),
            one("k2"),
            processing_time(1_000),
            one("k2"),
            processing_time(5_000),
            one("k2"),
            one("k2"),
            one("k1"),
            one("k1"),
            one("k1"),
            processing_time(10_000),
            one("k1"),
            end(),
        ])
        .expect([e("k2", 2, 3_999), e("k1", 3, 7_999), e("k2", 2, 7_999), end()]);
}

#[test]
fn s2_sessions_with_gaps_of_their_own_last_until_the_longest_ends() {
    let windows = Windows::new(Session::dynamic(|value: &i64| value.seconds()), EventTime);
    windows.sums([]).input([e("k", 10, 0), e("k", 1, 1_000), end()]).expect([e("k", 11, 9_999), end()]);
    windows.sums([]).input([e("k", 0, 0)]).expect_error("a session has a gap of 0 ms");
}

#[test]
fn session_that_has_fired_fires_again_with_a_late_record_and_where_that_makes_it_end() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .lateness(10.seconds())
        .sums([rec_at(8, 0)])
        .input([
            e("k", 1, 0),
            watermark(5_000),
            e("k", 2, 1_000),
            e("k", 4, 2_500),
            watermark(5_500),
            watermark(15_499),
            e("k", 8, 0),
        ])
        .allow_late()
        .expect([
            e("k", 1, 2_999),
            watermark(5_000),
            e("k", 3, 3_999),
            e("k", 7, 5_499),
            watermark(5_500),
            watermark(15_499),
        ]);
}

/// The history of S3, which late records follow that a session may still take.
fn s3_and_late_ones() -> Vec<Element<(String, i64)>> {
    let one_at = |time| e("k", 1, time);
    let mut input = vec![one_at(1_000), watermark(1_999), one_at(2_000), watermark(4_998), one_at(4_500)];
    input.extend([one_at(8_500), watermark(7_400), one_at(7_000), watermark(11_501)]);
    input.extend([one_at(11_600), watermark(14_600), one_at(10_000), one_at(14_500), watermark(20_000)]);
    input.extend([one_at(100), watermark(40_000)]);
    input
}

#[test]
fn s4_session_that_has_fired_takes_late_records_as_long_as_lateness_is_allowed() {
    // By itself 10000 would be late; the session [11600, 14600) is not over, and takes it.
    let windows = Windows::new(Session::with_gap(3.seconds()), EventTime).lateness(10.millis());
    windows.spans().input(s3_and_late_ones()).expect_side(&windows.late, [rec_at(1, 100)]).allow_late().expect([
        watermark(1_999),
        watermark(4_998),
        watermark(7_400),
        spanned("k", 5, 1_000, 11_500),
        watermark(11_501),
        spanned("k", 1, 11_600, 14_600),
        watermark(14_600),
        spanned("k", 2, 10_000, 14_600),
        spanned("k", 3, 10_000, 17_500),
        watermark(20_000),
        watermark(40_000),
    ]);
}

#[test]
fn s5_session_that_purges_gives_only_what_is_new() {
    let windows = Windows::new(Session::with_gap(3.seconds()), Purging::of(EventTime)).lateness(10.millis());
    windows.spans().input(s3_and_late_ones()).expect_side(&windows.late, [rec_at(1, 100)]).allow_late().expect([
        watermark(1_999),
        watermark(4_998),
        watermark(7_400),
        spanned("k", 5, 1_000, 11_500),
        watermark(11_501),
        spanned("k", 1, 11_600, 14_600),
        watermark(14_600),
        spanned("k", 1, 10_000, 14_600),
        spanned("k", 1, 10_000, 17_500),
        watermark(20_000),
        watermark(40_000),
    ]);
}

#[test]
fn s6_late_record_joins_sessions_that_have_both_fired() {
    let windows = Windows::new(Session::with_gap(3.seconds()), EventTime).lateness(10.seconds());
    let expected = |late: [Element<_>; 2]| {
        let mut expected = vec![watermark(1_999), watermark(4_998), watermark(7_400)];
        expected.extend([spanned("k", 5, 1_000, 11_500), watermark(11_501)]);
        expected.extend([spanned("k", 1, 11_600, 14_600), watermark(14_600)]);
        expected.extend(late);
        // The record at 100 touches nothing that is kept: its session is over, but not for so long as it is late.
        expected.extend([watermark(20_000), watermark(40_000)]);
        expected
    };
    let accumulated = [spanned("k", 7, 1_000, 14_600), spanned("k", 8, 1_000, 17_500)];
    let late = [rec_at(1, -2_500)];
    let input = || {
        s3_and_late_ones().into_iter().map(|element| match element {
            Element::Record(mut record) if record.time.as_millis() == 100 => {
                record.time = (-2_500i64).into();
                Element::Record(record)
            }
            other => other,
        })
    };
    windows.spans().input(input()).expect_side(&windows.late, late.clone()).allow_late().expect(expected(accumulated));
    let purging = Windows::new(Session::with_gap(3.seconds()), Purging::of(EventTime)).lateness(10.seconds());
    let purged = [spanned("k", 1, 1_000, 14_600), spanned("k", 1, 1_000, 17_500)];
    purging.spans().input(input()).expect_side(&purging.late, late.clone()).allow_late().expect(expected(purged));
    let asked = Windows::new(Session::with_gap(3.seconds()), Undisclosed(EventTime)).lateness(10.seconds());
    let accumulated = [spanned("k", 7, 1_000, 14_600), spanned("k", 8, 1_000, 17_500)];
    asked.spans().input(input()).expect_side(&asked.late, late).allow_late().expect(expected(accumulated));
}

#[test]
fn s8_sessions_of_a_number_of_records_do_not_fire_by_time() {
    let windows = Windows::new(Session::with_gap(3.seconds()), Purging::of(Count::of(4)));
    windows
        .spans()
        .input([
            e("k2", 1, 0),
            e("k2", 2, 1_000),
            e("k2", 3, 2_500),
            e("k2", 4, 3_500),
            e("k1", 1, 10),
            e("k1", 2, 1_000),
            e("k1", 3, 6_500),
            // It joins the two sessions of k1, whose counts are added.
            e("k1", 4, 3_700),
            watermark(20_000),
            e("k1", 5, 20_000),
            end(),
        ])
        .expect([spanned("k2", 10, 0, 6_500), spanned("k1", 10, 10, 9_500), watermark(20_000), end()]);
}

#[test]
fn sessions_of_keys_are_kept_apart() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .spans()
        .input([e("a", 1, 0), e("b", 2, 2_000), e("a", 4, 4_000), end()])
        .expect([spanned("a", 1, 0, 3_000), spanned("b", 2, 2_000, 5_000), spanned("a", 4, 4_000, 7_000), end()]);
}

#[test]
fn session_is_open_until_the_watermark_has_reached_its_last_millisecond() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .sums([rec_at(4, -1)])
        .input([e("k", 1, 0), watermark(2_998), e("k", 2, 2_999), watermark(5_997), watermark(5_998), e("k", 4, -1)])
        .expect([watermark(2_998), watermark(5_997), e("k", 3, 5_998), watermark(5_998)]);
}

/// Sessions of a user, in which the number 33 is a point that keeps nothing open.
#[derive(Clone)]
struct WithPoints;

impl WindowAssigner<i64> for WithPoints {
    type Time = InEventTime;
    type Kind = Merging;
    type Windows = std::iter::Once<TimeWindow>;
    type Trigger = EventTime;

    fn assign(&mut self, value: &i64, time: Timestamp) -> Result<Self::Windows, WindowError> {
        let length = if *value == 33 { 0.millis() } else { 3.seconds() };
        Ok(std::iter::once(TimeWindow::starting_at(time, length)))
    }
}

#[test]
fn window_without_length_is_merged_with_what_it_touches() {
    Windows::new(WithPoints, EventTime)
        .spans()
        .input([
            e("k", 1, 10),
            e("k", 2, 1_000),
            e("k", 33, 2_500),
            e("k", 33, 4_001),
            e("l", 33, 20_000),
            watermark(12_000),
            end(),
        ])
        .expect([
            spanned("k", 36, 10, 4_000),
            spanned("k", 33, 4_001, 4_001),
            watermark(12_000),
            spanned("l", 33, 20_000, 20_000),
            end(),
        ]);
}
