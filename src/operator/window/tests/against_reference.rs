//! Assigners, default triggers and merging windows give what the reference gives, step by step, for random histories.

use millstream_actors::time::{TimespanUnits, Timestamp};
use proptest::prelude::*;

use super::rehearsal::{Rehearsal, Seen, Step};
use crate::model::Record;
use crate::operator::window::reference::{Cut, Outcome, Reference, Step as Told, Time};
use crate::operator::window::trigger::{EndOfStream, EventTime, MergingTrigger, ProcessingTime, Purging, Trigger};
use crate::operator::window::{Fixed, Global, Merging, Session, Sliding, Tumbling, WindowAssigner};

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Records around the present, in no order, and a time that advances now and then; in the end it is over.
fn histories() -> impl Strategy<Value = Vec<Told>> {
    let element = (0..3u8, -30i64..20).prop_map(|(key, time)| Told::Element { key, value: 0, time });
    let advance = (0i64..15).prop_map(Told::Advance);
    let steps = prop_oneof![3 => element, 1 => advance];
    proptest::collection::vec(steps, 1..60).prop_map(|mut steps| {
        let mut now = -20;
        for (number, step) in steps.iter_mut().enumerate() {
            match step {
                Told::Advance(by) => {
                    now += *by;
                    *by = now;
                }
                Told::Element { value, time, .. } => {
                    *value = number as i64;
                    *time += now;
                }
            }
        }
        steps.insert(0, Told::Advance(-20));
        steps.push(Told::Advance(i64::MAX));
        steps
    })
}

fn judge<A: WindowAssigner<i64>, R: Trigger<i64>>(
    mut rehearsal: Rehearsal<A, R>,
    mut reference: Reference,
    time: Time,
    steps: &[Told],
) {
    for (number, step) in steps.iter().enumerate() {
        let played = match *step {
            Told::Element { key, value, time } => {
                Step::Element(KEYS[usize::from(key)], Record::at(value, Timestamp::from_millis(time)))
            }
            Told::Advance(to) if matches!(time, Time::Processing) => Step::Clock(Timestamp::from_millis(to)),
            Told::Advance(to) => Step::Watermark(Timestamp::from_millis(to)),
        };
        let seen = rehearsal.step(played).unwrap().into_iter().map(outcome_of).collect::<Vec<_>>();
        assert_eq!(seen, reference.step(*step), "step {number} of {steps:?}");
    }
}

fn outcome_of(seen: Seen) -> Outcome {
    let number_of = |name| KEYS.iter().position(|key| *key == name).unwrap() as u8;
    match seen {
        Seen::Fired { key, window, mut values } => {
            values.sort_unstable();
            Outcome::Fired { key: number_of(key), window, values }
        }
        Seen::Late { key, value } => Outcome::Late { key: number_of(key), value },
    }
}

/// Judges windows that do not merge, accumulating and purging.
fn fixed<A, R>(assigner: A, trigger: R, cut: Cut, time: Time, lateness: i64, steps: &[Told])
where
    A: WindowAssigner<i64, Kind = Fixed>,
    R: Trigger<i64>,
{
    let accumulating = Rehearsal::new(assigner.clone(), trigger.clone()).lateness(lateness.millis());
    judge(accumulating, Reference::new(cut, time, false), time, steps);
    let purging = Rehearsal::new(assigner, Purging::of(trigger)).lateness(lateness.millis());
    judge(purging, Reference::new(cut, time, true), time, steps);
}

/// Judges windows that merge, accumulating and purging.
fn merging<A, R>(assigner: A, trigger: R, cut: Cut, time: Time, lateness: i64, steps: &[Told])
where
    A: WindowAssigner<i64, Kind = Merging>,
    R: MergingTrigger<i64>,
{
    let accumulating = Rehearsal::merging(assigner.clone(), trigger.clone()).lateness(lateness.millis());
    judge(accumulating, Reference::new(cut, time, false), time, steps);
    let purging = Rehearsal::merging(assigner, Purging::of(trigger)).lateness(lateness.millis());
    judge(purging, Reference::new(cut, time, true), time, steps);
}

proptest! {
    #[test]
    fn tumbling_windows_are_those_of_the_reference(
        steps in histories(), size in 1i64..25, share in -0.99f64..0.99, lateness in 0i64..20,
    ) {
        let offset = (size as f64 * share) as i64;
        let cut = Cut::Tumbling { size, offset };
        let assigner = Tumbling::of(size.millis()).offset(offset.millis());
        fixed(assigner.clone(), EventTime, cut, Time::Event { lateness }, lateness, &steps);
        fixed(assigner.processing_time(), ProcessingTime, cut, Time::Processing, lateness, &steps);
    }

    #[test]
    fn sliding_windows_are_those_of_the_reference(
        steps in histories(), size in 1i64..25, slide in 1i64..25, share in -0.99f64..0.99, lateness in 0i64..20,
    ) {
        let offset = (slide as f64 * share) as i64;
        let cut = Cut::Sliding { size, slide, offset };
        let assigner = Sliding::of(size.millis(), slide.millis()).offset(offset.millis());
        fixed(assigner.clone(), EventTime, cut, Time::Event { lateness }, lateness, &steps);
        fixed(assigner.processing_time(), ProcessingTime, cut, Time::Processing, lateness, &steps);
    }

    #[test]
    fn sessions_are_those_of_the_reference(steps in histories(), gap in 1i64..15, lateness in 0i64..20) {
        let cut = Cut::Session { gap };
        let assigner = Session::with_gap(gap.millis());
        merging(assigner.clone(), EventTime, cut, Time::Event { lateness }, lateness, &steps);
        merging(assigner.processing_time(), ProcessingTime, cut, Time::Processing, lateness, &steps);
    }

    #[test]
    fn global_window_is_that_of_the_reference(steps in histories()) {
        let time = Time::Event { lateness: 0 };
        fixed(Global, EndOfStream, Cut::Global, time, 0, &steps);
    }
}
