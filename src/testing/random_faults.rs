//! Draws faults from a seed: those that kill, of all actors, at all points; and those of all other kinds.

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

/// How much later than it should something comes, at most, in milliseconds.
const LATE_MILLIS: u64 = 200;

/// Draws `count` kills for the actors of `plan`.
pub(super) fn kills(seed: u64, count: usize, plan: &Plan) -> Vec<Fault> {
    // Another sequence than that of the run, so that the same run can be had without its faults.
    let mut random = SplitMix64::of_item(seed, 1);
    (0..count).map(|_| kill(&mut random, plan)).collect()
}

/// Draws `count` faults that do not kill an actor.
pub(super) fn others(seed: u64, count: usize, plan: &Plan) -> Vec<Fault> {
    let mut random = SplitMix64::of_item(seed, 2);
    (0..count).map(|_| other(&mut random, plan)).collect()
}

fn other(random: &mut SplitMix64, plan: &Plan) -> Fault {
    let target = draw_subtask(random, plan);
    let late = Duration::from_millis(1 + random.below(LATE_MILLIS));
    let fault = match random.below(9) {
        0 => return Fault::panic(target).at_record(random.below(RECORDS)),
        1 => Fault::power_loss().at(CrashPoint::AfterPersist),
        2 => Fault::fail_write(target),
        3 => Fault::fail_commit(target),
        4 => Fault::fail_publish(),
        5 => Fault::slow_commit(target, late),
        6 => Fault::slow_write(target, late),
        7 => Fault::late_ack(target, late),
        _ => Fault::slow_publish(late),
    };
    fault.nth(1 + random.below(OCCASIONS))
}

fn kill(random: &mut SplitMix64, plan: &Plan) -> Fault {
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
    match draw_subtask(random, plan) {
        Target::Subtask { uid, .. } if kind == 7 => Target::Block { uid },
        target => target,
    }
}

/// A subtask of a block in which something has a uid, if there is one.
fn draw_subtask(random: &mut SplitMix64, plan: &Plan) -> Target {
    let named = plan.blocks.iter().filter_map(|block| {
        let uid = block.nodes.iter().find_map(|node| node.uid.clone())?;
        Some((uid, block.parallelism))
    });
    let named = named.collect::<Vec<_>>();
    match named.get(random.below(named.len() as u64) as usize) {
        Some((uid, parallelism)) => Target::subtask(uid, random.below(u64::from(*parallelism)) as u32),
        None => Target::Coordinator,
    }
}
