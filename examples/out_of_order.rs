//! Counts what was bought per minute, twice: by the clock of the machine, which is wrong, and by event time, which is right.
//!
//! A shop's line is down for two minutes. What was bought meanwhile arrives in one go when it is up again. By the clock,
//! everything was bought then; in event time, each purchase is in the minute in which it was made.
//!
//! The job runs in virtual time, so it is over at once, and gives the same whenever it runs. Prints both counts.

use std::time::Duration;

use millstream::prelude::*;
use millstream::testing::{Script, Simulation};

/// One purchase every ten seconds for four minutes, each as the second at which it was made: that is the truth, six per
/// minute.
const PURCHASES: u64 = 24;
/// The line is down from the first minute to the third.
const DOWN: std::ops::Range<u64> = 60..180;

/// Purchases in the order in which they arrive, with the time that passes between them.
fn arrivals() -> Script<u64> {
    let made = |n: u64| 10 * n;
    let (mut script, mut clock) = (Script::new(), 0);
    for purchase in (0..PURCHASES).map(made) {
        let arrives = if DOWN.contains(&purchase) { DOWN.end } else { purchase };
        script = script.pause(Duration::from_secs(arrives - clock)).record(purchase);
        clock = arrives;
    }
    // The clock must reach the end of the last minute, or that would never fire.
    script.pause(Duration::from_secs(60))
}

fn main() {
    let topology = Topology::new("out of order");
    let [by_clock, by_event] = topology
        .source("purchases", arrivals())
        .event_time(Watermarks::bounded_out_of_order(3.minutes()), |second| second * 1_000)
        .split();
    by_clock
        .window_all("per minute of the clock", Tumbling::of(1.minutes()).processing_time())
        .aggregate(Count)
        .collect("by the clock");
    by_event.window_all("per minute", Tumbling::of(1.minutes())).aggregate(Count).collect("by event time");
    let run = Simulation::new(topology, 0)
        .started_at(Timestamp::from_millis(0))
        .options(|options| options.parallelism(1).without_checkpoints())
        .run();

    let (by_clock, by_event) = (run.output::<u64>("by the clock"), run.output::<u64>("by event time"));
    println!("by the clock:  {by_clock:?}");
    println!("by event time: {by_event:?}");
    assert_eq!(by_event, [6, 6, 6, 6], "six were bought each minute");
    assert_eq!(by_clock, [6, 18], "nothing seems to be bought for two minutes, and then everything at once");
}
