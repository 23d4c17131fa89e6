//! Adds up taxi fares per minute, from rides that are reported late: some in time, some as corrections, one too late.
//!
//! A minute fires when the watermark says that it is over. For ten seconds more, each ride that belongs to it gives a new,
//! higher total. What comes later is counted, and put aside: nothing is lost in silence.
//!
//! Prints the totals in the order in which they were given, and the ride that came too late.

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// A ride, and when it ended: in seconds of the day, to keep the numbers short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ride {
    taxi: u32,
    fare: u64,
    ended: i64,
}

/// The rides in the order in which they are reported.
fn rides() -> Vec<Ride> {
    let ride = |taxi, fare, ended| Ride { taxi, fare, ended };
    vec![
        ride(7, 12, 10),
        ride(9, 8, 25),
        ride(7, 20, 50),
        ride(9, 30, 66),  // the first minute is over, and fires
        ride(7, 5, 58),   // it fires again for taxi 7
        ride(9, 10, 80),  // the first minute takes nothing more
        ride(7, 100, 55), // too late
    ]
}

fn main() -> Result<()> {
    let too_late = SideOutput::new("too late");
    // Up to five seconds out of order. `Watermarks::bounded_out_of_order` says the same a few times a second; said behind
    // each ride, it gives this example the same result whenever it runs.
    let watermarks = Watermarks::punctuated(|_: &Ride, ended| Some(ended - 5.seconds() - 1.millis()));
    let topology = Topology::new("windowed fares");
    let totals = topology
        .source("rides", Collection::of(rides()))
        .event_time(watermarks, |ride| ride.ended * 1_000)
        .key_by(|ride| ride.taxi)
        .window("fares per minute", Tumbling::of(1.minutes()))
        .allowed_lateness(10.seconds())
        .late_to(&too_late)
        .aggregate_with(Sum::of(|ride: &Ride| ride.fare), |taxi, minute, total| {
            [(minute.start().as_millis() / 60_000, *taxi, total)]
        })
        .collect("totals");
    let put_aside = topology.side_output(&too_late).collect("rides that came too late");
    let ledger = topology.start(JobOptions::new().parallelism(1))?.wait()?;

    let totals = totals.take();
    for (minute, taxi, total) in &totals {
        println!("minute {minute}: taxi {taxi} has {total}");
    }
    let put_aside = put_aside.take();
    println!("too late: {put_aside:?}");

    // Within a firing, taxis come in any order.
    let mut firing = totals[..2].to_vec();
    firing.sort_unstable();
    assert_eq!(firing, [(0, 7, 32), (0, 9, 8)], "what the first minute has when it is over");
    assert_eq!(totals[2..], [(0, 7, 37), (1, 9, 40)], "the correction, and the second minute");
    assert_eq!(put_aside, [Ride { taxi: 7, fare: 100, ended: 55 }]);
    assert_eq!(ledger.late, 1);
    Ok(())
}
