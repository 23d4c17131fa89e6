//! What gets in between: checkpoints and stops while a watermark lets very many timers or windows fire, a cancellation while
//! one record becomes very many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::actors::observe::JobStatus;
use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, Timer};
use millstream::prelude::*;
use tempfile::TempDir;

/// How many timers fire for one watermark, one after the other.
const TIMERS: i64 = 400_000;

/// Registers the next timer in each that fires, as long as there is one.
struct Chained {
    fired: Arc<AtomicU64>,
}

impl KeyedProcess<u8, u8> for Chained {
    type Out = i64;

    fn on_record<E: Emit<i64>>(&mut self, _: Record<u8>, context: &mut KeyContext<'_, u8>, _: &mut E) -> Result<()> {
        context.register_event_timer(Timestamp::from_millis(1))
    }

    fn on_timer<E: Emit<i64>>(&mut self, timer: Timer, context: &mut KeyContext<'_, u8>, out: &mut E) -> Result<()> {
        self.fired.fetch_add(1, Ordering::Relaxed);
        let millis = timer.time.as_millis();
        if millis < TIMERS {
            context.register_event_timer(Timestamp::from_millis(millis + 1))?;
        }
        out.emit(Record::at(millis, timer.time))
    }
}

/// One record whose timers fire one after the other at the end of its input.
fn chained(fired: &Arc<AtomicU64>) -> (Topology, Collected<i64>) {
    let (topology, fired) = (Topology::new("chained"), Arc::clone(fired));
    let collected = topology
        .source("records", Collection::of([1u8]))
        .event_time(Watermarks::monotonic(), |_| Timestamp::from_millis(0))
        .key_by(|record| *record)
        .process("chained", move |_| Ok(Chained { fired: Arc::clone(&fired) }))
        .collect("fired");
    (topology, collected)
}

#[test]
fn checkpoints_and_a_stop_get_in_while_timers_fire_and_the_rest_fires_after_the_next_start() {
    let (directory, fired) = (TempDir::new().expect("there is a place for files"), Arc::new(AtomicU64::new(0)));
    let options =
        || JobOptions::new().parallelism(1).state_dir(directory.path()).checkpoint_interval(Duration::from_millis(5));
    let (topology, first) = chained(&fired);
    let mut job = topology.start(options()).expect("the topology can be started");
    // Once a timer has fired, three more checkpoints: all of them in the middle of what fires for one watermark.
    let mut before = None;
    let got_in = job.wait_until(|view| {
        if fired.load(Ordering::Relaxed) > 0 {
            before.get_or_insert(view.completed);
        }
        let enough = before.is_some_and(|before| view.completed >= before + 3);
        (enough || view.status.is_final()).then_some(enough)
    });
    assert_eq!(got_in, Some(true), "{:?} after {} timers", job.status(), fired.load(Ordering::Relaxed));
    job.stop();
    job.wait().expect("the job can be stopped");
    assert!(matches!(job.status(), JobStatus::Stopped(_)), "{:?}", job.status());
    let first = first.take();
    assert!((1..TIMERS as usize).contains(&first.len()), "{} of {TIMERS} timers fired before the stop", first.len());

    let (topology, second) = chained(&fired);
    let mut job = topology.start(options()).expect("the topology can be started again");
    assert!(job.resumed_from().is_some(), "it begins with the checkpoint of the stop");
    job.wait().expect("nothing fails");
    let all = first.into_iter().chain(second.take()).collect::<Vec<_>>();
    assert!(all.iter().copied().eq(1..=TIMERS), "{} timers fired, or in another order", all.len());
}

/// Counts on for ever, and shows how far it has come.
fn without_end(seen: &Arc<AtomicU64>) -> impl Iterator<Item = u64> + use<> {
    let seen = Arc::clone(seen);
    (0..).inspect(move |number| seen.store(number + 1, Ordering::Relaxed))
}

/// Cancels the job once its function has given `many` results for one record.
fn cancels(topology: &Topology, seen: &AtomicU64, many: u64) {
    let options = JobOptions::new().parallelism(1).checkpoint_interval(Duration::from_millis(5));
    let mut job = topology.start(options).expect("the topology can be started");
    while seen.load(Ordering::Relaxed) < many {
        std::thread::yield_now();
    }
    job.cancel();
    job.wait().expect("a job that is cancelled has not failed");
    assert_eq!(job.status(), JobStatus::Cancelled);
}

#[test]
fn cancellation_gets_in_while_one_record_becomes_very_many_before_a_sink() {
    let (seen, topology) = (Arc::new(AtomicU64::new(0)), Topology::new("to a sink"));
    let counts = Arc::clone(&seen);
    topology.source("records", Collection::of([1u8])).flat_map(move |_| without_end(&counts)).discard("nowhere");
    cancels(&topology, &seen, 10_000);
}

#[test]
fn cancellation_gets_in_while_one_record_becomes_very_many_before_an_exchange() {
    let (seen, topology) = (Arc::new(AtomicU64::new(0)), Topology::new("to an exchange"));
    let counts = Arc::clone(&seen);
    topology
        .source("records", Collection::of([1u8]))
        .flat_map(move |_| without_end(&counts))
        .rebalance()
        .discard("nowhere");
    cancels(&topology, &seen, 10_000);
}
