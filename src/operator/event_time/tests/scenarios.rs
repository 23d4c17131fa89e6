//! The scenarios that the semantics of event time name, and the laws beside them.

use millstream_actors::time::{TimeSignal, TimespanUnits, Timestamp};

use super::rehearsal::{Rehearsal, Said};
use crate::model::Record;
use crate::operator::Operator;
use crate::operator::event_time::{EventTime, WatermarkGenerator, Watermarks};

const NOTHING: [&str; 0] = [];

#[test]
fn m8_watermark_is_the_highest_time_less_the_bound_and_one() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::bounded_out_of_order(3_500.millis()));
    assert_eq!(stream.records(&[10_000, 8_000, 12_000]), NOTHING);
    assert_eq!(stream.clock(200), ["WM 8499"]);
    assert_eq!(stream.clock(400), NOTHING);
    assert_eq!(stream.records(&[11_999]), NOTHING);
    assert_eq!(stream.clock(600), NOTHING, "no new maximum");
}

#[test]
fn m9_split_without_records_stalls_the_watermark_unless_it_may_be_idle() {
    let bounded = || Watermarks::bounded_out_of_order(0.millis());
    let both = [0, 1];
    let mut without = Rehearsal::behind_a_source(bounded(), 2);
    both.iter().for_each(|split| drop(without.reading(*split)));
    assert_eq!(without.records_of(0, &[10_000]), NOTHING);
    assert_eq!(without.clock(3_600_000), NOTHING);

    let mut with = Rehearsal::behind_a_source(bounded().idle_after(5.seconds()), 2);
    both.iter().for_each(|split| drop(with.reading(*split)));
    // The clock of idleness begins with the first tick.
    assert_eq!(with.clock(200), NOTHING);
    assert_eq!(with.records_of(0, &[10_000]), NOTHING);
    assert_eq!(with.clock(5_199), NOTHING);
    assert_eq!(with.clock(5_200), ["WM 9999"]);
}

#[test]
fn m10_subtask_without_a_split_is_idle_from_the_start() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic(), 0);
    assert_eq!(stream.unassigned(), ["Idle"]);
    assert_eq!(stream.unassigned(), NOTHING);
    assert_eq!(stream.taken(0), ["Active"]);
    assert_eq!(stream.records_of(0, &[5]), NOTHING);
    assert_eq!(stream.clock(200), ["WM 4"]);
    assert_eq!(stream.finished(0), NOTHING, "between two splits it holds event time back");
    assert_eq!(stream.unassigned(), ["Idle"]);
}

#[test]
fn records_have_the_time_that_the_function_tells() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic());
    let mut out: Vec<Record<i64>> = Vec::new();
    stream.operator.on_record(Record::at(7, Timestamp::from_millis(99)), &mut out).unwrap();
    assert_eq!(out, [Record::at(7, Timestamp::from_millis(7))]);
}

#[test]
fn watermarks_from_before_are_dropped_but_for_the_end_of_time() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic());
    let mut signal = |signal| {
        let mut said = Said::default();
        stream.operator.on_signal(signal, &mut said).unwrap();
        said.lines()
    };
    assert_eq!(signal(TimeSignal::Watermark(Timestamp::from_millis(5))), NOTHING);
    assert_eq!(signal(TimeSignal::Idle), NOTHING);
    assert_eq!(signal(TimeSignal::Active), NOTHING);
    assert_eq!(signal(TimeSignal::Watermark(Timestamp::MAX)), ["WM max"]);
}

#[test]
fn earliest_time_is_never_said() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::bounded_out_of_order(10.millis()));
    assert_eq!(stream.clock(1_000), NOTHING);
    assert_eq!(stream.records(&[i64::MIN + 5]), NOTHING);
    assert_eq!(stream.clock(2_000), NOTHING);
}

#[test]
fn punctuated_watermark_follows_its_record_at_once_and_never_goes_back() {
    let marks = Watermarks::punctuated(|record: &i64, time| (record % 10 == 0).then_some(time));
    let mut stream = Rehearsal::behind_an_exchange(marks);
    assert_eq!(stream.records(&[5, 20, 21]), ["WM 20"]);
    assert_eq!(stream.records(&[10, 30]), ["WM 30"]);
    assert_eq!(stream.clock(1_000), NOTHING);
}

