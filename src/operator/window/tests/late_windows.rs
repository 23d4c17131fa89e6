//! Records that come late: for windows that overlap, that purge, that are asked, and that keep their records.

use millstream_actors::time::{Timespan, TimespanUnits};

use super::cases::{Windows, e, spanned};
use super::undisclosed::Undisclosed;
use crate::operator::window::trigger::{Count, EventTime, Purging, TriggerFor};
use crate::operator::window::{Fixed, Sliding, Tumbling, evictor};
use crate::testing::harness::{Element, rec_at, watermark};

/// Sliding windows of 3 s, one per second, that a second more is allowed for.
fn sliding<R: TriggerFor<Fixed, i64>>(trigger: R, late: [Element<(String, i64, i64)>; 7]) {
    let windows = Windows::new(Sliding::of(3.seconds(), 1.seconds()), trigger).lateness(1.seconds());
    let [first, first_again, second, second_again, third, fourth, fifth] = late;
    windows
        .spans()
        .input([
            e("k", 1, 500),
            watermark(999),
            // [-2000, 1000) has fired, and fires again; [-1000, 2000) and [0, 3000) take it in silence.
            e("k", 2, 600),
            watermark(1_999),
            // [-2000, 1000) is over, [-1000, 2000) fires again.
            e("k", 4, 700),
            watermark(2_999),
            e("k", 8, 3_000),
            watermark(3_999),
            // All windows of 800 are over.
            e("k", 16, 800),
            watermark(6_999),
        ])
        .expect_side(&windows.late, [rec_at(16, 800)])
        .allow_late()
        .expect([
            first,
            watermark(999),
            first_again,
            second,
            watermark(1_999),
            second_again,
            third,
            watermark(2_999),
            fourth,
            watermark(3_999),
            fifth,
            spanned("k", 8, 3_000, 6_000),
            watermark(6_999),
        ]);
}

#[test]
fn w2_late_record_fires_those_sliding_windows_again_that_have_fired_and_are_not_over() {
    let expected = || {
        [
            spanned("k", 1, -2_000, 1_000),
            spanned("k", 3, -2_000, 1_000),
            spanned("k", 3, -1_000, 2_000),
            spanned("k", 7, -1_000, 2_000),
            spanned("k", 7, 0, 3_000),
            spanned("k", 8, 1_000, 4_000),
            spanned("k", 8, 2_000, 5_000),
        ]
    };
    sliding(EventTime, expected());
    sliding(Undisclosed(EventTime), expected());
}

#[test]
fn w2_sliding_windows_that_purge_forget_each_for_itself() {
    let expected = || {
        [
            spanned("k", 1, -2_000, 1_000),
            spanned("k", 2, -2_000, 1_000),
            spanned("k", 3, -1_000, 2_000),
            spanned("k", 4, -1_000, 2_000),
            spanned("k", 7, 0, 3_000),
            spanned("k", 8, 1_000, 4_000),
            spanned("k", 8, 2_000, 5_000),
        ]
    };
    sliding(Purging::of(EventTime), expected());
    sliding(Undisclosed(Purging::of(EventTime)), expected());
}

#[test]
fn w2_sliding_windows_of_keys_fire_one_after_the_other() {
    let k2 = [3_999, 3_000].map(|time| e("k2", 1, time));
    let k1 = [20, 0, 999].map(|time| e("k1", 1, time));
    let more = [1_998, 1_999, 1_000].map(|time| e("k2", 1, time));
    let watermarks = (0..8).map(|second| watermark(1_000 * second + 999));
    Windows::new(Sliding::of(3.seconds(), 1.seconds()), EventTime)
        .sums([])
        .input(k2.into_iter().chain(k1).chain(more).chain(watermarks))
        .expect([
            e("k1", 3, 999),
            watermark(999),
            e("k1", 3, 1_999),
            e("k2", 3, 1_999),
            watermark(1_999),
            e("k1", 3, 2_999),
            e("k2", 3, 2_999),
            watermark(2_999),
            e("k2", 5, 3_999),
            watermark(3_999),
            e("k2", 2, 4_999),
            watermark(4_999),
            e("k2", 2, 5_999),
            watermark(5_999),
            watermark(6_999),
            watermark(7_999),
        ]);
}

