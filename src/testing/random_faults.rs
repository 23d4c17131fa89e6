//! Draws faults that kill, from a seed: of all actors, at all points.

use std::time::Duration;

use millstream_actors::faults::CrashPoint;

use super::fault::{Fault, Target};
use crate::io::SplitMix64;
use crate::plan::Plan;

/// Occasions of a crash point, of which one is drawn.
const OCCASIONS: u64 = 6;
/// Records behind which a subtask dies, at most.
const RECORDS: u64 = 400;
/// The virtual time at which an actor dies, at most, in milliseconds.
const MILLIS: u64 = 300;

/// Draws `count` kills for the actors of `plan`.
pub(super) fn draw(seed: u64, count: usize, plan: &Plan) -> Vec<Fault> {
    // Another sequence than that of the run, so that the same run can be had without its faults.
    let mut random = SplitMix64::of_item(seed, 1);
    (0..count).map(|_| draw_one(&mut random, plan)).collect()
}

fn draw_one(random: &mut SplitMix64, plan: &Plan) -> Fault {
    let target = draw_target(random, plan);
    let is_coordinator = target == Target::Coordinator;
    let fault = Fault::kill(target);
    match random.below(10) {
        0..=5 => {
            let points = CrashPoint::ALL.into_iter().filter(|point| match point {
                // Passed only where a fault asks for it.
                CrashPoint::Record => false,
                point => fault.target == Target::Job || point.is_coordinators() == is_coordinator,
            });
            let points = points.collect::<Vec<_>>();
            let point = points[random.below(points.len() as u64) as usize];
            fault.at(point).nth(1 + random.below(OCCASIONS))
        }
        6..=7 if !is_coordinator => fault.at_record(random.below(RECORDS)),
        _ => fault.at_time(Duration::from_millis(random.below(MILLIS))),
    }
}

/// A subtask in most cases, else a whole block, the coordinator, or the job.
fn draw_target(random: &mut SplitMix64, plan: &Plan) -> Target {
    let kind = random.below(10);
    if kind == 8 {
        return Target::Coordinator;
    }
    if kind == 9 {
        return Target::Job;
    }
    let named = plan.blocks.iter().filter_map(|block| {
        let uid = block.nodes.iter().find_map(|node| node.uid.clone())?;
        Some((uid, block.parallelism))
    });
    let named = named.collect::<Vec<_>>();
    let Some((uid, parallelism)) = named.get(random.below(named.len() as u64) as usize) else {
        return Target::Coordinator;
    };
    if kind == 7 { Target::block(uid) } else { Target::subtask(uid, random.below(u64::from(*parallelism)) as u32) }
}
