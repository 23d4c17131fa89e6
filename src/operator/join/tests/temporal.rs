//! Temporal joins in every mode, and against a table that is searched from its beginning.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases::{Case, Step, case, histories, left, right};
use crate::metrics::{CounterName, LATE};
use crate::operator::{Change, Either, SideOutput, TemporalJoin};
use crate::testing::harness::{Element, end, rec, rec_at, watermark};

/// The side outputs of what is late.
struct Late {
    records: SideOutput<i64>,
    changes: SideOutput<i64>,
}

impl Late {
    fn new() -> Self {
        Self { records: SideOutput::new("late records"), changes: SideOutput::new("late changes") }
    }
}

/// Numbers that can be divided by five delete.
fn change_of(value: i64) -> Change<i64> {
    if value % 5 == 0 { Change::Delete } else { Change::Upsert(value) }
}

/// A join that emits each number with its version, if it has one.
fn join(late: &Late) -> Case<(i64, Option<i64>)> {
    let (records, changes) = (late.records.clone(), late.changes.clone());
    case(move |states| {
        let late = (Some(states.side(&records)), Some(states.side(&changes)));
        let answer = |record: i64, version: Option<&i64>| Some((record, version.copied()));
        TemporalJoin::open("join", (change_of, answer), late, states)
    })
}

fn late_records(late: u64) -> [(CounterName, u64); 1] {
    [(LATE, late)]
}

#[test]
fn record_sees_the_latest_version_that_is_not_later() {
    join(&Late::new())
        .input([
            left('a', 100, 9),
            left('a', 101, 10),
            left('a', 102, 19),
            left('a', 103, 20),
            right('a', 2, 20),
            right('a', 1, 10),
            watermark(30),
        ])
        .expect([
            rec_at((100, None), 9),
            rec_at((101, Some(1)), 10),
            rec_at((102, Some(1)), 19),
            rec_at((103, Some(2)), 20),
            watermark(30),
        ]);
}

#[test]
fn record_waits_until_the_watermark_reaches_it() {
    join(&Late::new())
        .input([left('a', 100, 10), watermark(9), right('a', 1, 10), watermark(10), watermark(11)])
        .expect([watermark(9), rec_at((100, Some(1)), 10), watermark(10), watermark(11)]);
}

#[test]
fn records_of_a_key_come_in_the_order_of_time_and_of_one_time_as_they_came() {
    join(&Late::new())
        .input([left('a', 1, 30), left('a', 2, 10), left('a', 3, 30), left('a', 4, 20), left('a', 5, 10), end()])
        .expect(
            [2, 5, 4, 1, 3].into_iter().zip([10, 10, 20, 30, 30]).map(|(n, at)| rec_at((n, None), at)).chain([end()]),
        );
}

#[test]
fn deleted_row_is_none_until_it_comes_again() {
    join(&Late::new())
        .input([
            right('a', 1, 10),
            right('a', 5, 20),
            right('a', 2, 30),
            left('a', 100, 19),
            left('a', 101, 20),
            left('a', 102, 30),
            watermark(25),
            watermark(40),
        ])
        .expect([
            rec_at((100, Some(1)), 19),
            rec_at((101, None), 20),
            watermark(25),
            rec_at((102, Some(2)), 30),
            watermark(40),
        ]);
}

#[test]
fn version_stays_in_force_for_as_long_as_no_other_comes() {
    join(&Late::new())
        .input([right('a', 1, 10), watermark(1_000), left('a', 100, 9_000), left('b', 101, 9_000), watermark(9_999)])
        .in_any_order()
        .expect([watermark(1_000), rec_at((100, Some(1)), 9_000), rec_at((101, None), 9_000), watermark(9_999)]);
}

#[test]
fn late_record_is_put_aside_and_not_joined() {
    let late = Late::new();
    join(&late)
        .input([right('a', 1, 5), watermark(10), left('a', 100, 10), left('a', 101, 11), end()])
        .expect_side(&late.records, [rec_at(100, 10)])
        .expect_counters(late_records(1))
        .expect([watermark(10), rec_at((101, Some(1)), 11), end()]);
}

