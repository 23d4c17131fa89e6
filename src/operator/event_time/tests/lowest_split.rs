//! The law of the lowest split: whatever is read and in which order, nothing is said that a split has not reached.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rehearsal::Rehearsal;
use crate::operator::event_time::Watermarks;
use millstream_actors::time::TimespanUnits;

#[derive(Debug, Clone, Copy)]
enum Step {
    Take,
    Read { split: usize, time: i64 },
    Finish { split: usize },
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Take),
        10 => (0usize..8, 0i64..100).prop_map(|(split, time)| Step::Read { split, time }),
        1 => (0usize..8).prop_map(|split| Step::Finish { split }),
        5 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn watermark_is_never_above_the_lowest_of_the_active_splits(bound in 0i64..20, steps in steps()) {
        let mut stream = Rehearsal::behind_a_source(Watermarks::bounded_out_of_order(bound.millis()), 0);
        // Per active split, the highest time it has seen.
        let mut active = BTreeMap::<u64, Option<i64>>::new();
        let (mut taken, mut now, mut last) = (0, 0, i64::MIN);
        for step in steps {
            let pick = |split: usize| active.keys().nth(split % active.len().max(1)).copied();
            let before = active.clone();
            let said = match step {
                Step::Take => {
                    active.insert(taken, None);
                    taken += 1;
                    stream.taken(taken - 1)
                }
                Step::Read { split, time } => match pick(split) {
                    None => Vec::new(),
                    Some(split) => {
                        active.entry(split).and_modify(|seen| *seen = Some(seen.map_or(time, |seen| seen.max(time))));
                        stream.records_of(split, &[time])
                    }
                },
                Step::Finish { split } => match pick(split) {
                    None => Vec::new(),
                    Some(split) => {
                        active.remove(&split);
                        stream.finished(split)
                    }
                },
                Step::Tick => {
                    now += 200;
                    stream.clock(now)
                }
            };
            // A split that finishes has its say before it goes.
            let lowest = |splits: &BTreeMap<u64, Option<i64>>| {
                splits.values().map(|seen| seen.map_or(i64::MIN, |seen| seen - bound - 1)).min()
            };
            let allowed = lowest(&active).or_else(|| lowest(&before)).unwrap_or(i64::MIN);
            for line in said {
                let watermark = line.strip_prefix("WM ").expect("nothing else is said").parse::<i64>().unwrap();
                prop_assert!(watermark > last, "{watermark} after {last}");
                prop_assert!(watermark <= allowed, "{watermark} is above {allowed}");
                last = watermark;
            }
            // And a tick says all that may be said.
            if matches!(step, Step::Tick) && lowest(&active).is_some_and(|lowest| lowest > last) {
                prop_assert!(false, "{:?} could have been said, {last} was", lowest(&active));
            }
        }
    }
}
