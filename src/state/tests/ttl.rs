//! Values that live for a time: when they are seen, and that they leave by themselves.

use std::time::Duration;

use millstream_actors::time::Timestamp;

use super::*;

type Sessions = TtlTable<u64, u64>;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ten() -> Ttl {
    Ttl::of(Duration::from_millis(10))
}

fn bytes(tables: &mut dyn VisitTables) -> usize {
    let mut bytes = 0;
    tables
        .visit(&mut |table| {
            bytes += table.usage().total_bytes;
            Ok(())
        })
        .unwrap();
    bytes
}

#[test]
fn ttl1_value_is_seen_until_its_time_has_passed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut sessions = Sessions::open(&mut store, "sessions", ten()).unwrap();
    sessions.insert(hash_key(&1u64), &1, at(0), 7).unwrap();
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(9)).unwrap(), Some(&7));
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(10)).unwrap(), None);
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(0)).unwrap(), None, "it is gone for good");
}

#[test]
fn ttl1_reading_renews_a_value_where_that_counts() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let ttl = ten().updated(TtlUpdate::OnReadAndWrite);
    let mut sessions = Sessions::open(&mut store, "sessions", ttl).unwrap();
    sessions.insert(hash_key(&1u64), &1, at(0), 7).unwrap();
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(9)).unwrap(), Some(&7));
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(18)).unwrap(), Some(&7));
    assert_eq!(sessions.get(hash_key(&1u64), &1, at(28)).unwrap(), None);
}

#[test]
fn value_that_is_over_may_be_seen_until_it_is_cleaned_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let ttl = ten().visible(TtlVisibility::ReturnExpiredIfNotCleanedUp);
    let mut sessions = Sessions::open(&mut store, "sessions", ttl).unwrap();
    for key in 0..100u64 {
        sessions.insert(hash_key(&key), &key, at(0), 7).unwrap();
    }
    assert_eq!(sessions.get(hash_key(&99u64), &99, at(10)).unwrap(), Some(&7));
    for _ in 0..100 {
        sessions.get(hash_key(&200u64), &200, at(10)).unwrap();
    }
    assert_eq!(sessions.get(hash_key(&99u64), &99, at(10)).unwrap(), None);
}

#[test]
fn values_that_are_over_leave_memory_and_disk_without_being_asked_for() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut sessions = Sessions::open(&mut first, "sessions", ten()).unwrap();
    for key in 0..1000u64 {
        sessions.insert(hash_key(&key), &key, at(0), 7).unwrap();
    }
    settle(&mut first, &mut sessions, 1);
    let mut second = store(&state, 2, Some(1));
    let mut sessions = Sessions::open(&mut second, "sessions", ten()).unwrap();
    for n in 0..40_000u64 {
        sessions.insert(hash_key(&5000u64), &5000, at(100), n).unwrap();
    }
    settle(&mut second, &mut sessions, 2);
    // What is on disk is shown by opening the same rows as plain ones.
    let mut third = store(&state, 3, Some(2));
    let mut rows: Table<u64, (i64, u64)> = third.table("sessions").unwrap();
    let mut left = Vec::new();
    rows.scan(|key, _| {
        left.push(*key);
        Ok(())
    })
    .unwrap();
    assert_eq!(left, [5000]);
}

#[test]
fn lists_that_are_over_leave_without_being_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut visits: TtlListTable<u64, u64> = TtlListTable::open(&mut store, "visits", ten()).unwrap();
    for key in 0..10u64 {
        visits.extend(hash_key(&key), &key, at(0), 0..100).unwrap();
    }
    let before = bytes(&mut visits);
    for n in 0..1000u64 {
        visits.replace(hash_key(&50u64), &50, at(20), [n]).unwrap();
    }
    assert!(bytes(&mut visits) < before / 10, "{} of {before} bytes", bytes(&mut visits));
}