#[test]
fn late_change_counts_for_records_to_come_unless_a_newer_one_does() {
    let late = Late::new();
    join(&late)
        .input([
            right('a', 1, 5),
            watermark(10),
            right('a', 2, 8),
            right('a', 3, 7),
            right('b', 4, 9),
            left('a', 100, 11),
            left('b', 101, 11),
            end(),
        ])
        .expect_side(&late.changes, [rec_at(2, 8), rec_at(3, 7), rec_at(4, 9)])
        .expect_counters(late_records(3))
        .in_any_order()
        .expect([watermark(10), rec_at((100, Some(2)), 11), rec_at((101, Some(4)), 11), end()]);
}

#[test]
fn deletion_that_the_watermark_has_passed_is_forgotten() {
    let late = Late::new();
    join(&late)
        .input([right('a', 1, 5), right('a', 5, 8), watermark(9), right('a', 2, 7), left('a', 100, 11), end()])
        .expect_side(&late.changes, [rec_at(2, 7)])
        .expect([watermark(9), rec_at((100, Some(2)), 11), end()]);
}

#[test]
fn record_and_change_need_event_time() {
    for value in [Either::Left(1), Either::Right(1)] {
        join(&Late::new())
            .input([rec(('a', value))])
            .expect_error("join: a record has no event time: call `event_time` before the join");
    }
}

/// The table of each key, and the records that wait, in the order in which they came.
#[derive(Default)]
struct Naive {
    table: BTreeMap<(char, i64), Change<i64>>,
    waiting: Vec<(char, i64, i64)>,
    watermark: Option<i64>,
    output: Vec<Element<(i64, Option<i64>)>>,
    late_records: Vec<Element<i64>>,
    late_changes: Vec<Element<i64>>,
}

impl Naive {
    fn step(&mut self, step: Step) {
        let watermark_at = self.watermark;
        let is_late = |time| watermark_at.is_some_and(|at| time <= at);
        match step {
            Step::Left { value, time, .. } if is_late(time) => self.late_records.push(rec_at(value, time)),
            Step::Left { key, value, time } => self.waiting.push((key, value, time)),
            Step::Right { key, value, time } => {
                if is_late(time) {
                    self.late_changes.push(rec_at(value, time));
                    let until_now = (key, time)..=(key, watermark_at.unwrap_or(time));
                    if self.table.range(until_now).any(|((_, since), _)| *since > time) {
                        return;
                    }
                }
                self.table.insert((key, time), change_of(value));
            }
            Step::Advance(to) => self.advance(to),
        }
    }

    fn advance(&mut self, to: i64) {
        self.waiting.sort_by_key(|(_, _, time)| *time);
        let due = self.waiting.iter().take_while(|(_, _, time)| *time <= to).count();
        for (key, value, time) in self.waiting.drain(..due) {
            let version = self.table.range((key, i64::MIN)..=(key, time)).next_back();
            let row = version.and_then(|(_, change)| change.row().copied());
            self.output.push(rec_at((value, row), time));
        }
        // A deletion that the watermark has reached is forgotten, as is all that came before it.
        for key in ['a', 'b'] {
            let known = self.table.range((key, i64::MIN)..=(key, to)).next_back();
            if let Some((deleted, Change::Delete)) = known.map(|(at, change)| (*at, *change)) {
                self.table.retain(|(of, time), _| *of != key || *time > deleted.1);
            }
        }
        self.watermark = Some(to);
        self.output.push(watermark(to));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn temporal_join_is_a_search_of_the_table(history in histories()) {
        let mut naive = Naive::default();
        history.iter().for_each(|step| naive.step(*step));
        let input = history.iter().map(|step| match *step {
            Step::Left { key, value, time } => left(key, value, time),
            Step::Right { key, value, time } => right(key, value, time),
            Step::Advance(to) => watermark(to),
        });
        let late = Late::new();
        let counted = late_records((naive.late_records.len() + naive.late_changes.len()) as u64);
        join(&late)
            .input(input)
            .expect_side(&late.records, naive.late_records)
            .expect_side(&late.changes, naive.late_changes)
            .expect_counters(counted)
            .in_any_order()
            .expect(naive.output);
    }
}
