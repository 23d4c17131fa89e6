//! What the machine lets through: the waiting of w4 without all the rest. Threads park until records are due, and look at
//! the clock.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::suite::due::{LONGEST_WAIT, Schedule, Start};
use crate::suite::latencies::Latencies;
use crate::suite::report::{Parameters, Report};

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let records = parameters.number("records", 3_000_000)?;
    let rate = NonZeroU64::new(parameters.number("rate", 100_000)?).ok_or("nothing is due at a rate of 0")?;
    let (schedule, start) = (Schedule { records, rate }, Start::default());
    let (latencies, all) = Latencies::new()?;
    let threads = u64::from(parameters.parallelism()?.max(1));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (mut latencies, start) = (latencies.clone(), &start);
            scope.spawn(move || {
                for number in (thread..records).step_by(threads as usize) {
                    let late = wait_until(schedule.due_nanos(number), start);
                    if number >= schedule.warm_up() {
                        latencies.add(late);
                    }
                }
            });
        }
    });
    let seconds = Duration::from_nanos(start.elapsed_nanos()).as_secs_f64();
    Ok(Report::without_job("w4_bare", records, parameters, seconds).with("latency_us", all.summary()))
}

/// Waits as the source of w4 does; gives by how much it was too long, in nanoseconds.
fn wait_until(due: u64, start: &Start) -> u64 {
    loop {
        let now = start.elapsed_nanos();
        match due.checked_sub(now) {
            None | Some(0) => return now - due,
            Some(left) => std::thread::park_timeout(Duration::from_nanos(left).min(LONGEST_WAIT)),
        }
    }
}
