//! Timers: when they are due, in which order, and what of them survives.

use millstream_actors::time::Timestamp;

use super::*;
use crate::model::KeyHash;

type Alarms = Timers<String, u64>;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn register(timers: &mut Alarms, millis: i64, key: &str, namespace: u64) {
    timers.register(at(millis), hash_key(key), &key.to_owned(), &namespace).unwrap();
}

fn due(timers: &mut Alarms, up_to: i64) -> Vec<(i64, String, u64)> {
    std::iter::from_fn(|| timers.pop_due(at(up_to)).unwrap())
        .map(|(time, _, key, namespace)| (time.as_millis(), key, namespace))
        .collect()
}

#[test]
fn t1_timer_registered_twice_fires_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut timers = Alarms::open(&mut store, "timers").unwrap();
    register(&mut timers, 10, "k", 0);
    register(&mut timers, 10, "k", 0);
    assert_eq!(due(&mut timers, 9), []);
    assert_eq!(timers.next(), Some(at(10)));
    assert_eq!(due(&mut timers, 10), [(10, "k".to_owned(), 0)]);
    assert_eq!(timers.next(), None);
}

#[test]
fn t2_timers_of_two_keys_fire_after_a_restore() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut timers = Alarms::open(&mut first, "timers").unwrap();
    register(&mut timers, 10, "a", 0);
    register(&mut timers, 10, "b", 0);
    checkpoint(&mut first, &mut timers, 1);
    let mut second = store(&state, 2, Some(1));
    let mut timers = Alarms::open(&mut second, "timers").unwrap();
    let mut keys: Vec<String> = due(&mut timers, 10).into_iter().map(|(_, key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn timer_that_is_registered_already_is_not_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut timers = Alarms::open(&mut store, "timers").unwrap();
    register(&mut timers, 10, "k", 0);
    checkpoint(&mut store, &mut timers, 1);
    register(&mut timers, 10, "k", 0);
    store.barrier(CheckpointId(2), &mut timers).unwrap();
    assert_eq!(store.encode(usize::MAX, &mut timers).unwrap().unwrap()().unwrap().rows, 0);
}

#[test]
fn timers_of_one_time_and_hash_come_in_the_order_of_their_encodings() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut timers = Alarms::open(&mut store, "timers").unwrap();
    for key in ["c", "a", "bb", "b"] {
        timers.register(at(1), KeyHash(7), &key.to_owned(), &0).unwrap();
    }
    let keys: Vec<String> = due(&mut timers, 1).into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "c", "bb"]);
}

/// Timers at 40 times, some of them long before others are even registered, in an order that `mixed` mixes up.
fn alarms(mixed: u64) -> impl Iterator<Item = (i64, String, u64)> {
    let all = 20_000;
    (0..all)
        .map(move |n| (n * 7919 + mixed * 101) % all)
        .map(|n| ((n % 40) as i64 * 1000 - 20_000, format!("key {}", n % 5000), n))
}

#[test]
fn order_depends_neither_on_registration_nor_on_eviction_nor_on_restarts() {
    let expected = {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store(&open(directory.path()), 1, None);
        let mut timers = Alarms::open(&mut store, "timers").unwrap();
        alarms(0).for_each(|(time, key, n)| register(&mut timers, time, &key, n));
        due(&mut timers, i64::MAX)
    };
    assert_eq!(expected.len(), 20_000);
    assert!(expected.is_sorted_by_key(|(time, ..)| *time));

    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut timers = Alarms::open(&mut first, "timers").unwrap();
    alarms(1).for_each(|(time, key, n)| register(&mut timers, time, &key, n));
    settle(&mut first, &mut timers, 1);
    let mut found = Vec::new();
    for slice in 0..10 {
        found.extend(due(&mut timers, -20_000 + slice * 1000));
        first.pressure(&mut timers).unwrap();
    }
    settle(&mut first, &mut timers, 2);
    let mut second = store(&state, 2, Some(2));
    let mut timers = Alarms::open(&mut second, "timers").unwrap();
    assert_eq!(timers.next(), Some(at(-10_000)));
    found.extend(due(&mut timers, i64::MAX));
    assert_eq!(found, expected);
}

#[test]
fn only_the_next_timers_are_read() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut timers = Alarms::open(&mut first, "timers").unwrap();
    alarms(0).for_each(|(time, key, n)| register(&mut timers, time, &key, n));
    settle(&mut first, &mut timers, 1);
    let mut second = store(&state, 2, Some(1));
    let mut timers = Alarms::open(&mut second, "timers").unwrap();
    let in_memory = |timers: &mut Alarms| {
        let mut bytes = 0;
        timers
            .visit(&mut |table| {
                bytes += table.usage().total_bytes;
                Ok(())
            })
            .unwrap();
        bytes
    };
    let at_first = in_memory(&mut timers);
    assert_eq!(due(&mut timers, -20_000).len(), 500);
    // Those that were taken are to be removed from disk, too.
    assert!(in_memory(&mut timers) < 2 * at_first);
    assert_eq!(due(&mut timers, i64::MAX).len(), 19_500);
    assert!(in_memory(&mut timers) > 3 * at_first);
}
