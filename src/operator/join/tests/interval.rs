//! Interval joins in every mode, and against nested loops over all that ever came.

use millstream_actors::time::TimespanUnits;
use proptest::prelude::*;

use super::cases::{Case, Step, case, histories, left, right};
use crate::metrics::{CounterName, LATE};
use crate::operator::{Bounds, Either, IntervalJoin, SideOutput};
use crate::testing::harness::{Element, end, rec, rec_at, watermark};

/// The side outputs of late records.
struct Late {
    left: SideOutput<i64>,
    right: SideOutput<i64>,
}

impl Late {
    fn new() -> Self {
        Self { left: SideOutput::new("late left"), right: SideOutput::new("late right") }
    }
}

/// A join that emits the numbers of each pair.
fn join(bounds: Bounds, late: &Late) -> Case<(i64, i64)> {
    let (late_left, late_right) = (late.left.clone(), late.right.clone());
    case(move |states| {
        let late = (Some(states.side(&late_left)), Some(states.side(&late_right)));
        IntervalJoin::open("join", bounds, |left: &i64, right: &i64| (*left, *right), late, states)
    })
}

fn late_records(late: u64) -> [(CounterName, u64); 1] {
    [(LATE, late)]
}

#[test]
fn records_of_a_key_join_within_the_bounds_whoever_comes_first() {
    join(Bounds::between(-1.millis(), 2.millis()), &Late::new())
        .input([
            left('a', 1, 10),
            right('a', 2, 9),
            right('a', 3, 12),
            right('b', 4, 10),
            right('a', 5, 13),
            watermark(9),
            left('a', 6, 11),
            end(),
        ])
        .expect([rec_at((1, 2), 10), rec_at((1, 3), 12), watermark(9), rec_at((6, 3), 12), rec_at((6, 5), 13), end()]);
}

#[test]
fn record_at_the_watermark_is_late_and_the_one_behind_it_is_not() {
    let late = Late::new();
    join(Bounds::between(-5.millis(), 5.millis()), &late)
        .input([
            left('a', 1, 20),
            right('a', 2, 18),
            watermark(19),
            left('a', 3, 19),
            right('a', 4, 18),
            right('a', 5, 20),
            end(),
        ])
        .expect_side(&late.left, [rec_at(3, 19)])
        .expect_side(&late.right, [rec_at(4, 18)])
        .expect_counters(late_records(2))
        .expect([rec_at((1, 2), 20), watermark(19), rec_at((1, 5), 20), end()]);
}

#[test]
fn record_waits_for_the_last_that_it_may_join() {
    let bounds = Bounds::between(-3.millis(), 4.millis());
    join(bounds, &Late::new())
        .input([left('a', 1, 10), right('a', 2, 10), watermark(12), right('a', 3, 14), left('a', 4, 13), watermark(13)])
        .expect([
            rec_at((1, 2), 10),
            watermark(12),
            rec_at((1, 3), 14),
            rec_at((4, 2), 13),
            rec_at((4, 3), 14),
            watermark(13),
        ]);
}

#[test]
fn record_without_time_cannot_be_joined() {
    join(Bounds::between(-1.millis(), 1.millis()), &Late::new())
        .input([rec(('a', Either::Left(1)))])
        .expect_error("join: a record has no event time: call `event_time` before the join");
}

/// What a join gives and turns away that never forgets anything.
#[derive(Default)]
struct Naive {
    left: Vec<(char, i64, i64)>,
    right: Vec<(char, i64, i64)>,
    watermark: Option<i64>,
    output: Vec<Element<(i64, i64)>>,
    late_left: Vec<Element<i64>>,
    late_right: Vec<Element<i64>>,
}

impl Naive {
    fn step(&mut self, step: Step, lower: i64, upper: i64) {
        let watermark_at = self.watermark;
        let is_late = |time| watermark_at.is_some_and(|at| time <= at);
        let mut pairs = Vec::new();
        match step {
            Step::Advance(to) => {
                self.watermark = Some(to);
                self.output.push(watermark(to));
            }
            Step::Left { value, time, .. } if is_late(time) => self.late_left.push(rec_at(value, time)),
            Step::Right { value, time, .. } if is_late(time) => self.late_right.push(rec_at(value, time)),
            Step::Left { key, value, time } => {
                let fits = |other: i64| time + lower <= other && other <= time + upper;
                let others = self.right.iter().filter(|(of, _, other)| *of == key && fits(*other));
                pairs.extend(others.map(|(_, right, other)| (*other, rec_at((value, *right), time.max(*other)))));
                self.left.push((key, value, time));
            }
            Step::Right { key, value, time } => {
                let fits = |other: i64| other + lower <= time && time <= other + upper;
                let others = self.left.iter().filter(|(of, _, other)| *of == key && fits(*other));
                pairs.extend(others.map(|(_, left, other)| (*other, rec_at((*left, value), time.max(*other)))));
                self.right.push((key, value, time));
            }
        }
        pairs.sort_by_key(|(other, _)| *other);
        self.output.extend(pairs.into_iter().map(|(_, pair)| pair));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn interval_join_is_a_nested_loop(history in histories(), lower in -12i64..12, length in 0i64..12) {
        let (upper, mut naive) = (lower + length, Naive::default());
        history.iter().for_each(|step| naive.step(*step, lower, upper));
        let input = history.iter().map(|step| match *step {
            Step::Left { key, value, time } => left(key, value, time),
            Step::Right { key, value, time } => right(key, value, time),
            Step::Advance(to) => watermark(to),
        });
        let late = Late::new();
        let counted = late_records((naive.late_left.len() + naive.late_right.len()) as u64);
        join(Bounds::between(lower.millis(), upper.millis()), &late)
            .input(input)
            .expect_side(&late.left, naive.late_left)
            .expect_side(&late.right, naive.late_right)
            .expect_counters(counted)
            .expect(naive.output);
    }
}
