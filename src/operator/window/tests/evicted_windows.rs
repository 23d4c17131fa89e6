//! Windows whose records are evicted, in every mode: by time, by number, by distance, before and after the function.

use millstream_actors::time::TimespanUnits;

use super::cases::{Windows, e, one};
use crate::operator::window::trigger::{Count, EventTime};
use crate::operator::window::{Global, Session, Tumbling, evictor};
use crate::testing::harness::{Element, end, watermark};

const NEVER: i64 = i64::MAX;

/// Two keys in turn, of which every second record fires.
fn two_keys() -> [Element<(String, i64)>; 10] {
    [
        e("k2", 1, 1_000),
        e("k2", 1, 3_999),
        e("k1", 1, 20),
        e("k1", 1, 0),
        e("k2", 1, 1_998),
        e("k2", 1, 2_500),
        e("k1", 1, 999),
        e("k1", 1, 10_999),
        e("k2", 1, 1_000),
        e("k2", 1, 1_999),
    ]
}

#[test]
fn w12_records_are_evicted_by_time_before_the_function() {
    // Of k2, nothing at or before 1999 is in its windows, though it was put there.
    Windows::new(Global, Count::of(2)).evicted(evictor::Time::of(2.seconds())).input(two_keys()).expect([
        e("k2", 1, NEVER),
        e("k1", 2, NEVER),
        e("k2", 2, NEVER),
        e("k1", 1, NEVER),
        e("k2", 2, NEVER),
    ]);
}

#[test]
fn w12_records_are_evicted_by_number_before_and_after_the_function() {
    let counts = |k2: [i64; 3], k1: [i64; 2]| {
        let [first, third, fifth] = k2.map(|count| e("k2", count, NEVER));
        let [second, fourth] = k1.map(|count| e("k1", count, NEVER));
        [first, second, third, fourth, fifth]
    };
    let windows = Windows::new(Global, Count::of(2));
    windows.evicted(evictor::Count::of(3)).input(two_keys()).expect(counts([2, 3, 3], [2, 3]));
    windows.evicted(evictor::Count::of(3).after()).input(two_keys()).expect(counts([2, 4, 5], [2, 4]));
}

#[test]
fn w13_records_far_from_the_last_are_evicted_before_and_after_the_function() {
    let far = |old: &i64, last: &i64| (last - old) as f64;
    let input = || [1, 2, 4, 5, 5, 9].map(|value| e("k", value, 0));
    let sums = |sums: [i64; 3]| sums.map(|sum| e("k", sum, NEVER));
    let windows = Windows::new(Global, Count::of(2));
    // A distance of the threshold is too far.
    windows.evicted(evictor::Delta::of(2.0, far)).input(input()).expect(sums([3, 9, 9]));
    windows.evicted(evictor::Delta::of(2.0, far).after()).input(input()).expect(sums([3, 12, 23]));
}

#[test]
fn records_without_timestamps_are_not_evicted_by_time() {
    Windows::new(Global, Count::of(3))
        .evicted(evictor::Time::of(1.seconds()))
        .input([one("k"), one("k"), one("k")])
        .expect([e("k", 3, NEVER)]);
}

#[test]
fn evicted_session_has_the_records_of_all_that_it_was_merged_from() {
    Windows::new(Session::with_gap(3.seconds()), EventTime)
        .evicted(evictor::Count::of(2))
        .input([e("k", 1, 0), e("k", 2, 5_000), e("k", 4, 2_500), watermark(7_999), end()])
        .expect([e("k", 6, 7_999), watermark(7_999), end()]);
}

#[test]
fn evicted_windows_are_over_like_others() {
    let windows = Windows::new(Tumbling::of(1.seconds()), EventTime);
    windows
        .evicted(evictor::Count::of(5).after())
        .input([e("k", 1, 0), watermark(999), e("k", 2, 5), e("k", 4, 1_000), end()])
        .expect([e("k", 1, 999), watermark(999), e("k", 4, 1_999), end()]);
}
