//! Functions over whole windows: what they see, what they remember, and for how long.

use millstream_actors::time::TimespanUnits;

use super::cases::{Windows, e, sum_of};
use super::undisclosed::Undisclosed;
use crate::error::{Error, Result};
use crate::metrics::FILTERED;
use crate::model::Record;
use crate::operator::aggregate::Sum;
use crate::operator::window::contents::{Accumulated, Call, Listed, Processed};
use crate::operator::window::trigger::{EventTime, ProcessingTime, Purging};
use crate::operator::window::{KeepAll, Session, Sliding, TimeWindow, Tumbling, WindowContext, WindowFunction};
use crate::testing::harness::{Element, end, processing_time, rec_at, watermark};

/// Says how often a window and a key have fired, with what, and when.
#[derive(Clone)]
struct Told;

impl WindowFunction<String, [Record<i64>]> for Told {
    type Out = String;
    type KeyState = u64;
    type WindowState = u64;

    fn process(
        &mut self,
        key: &String,
        records: &[Record<i64>],
        context: &mut WindowContext<'_, u64, u64>,
        out: &mut Vec<String>,
    ) -> Result<()> {
        *context.window_state += 1;
        *context.key_state += 1;
        let (of_window, of_key) = (*context.window_state, *context.key_state);
        let (sum, window, watermark) = (sum_of(records), context.window(), context.watermark());
        out.push(format!("{key}: {sum} in {window}, {of_window} of {of_key}, at {watermark}"));
        Ok(())
    }
}

fn told(text: &str, millis: i64) -> Element<String> {
    rec_at(text.to_owned(), millis)
}

fn late() -> [Element<(String, i64)>; 9] {
    [
        e("a", 1, 500),
        watermark(999),
        e("a", 2, 600),
        e("b", 4, 700),
        e("a", 8, 1_500),
        watermark(1_999),
        watermark(10_000),
        e("a", 16, 10_500),
        end(),
    ]
}

fn late_told() -> [Element<String>; 8] {
    [
        told("a: 1 in [0, 1000), 1 of 1, at 999", 999),
        watermark(999),
        told("a: 3 in [0, 1000), 2 of 2, at 999", 999),
        told("b: 4 in [0, 1000), 1 of 1, at 999", 999),
        told("a: 8 in [1000, 2000), 1 of 3, at 1999", 1_999),
        watermark(1_999),
        watermark(10_000),
        told("a: 16 in [10000, 11000), 1 of 4, at max", 10_999),
    ]
}

#[test]
fn function_remembers_the_key_and_the_window() {
    let expected = || late_told().into_iter().chain([end()]);
    let contents = || Listed::new(KeepAll, Processed::new(Told));
    let by_rule = Windows::new(Tumbling::of(1.seconds()), EventTime).lateness(5.seconds());
    by_rule.keeping(contents).input(late()).allow_late().expect(expected());
    let asked = Windows::new(Tumbling::of(1.seconds()), Undisclosed(EventTime)).lateness(5.seconds());
    asked.keeping(contents).input(late()).allow_late().expect(expected());
}

#[test]
fn function_remembers_windows_that_overlap() {
    Windows::new(Sliding::of(2.seconds(), 1.seconds()), EventTime)
        .lateness(5.seconds())
        .keeping(|| Listed::new(KeepAll, Processed::new(Told)))
        .input([e("a", 1, 500), watermark(999), e("a", 2, 600), end()])
        .allow_late()
        .expect([
            told("a: 1 in [-1000, 1000), 1 of 1, at 999", 999),
            watermark(999),
            told("a: 3 in [-1000, 1000), 2 of 2, at 999", 999),
            told("a: 3 in [0, 2000), 1 of 3, at max", 1_999),
            end(),
        ]);
}

#[test]
fn window_is_remembered_over_purges_until_it_is_over() {
    Windows::new(Tumbling::of(1.seconds()), Purging::of(EventTime))
        .lateness(5.seconds())
        .keeping(|| Listed::new(KeepAll, Processed::new(Told)))
        .input([e("a", 1, 500), watermark(999), e("a", 2, 600), watermark(7_000), end()])
        .allow_late()
        .expect([
            told("a: 1 in [0, 1000), 1 of 1, at 999", 999),
            watermark(999),
            told("a: 2 in [0, 1000), 2 of 2, at 999", 999),
            watermark(7_000),
            end(),
        ]);
}

/// Says what the clock shows; fails for sums that are negative.
#[derive(Clone)]
struct Timed;

impl WindowFunction<String, i64> for Timed {
    type Out = (i64, i64);
    type KeyState = ();
    type WindowState = ();

    fn process(
        &mut self,
        _: &String,
        sum: &i64,
        context: &mut WindowContext<'_, (), ()>,
        out: &mut Vec<(i64, i64)>,
    ) -> Result<()> {
        if *sum < 0 {
            return Err(Error::other("less than nothing"));
        }
        out.push((*sum, context.processing_time().as_millis()));
        Ok(())
    }
}

#[test]
fn function_sees_the_clock_and_may_fail() {
    let windows = Windows::new(Tumbling::of(1.seconds()).processing_time(), ProcessingTime);
    let contents = || Accumulated::new(Sum::of(|value: &i64| *value), Processed::new(Timed));
    windows
        .keeping(contents)
        .input([processing_time(100), e("a", 5, 0), processing_time(1_700)])
        .expect([rec_at((5, 1_700), 999)]);
    let negative = [processing_time(100), e("a", -5, 0), processing_time(1_700)];
    windows.keeping(contents).input(negative).expect_error("windows: less than nothing");
}

#[test]
fn records_are_seen_in_the_order_in_which_they_came() {
    let list = |_: &String, _: TimeWindow, records: &[Record<i64>]| {
        [records.iter().map(|record| record.value).collect::<Vec<_>>()]
    };
    Windows::new(Tumbling::of(1.seconds()), EventTime)
        .keeping(move || Listed::new(KeepAll, Call::new(list)))
        .input([e("a", 3, 900), e("a", 1, 100), e("a", 2, 500), end()])
        .expect([rec_at(vec![3, 1, 2], 999), end()]);
    // The sessions were kept apart until the last record came: the parts are in the order of time.
    Windows::new(Session::with_gap(1.seconds()), EventTime)
        .keeping(move || Listed::new(KeepAll, Call::new(list)))
        .input([e("a", 3, 2_000), e("a", 1, 100), e("a", 2, 1_050), end()])
        .expect([rec_at(vec![1, 3, 2], 2_999), end()]);
}

#[test]
fn record_between_the_windows_is_counted_as_filtered() {
    Windows::new(Sliding::of(1.seconds(), 5.seconds()), EventTime)
        .summing()
        .input([e("a", 1, 500), e("a", 2, 3_000), end()])
        .expect_counters([(FILTERED, 1)])
        .expect([e("a", 1, 999), end()]);
}