/// Counts how often it was asked.
struct Asked(i64);

impl<T> WatermarkGenerator<T> for Asked {
    fn on_record(&mut self, _record: &T, _time: Timestamp) -> Option<Timestamp> {
        None
    }

    fn on_periodic(&mut self) -> Option<Timestamp> {
        self.0 += 1;
        Some(Timestamp::from_millis(self.0))
    }
}

#[test]
fn generator_of_the_user_is_asked_once_per_period_without_records_too() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::custom(|| Asked(0)).every(50.millis()));
    assert_eq!(stream.clock(170), ["WM 1", "WM 2", "WM 3"]);
}

#[test]
fn quiet_stream_asks_for_no_clock() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic());
    assert_eq!(stream.due(), None);
    stream.records(&[1]);
    assert_eq!(stream.due(), Some(200));
    stream.clock(200);
    assert_eq!(stream.due(), None);
}

#[test]
fn record_behind_a_quiet_time_has_its_watermark_at_once() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic());
    stream.clock(10_000);
    stream.records(&[8]);
    assert_eq!(stream.clock(10_000), ["WM 7"]);
}

#[test]
fn lowest_split_decides_and_a_finished_one_does_not_count() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic(), 3);
    stream.records_of(0, &[10]);
    stream.records_of(2, &[30]);
    assert_eq!(stream.clock(200), NOTHING, "split 1 has not been read");
    stream.records_of(1, &[20]);
    assert_eq!(stream.clock(400), ["WM 9"]);
    assert_eq!(stream.finished(0), ["WM 19"]);
    stream.records_of(1, &[50]);
    assert_eq!(stream.clock(600), ["WM 29"]);
    assert_eq!(stream.finished(2), ["WM 49"]);
}

#[test]
fn what_a_split_reached_before_it_finished_is_said() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic(), 1);
    stream.records_of(0, &[10]);
    assert_eq!(stream.finished(0), ["WM 9"]);
    assert_eq!(stream.taken(1), NOTHING);
    stream.records_of(1, &[5]);
    assert_eq!(stream.clock(200), NOTHING, "the next split begins before, and holds back what is said");
    stream.records_of(1, &[12]);
    assert_eq!(stream.clock(400), ["WM 11"]);
}

#[test]
fn input_falls_idle_after_a_quiet_time_and_is_active_with_its_next_record() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic().idle_after(1.seconds()));
    stream.records(&[10]);
    assert_eq!(stream.clock(1_199), ["WM 9"]);
    assert_eq!(stream.clock(1_200), ["Idle"]);
    assert_eq!(stream.due(), None, "who is idle waits for nothing");
    assert_eq!(stream.records(&[20]), ["Active"]);
    assert_eq!(stream.clock(1_400), ["WM 19"]);
}

#[test]
fn input_without_any_record_falls_idle_too() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic().idle_after(1.seconds()));
    assert_eq!(stream.clock(1_199), NOTHING);
    assert_eq!(stream.clock(1_200), ["Idle"]);
}

#[test]
fn last_split_to_fall_idle_lets_the_watermark_rise_to_the_highest() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic().idle_after(1.seconds()), 2);
    stream.records_of(0, &[10]);
    stream.records_of(1, &[20]);
    assert_eq!(stream.clock(200), ["WM 9"]);
    assert_eq!(stream.clock(1_200), ["WM 19", "Idle"]);
}

#[test]
fn split_that_wakes_behind_does_not_hold_back_what_was_said() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic().idle_after(1.seconds()), 2);
    stream.records_of(1, &[5]);
    stream.clock(200);
    stream.records_of(0, &[10]);
    assert_eq!(stream.clock(1_100), ["WM 4"]);
    stream.records_of(0, &[11]);
    assert_eq!(stream.clock(1_200), ["WM 10"], "split 1 is idle");
    assert_eq!(stream.records_of(1, &[7]), NOTHING);
    stream.records_of(0, &[20]);
    assert_eq!(stream.clock(1_400), ["WM 19"], "split 1 is behind");
    stream.records_of(1, &[25]);
    stream.records_of(0, &[40]);
    assert_eq!(stream.clock(1_600), ["WM 24"]);
}

