//! What is in flight between two subtasks is bounded by credits, however fast the one and however slow the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use millstream::actors::ids::SubtaskId;
use millstream::prelude::*;

use crate::rig::{self, Tap};

/// Holds whoever passes until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, opened) = &*self.0;
        let wait = opened.wait_while(open.lock().expect("nobody panics here"), |open| !*open);
        drop(wait.expect("nobody panics here"));
    }
}

/// Opens its gate when it goes: a test that fails must not leave threads behind it.
struct Opener(Gate);

impl Drop for Opener {
    fn drop(&mut self) {
        let (open, opened) = &*self.0.0;
        *open.lock().expect("nobody panics here") = true;
        opened.notify_all();
    }
}

const CREDITS: usize = 3;
const BATCH_RECORDS: usize = 50;
const RECORDS: u64 = 20_000;

/// Runs `senders` fast subtasks into as many slow ones, which take nothing until told, and looks at the job at rest.
fn what_waits_is_bounded(senders: u32) {
    let (gate, taken) = (Gate::default(), Arc::new(AtomicU64::new(0)));
    let topology = Topology::new("flow control");
    let (pass, count) = (gate.clone(), Arc::clone(&taken));
    // A closed gate holds the thread of its subtask. The receivers therefore have threads of their own: subtask i runs
    // on thread i, and only receivers behind the senders get records.
    let receivers = senders as usize;
    topology
        .source("numbers", Generator::new(RECORDS, |number| number))
        .parallelism(senders)
        .partition_by(move |number, all| all - receivers + *number as usize % receivers)
        .parallelism(2 * senders)
        .for_each("gated", move |_| {
            pass.pass();
            count.fetch_add(1, Ordering::SeqCst);
        });
    // Receivers that stand still complete no checkpoint; every attempt at one makes the senders report.
    let options = rig::options(1)
        .workers(2 * senders as usize)
        .credits(CREDITS)
        .batch_records(BATCH_RECORDS)
        .checkpoint_timeout(Duration::from_millis(5))
        .tolerable_failures(u32::MAX);
    let mut job = topology.start(options).expect("it must not fail");
    let opener = Opener(gate);
    rig::wait_until(&job, "senders without credit", |view| {
        (0..senders).all(|index| view.subtasks.get(&SubtaskId::new(0, index)).is_some_and(|sender| sender.blocked > 0))
    });

    // The first record of each receiver is still in its hands, so no credit comes back: nothing moves any more.
    let (read, channels) = (job.ledger().records_in, u64::from(senders * senders));
    let bound = channels * (CREDITS * BATCH_RECORDS) as u64;
    println!("{read} records wait, of {bound} at most");
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    assert!(read <= bound, "{read} records wait, more than {bound}");
    assert!(read >= (CREDITS * BATCH_RECORDS) as u64 / 2, "{read} records are no full channel");

    drop(opener);
    job.wait().expect("it must not fail");
    assert_eq!((taken.load(Ordering::SeqCst), job.ledger().records_in), (RECORDS, RECORDS));
    assert_eq!(job.attempts().len(), 1, "{:#?}", job.attempts());
}

#[test]
fn one_sender_is_held_by_one_slow_receiver() {
    what_waits_is_bounded(1);
}

#[test]
fn two_senders_are_held_by_two_slow_receivers() {
    what_waits_is_bounded(2);
}

#[test]
fn the_first_records_of_a_slow_source_do_not_wait_for_a_full_batch() {
    let (tap, topology) = (Tap::default(), Topology::new("trickle"));
    let (send, receive) = std::sync::mpsc::channel();
    let send = Arc::new(Mutex::new(send));
    topology.source("numbers", rig::Tapped::new(RECORDS, &tap, |number| number)).rebalance().for_each(
        "watched",
        move |number| {
            // Who no longer listens has heard enough.
            let _ = send.lock().expect("nobody panics here").send(number);
        },
    );
    let job = topology.start(rig::options(1).batch_records(1024).without_checkpoints()).unwrap();
    // The source holds back its second record, and its end: only a flush of the idle sender can let the first through.
    tap.release(1);
    assert_eq!(receive.recv().unwrap(), 0);
    drop(job);
}