#[test]
fn record_is_late_only_if_all_its_windows_are_over() {
    Windows::new(Sliding::of(3.seconds(), 1.seconds()), EventTime)
        .sums([rec_at(4, -1)])
        .input([watermark(2_998), e("k", 1, 0), watermark(2_999), e("k", 4, -1), watermark(5_000)])
        .expect([watermark(2_998), e("k", 1, 2_999), watermark(2_999), watermark(5_000)]);
}

#[test]
fn first_record_of_a_key_may_come_late() {
    for_each_way(Windows::new(Tumbling::of(2.seconds()), EventTime).lateness(500.millis()));
    for_each_way(Windows::new(Tumbling::of(2.seconds()), Undisclosed(EventTime)).lateness(500.millis()));
}

/// A key whose first record comes behind the end of its window.
fn for_each_way<R: TriggerFor<Fixed, i64>>(windows: Windows<Tumbling, R>) {
    windows
        .sums([rec_at(8, 1_999)])
        .input([e("a", 1, 500), watermark(2_400), e("b", 4, 1_999), watermark(2_499), e("b", 8, 1_999)])
        .allow_late()
        .expect([e("a", 1, 1_999), watermark(2_400), e("b", 4, 1_999), watermark(2_499)]);
}

#[test]
fn each_late_record_is_put_aside_with_its_own_time() {
    Windows::new(Tumbling::of(2.seconds()), EventTime)
        .sums([rec_at(1, 0), rec_at(2, 1_999), rec_at(3, -5_000)])
        .input([
            watermark(1_999),
            e("a", 1, 0),
            e("b", 2, 1_999),
            e("a", 4, 2_000),
            e("a", 3, -5_000),
            watermark(3_999),
        ])
        .expect([watermark(1_999), e("a", 4, 3_999), watermark(3_999)]);
}

#[test]
fn count_that_was_not_reached_goes_on_with_late_records_until_the_window_is_over() {
    Windows::new(Tumbling::of(2.seconds()), Purging::of(Count::of(3)))
        .lateness(1.seconds())
        .sums([rec_at(16, 1)])
        .input([
            e("k", 1, 0),
            e("k", 2, 1),
            watermark(2_500),
            e("k", 4, 2),
            e("k", 8, 3),
            watermark(2_999),
            e("k", 16, 1),
        ])
        .allow_late()
        .expect([watermark(2_500), e("k", 7, 1_999), watermark(2_999)]);
}

#[test]
fn late_firing_sees_what_the_evictor_left_of_earlier_ones() {
    let windows = Windows::new(Tumbling::of(2.seconds()), EventTime).lateness(1.seconds());
    let input = || [e("k", 1, 0), e("k", 2, 1), e("k", 4, 2), watermark(2_000), e("k", 8, 3), e("k", 16, 4)];
    let expected = |sums: [i64; 3]| {
        let [first, second, third] = sums.map(|sum| e("k", sum, 1_999));
        [first, watermark(2_000), second, third]
    };
    let before = windows.evicted(evictor::Count::of(2));
    before.input(input()).allow_late().expect(expected([6, 12, 24]));
    let after = windows.evicted(evictor::Count::of(1).after());
    after.input(input()).allow_late().expect(expected([7, 12, 24]));
}

#[test]
fn with_lateness_without_end_no_record_is_late_before_the_end_of_time() {
    for_ever(Windows::new(Tumbling::of(2.seconds()), EventTime).lateness(Timespan::MAX));
    for_ever(Windows::new(Tumbling::of(2.seconds()), Undisclosed(EventTime)).lateness(Timespan::MAX));
}

/// A record that comes as late as it can.
fn for_ever<R: TriggerFor<Fixed, i64>>(windows: Windows<Tumbling, R>) {
    windows
        .sums([])
        .input([e("k", 1, 500), watermark(1_999), watermark(i64::MAX - 1), e("k", 2, 600)])
        .allow_late()
        .expect([e("k", 1, 1_999), watermark(1_999), watermark(i64::MAX - 1), e("k", 3, 1_999)]);
}