#[test]
fn idle_clock_stands_still_while_no_input_can_be_taken() {
    let mut stream = Rehearsal::behind_an_exchange(Watermarks::monotonic().idle_after(1.seconds()));
    stream.records(&[10]);
    assert_eq!(stream.clock(600), ["WM 9"]);
    assert_eq!(stream.clock_while_blocked(60_000), NOTHING);
    assert_eq!(stream.clock(60_400), NOTHING);
    assert_eq!(stream.clock(60_800), ["Idle"]);
}

#[test]
fn split_that_waits_to_be_read_is_not_idle() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic().idle_after(1.seconds()), 2);
    stream.records_of(0, &[10]);
    assert_eq!(stream.clock(10_000), NOTHING, "split 1 will be read behind split 0");
    assert_eq!(stream.finished(0), NOTHING);
    stream.records_of(1, &[10]);
    assert_eq!(stream.clock(10_200), ["WM 9"]);
}

#[test]
fn reader_that_names_no_split_has_one_watermark() {
    let mut stream = Rehearsal::behind_a_source(Watermarks::monotonic(), 0);
    stream.records(&[10]);
    assert_eq!(stream.clock(200), ["WM 9"]);
}

#[test]
fn record_without_a_time_says_nothing() {
    let mut context = Rehearsal::behind_an_exchange(Watermarks::monotonic()).context;
    let mut operator = EventTime::open(&Watermarks::monotonic(), |_: &i64| Timestamp::NONE, &mut context);
    let mut out: Vec<Record<i64>> = Vec::new();
    operator.on_record(Record::new(1), &mut out).unwrap();
    assert_eq!(out, [Record::new(1)]);
}

#[test]
fn reader_that_is_held_by_its_group_is_not_idle() {
    let aligned = || Watermarks::monotonic().aligned("group", 100.millis()).idle_after(1.seconds());
    let mut fast = Rehearsal::behind_a_source(aligned(), 1);
    let mut slow = fast.beside(aligned(), 1);
    slow.records_of(0, &[1]);
    fast.records_of(0, &[1_000]);
    assert_eq!(slow.clock(200), ["WM 0"]);
    assert_eq!(fast.clock(200), ["WM 999"]);
    assert!(fast.is_held() && !slow.is_held());
    for tick in 2..100 {
        slow.records(&[tick]);
        slow.clock(tick * 200);
        assert_eq!(fast.clock(tick * 200), NOTHING);
    }
    assert!(fast.is_held());
    slow.records(&[950]);
    slow.clock(21_000);
    assert!(fast.clock(21_000).is_empty());
    assert!(!fast.is_held());
}

#[test]
fn split_that_is_too_far_ahead_of_its_group_is_paused_and_not_idle() {
    let aligned = Watermarks::monotonic().aligned("group", 100.millis()).idle_after(1.seconds());
    let mut reader = Rehearsal::behind_a_source(aligned, 2);
    reader.context.hold.can_pause_splits();
    let paused = |reader: &Rehearsal<_>| reader.context.hold.take_change().map(|splits| splits.len());
    reader.records_of(0, &[1]);
    reader.records_of(1, &[1_000]);
    assert_eq!(reader.clock(200), ["WM 0"]);
    assert_eq!(paused(&reader), Some(1), "and the reader goes on with the other split");
    assert!(!reader.is_held());
    for tick in 2..100 {
        reader.records_of(0, &[tick]);
        reader.clock(tick * 200);
    }
    assert_eq!(paused(&reader), None);
    reader.records_of(0, &[950]);
    assert_eq!(reader.clock(21_000), ["WM 949"], "the split that waits still holds event time back, at 999");
    assert_eq!(paused(&reader), Some(0));
}

#[test]
fn reader_that_cannot_pause_its_splits_goes_on_with_all_of_them() {
    let aligned = Watermarks::monotonic().aligned("group", 100.millis());
    let mut reader = Rehearsal::behind_a_source(aligned, 2);
    reader.records_of(0, &[1]);
    reader.records_of(1, &[1_000]);
    assert_eq!(reader.clock(200), ["WM 0"]);
    assert_eq!(reader.context.hold.take_change(), None);
    assert!(!reader.is_held());
}
