//! Runs stores through their life on real files and compares what they hold with what they should.

use std::collections::BTreeMap;
use std::path::Path;

use millstream_actors::ids::{Attempt, CheckpointId};
use millstream_actors::time::Moment;

use super::*;
use crate::model::{KeyGroup, KeyGroupRange, MaxParallelism, hash_key};

mod corruption;
mod crash;
mod keys;
mod lists;
mod maps;
mod memory;
mod model;
mod timers;
mod ttl;
mod windows;

fn in_memory(disks: &CrashDisks) -> StateOptions {
    StateOptions { backend: Some(disks.factory()), ..StateOptions::default() }
}

fn groups() -> (KeyGroupRange, MaxParallelism) {
    (KeyGroupRange { first: KeyGroup(0), last: KeyGroup(63) }, MaxParallelism::try_from(64).unwrap())
}

/// Makes each row go to the base and leave the memory.
fn settle(store: &mut Store, tables: &mut dyn VisitTables, n: u64) {
    checkpoint(store, tables, n);
    fold_all(store, tables);
    // Rows that were read are spared once.
    for _ in 0..3 {
        store.pressure(tables).unwrap();
    }
}

/// Options under which no row stays in memory that need not.
fn without_memory(disks: &CrashDisks) -> StateOptions {
    StateOptions { memory_bytes: 0, ..in_memory(disks) }
}

fn store(directory: &StateDir, attempt: u64, restore: Option<u64>) -> Store {
    let (groups, max) = groups();
    directory.store("counts-0", Attempt(attempt), restore.map(CheckpointId), groups, max).unwrap()
}

fn open(path: &Path) -> StateDir {
    StateDir::open(path, StateOptions::default()).unwrap()
}

type Counts = Table<u64, u64>;

fn add(counts: &mut Counts, key: u64, n: u64) {
    *counts.get_or_insert_with(hash_key(&key), &key, || 0).unwrap() += n;
}

fn checkpoint(store: &mut Store, counts: &mut dyn VisitTables, n: u64) {
    store.barrier(CheckpointId(n), counts).unwrap();
    let job = loop {
        if let Some(job) = store.encode(100, counts).unwrap() {
            break job;
        }
    };
    store.persisted(job()).unwrap();
    store.completed(CheckpointId(n), CheckpointId(n), counts).unwrap();
}

fn fold_all(store: &mut Store, counts: &mut dyn VisitTables) -> u64 {
    let mut rows = 0;
    while let Some(job) = store.background(true, Moment::ZERO, counts).unwrap() {
        let folded = job().unwrap();
        rows += folded.rows();
        store.folded(Ok(folded), Moment::ZERO, counts).unwrap();
    }
    rows
}

fn contents(counts: &mut Counts, keys: u64) -> BTreeMap<u64, u64> {
    (0..keys).filter_map(|key| counts.get(hash_key(&key), &key).unwrap().map(|count| (key, *count))).collect()
}

#[test]
fn packs_are_cut_and_emptied_as_rows_come_and_go() {
    // Some thousand rows per key group, so that each has many packs; they come, change and go in stretches and at random.
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&CrashDisks::default())).unwrap();
    let mut store = store(&state, 1, None);
    let mut counts: Counts = store.table("counts").unwrap();
    let mut expected = BTreeMap::new();
    let steps = ["every third", "a stretch", "all", "all but a few", "every second"];
    let chosen = |round: usize, key: u64| match round {
        0 => key.is_multiple_of(3),
        1 => (10_000..30_000).contains(&key),
        2 => true,
        3 => key % 1000 != 7,
        _ => key.is_multiple_of(2),
    };
    for (round, what) in steps.into_iter().enumerate() {
        for key in (0..60_000).filter(|key| chosen(round, *key)) {
            if round % 2 == 1 {
                counts.remove(hash_key(&key), &key).unwrap();
                expected.remove(&key);
            } else {
                add(&mut counts, key, round as u64 + 1);
                *expected.entry(key).or_insert(0) += round as u64 + 1;
            }
        }
        checkpoint(&mut store, &mut counts, round as u64 + 1);
        fold_all(&mut store, &mut counts);
        while store.pressure(&mut counts).unwrap() != Pressure::None {}
        assert_eq!(contents(&mut counts, 60_000), expected, "after {what}");
    }
    assert_eq!(counts.keys().unwrap().len(), expected.len());
}

#[test]
fn completed_checkpoint_comes_back_and_later_changes_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    (0..1000).for_each(|key| add(&mut counts, key, 1));
    checkpoint(&mut first, &mut counts, 1);
    (0..500).for_each(|key| add(&mut counts, key, 1));
    counts.remove(hash_key(&7u64), &7).unwrap();
    checkpoint(&mut first, &mut counts, 2);
    let expected = contents(&mut counts, 2000);
    (0..2000).for_each(|key| add(&mut counts, key, 5));
    first.barrier(CheckpointId(3), &mut counts).unwrap();
    let job = first.encode(usize::MAX, &mut counts).unwrap().unwrap();
    job().unwrap();

    let mut second = store(&state, 2, Some(2));
    let mut counts: Counts = second.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 2000), expected);
}

#[test]
fn folded_rows_come_back_from_the_base_in_a_new_process() {
    let directory = tempfile::tempdir().unwrap();
    let expected = {
        let state = open(directory.path());
        let mut store = store(&state, 1, None);
        let mut counts: Counts = store.table("counts").unwrap();
        (0..10_000).for_each(|key| add(&mut counts, key, key));
        checkpoint(&mut store, &mut counts, 1);
        assert_eq!(fold_all(&mut store, &mut counts), 10_000);
        (0..10).for_each(|key| add(&mut counts, key, 1));
        counts.remove(hash_key(&11u64), &11).unwrap();
        checkpoint(&mut store, &mut counts, 2);
        contents(&mut counts, 20_000)
    };
    let state = open(directory.path());
    let mut store = store(&state, 2, Some(2));
    let mut counts: Counts = store.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 20_000), expected);
    assert_eq!(expected.len(), 9_999);
}

#[test]
fn jobs_of_an_earlier_attempt_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    add(&mut counts, 1, 1);
    checkpoint(&mut first, &mut counts, 1);
    let fold = first.background(true, Moment::ZERO, &mut counts).unwrap().unwrap();
    add(&mut counts, 1, 1);
    first.barrier(CheckpointId(2), &mut counts).unwrap();
    let persist = first.encode(usize::MAX, &mut counts).unwrap().unwrap();

    let mut second = store(&state, 2, Some(1));
    assert!(matches!(persist(), Err(StateError::Fenced { attempt: Attempt(1), by: Attempt(2) })));
    assert!(matches!(fold(), Err(StateError::Fenced { .. })));
    let mut counts: Counts = second.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 10), BTreeMap::from([(1, 1)]));
    let (groups, max) = groups();
    assert!(matches!(
        state.store("counts-0", Attempt(1), Some(CheckpointId(1)), groups, max),
        Err(StateError::Fenced { .. })
    ));
}

#[test]
fn checkpoint_that_is_not_in_the_store_is_missed() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let (groups, max) = groups();
    let missed = state.store("counts-0", Attempt(1), Some(CheckpointId(3)), groups, max);
    assert!(matches!(missed, Err(StateError::Missing { checkpoint: CheckpointId(3), newest: None, .. })));
}

#[test]
fn directory_in_use_is_locked() {
    let directory = tempfile::tempdir().unwrap();
    let _state = open(directory.path());
    let second = StateDir::open(directory.path(), StateOptions::default());
    assert!(matches!(second, Err(StateError::Locked { .. })));
}

#[test]
fn table_opened_twice_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let _counts: Counts = store.table("counts").unwrap();
    assert!(matches!(store.table::<u64, u64>("counts"), Err(StateError::TableTwice { .. })));
}

#[test]
fn rows_of_another_type_are_corrupt_and_the_store_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    add(&mut counts, 1, 1);
    checkpoint(&mut first, &mut counts, 1);
    let mut second = store(&state, 2, Some(1));
    assert!(matches!(second.table::<String, u64>("counts"), Err(StateError::Corrupt { .. })));
    assert!(matches!(second.table::<u64, u64>("other"), Err(StateError::Corrupt { .. })));
}

#[test]
fn clearing_forgets_stores_that_are_open_and_others() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let state = open(directory.path());
        let attempt = state.manifests().next_attempt().unwrap();
        let mut first = store(&state, attempt.0, None);
        let mut counts: Counts = first.table("counts").unwrap();
        add(&mut counts, 1, 1);
        checkpoint(&mut first, &mut counts, 1);
        state.manifests().publish(CheckpointId(1), b"manifest", 1).unwrap();
        state.clear().unwrap();
        assert_eq!(state.manifests().latest().unwrap(), None);
        let (groups, max) = groups();
        let gone = state.store("counts-0", attempt.next(), Some(CheckpointId(1)), groups, max);
        assert!(matches!(gone, Err(StateError::Missing { .. })));
    }
}

#[test]
fn lost_blocks_go_to_disk_with_the_next_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    let mut jobs = Vec::new();
    for n in 1..=2 {
        add(&mut counts, n, n);
        first.barrier(CheckpointId(n), &mut counts).unwrap();
        jobs.push(first.encode(usize::MAX, &mut counts).unwrap().unwrap());
    }
    // The first job is written, the second is lost, and both are heard of late.
    first.persisted(jobs.remove(0)()).unwrap();
    let (checkpoint, by) = (CheckpointId(2), CheckpointId(2));
    first.persisted(Err(StateError::Superseded { checkpoint, by })).unwrap();
    checkpoint_with(&mut first, &mut counts, 3, 3);
    let mut second = store(&state, 2, Some(3));
    let mut counts: Counts = second.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 10), BTreeMap::from([(1, 1), (2, 2), (3, 3)]));
}

fn checkpoint_with(store: &mut Store, counts: &mut Counts, n: u64, key: u64) {
    add(counts, key, key);
    checkpoint(store, counts, n);
}

#[test]
fn older_job_that_runs_late_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    add(&mut counts, 1, 1);
    first.barrier(CheckpointId(1), &mut counts).unwrap();
    let late = first.encode(usize::MAX, &mut counts).unwrap().unwrap();
    counts.remove(hash_key(&1u64), &1).unwrap();
    checkpoint(&mut first, &mut counts, 2);
    fold_all(&mut first, &mut counts);
    let outcome = late();
    assert!(matches!(outcome, Err(StateError::Superseded { .. })), "{outcome:?}");
    first.persisted(outcome).unwrap();
    let mut second = store(&state, 2, Some(2));
    let mut counts: Counts = second.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 10), BTreeMap::new());
}

#[test]
fn row_set_unread_and_removed_stays_removed() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    add(&mut counts, 1, 1);
    checkpoint(&mut first, &mut counts, 1);
    fold_all(&mut first, &mut counts);
    // After a restart the row is in the base only.
    let mut second = store(&state, 2, Some(1));
    let mut counts: Counts = second.table("counts").unwrap();
    counts.insert(hash_key(&1u64), &1, 2).unwrap();
    assert_eq!(counts.remove(hash_key(&1u64), &1).unwrap(), Some(2));
    assert_eq!(contents(&mut counts, 10), BTreeMap::new());
    checkpoint(&mut second, &mut counts, 2);
    let mut third = store(&state, 3, Some(2));
    let mut counts: Counts = third.table("counts").unwrap();
    assert_eq!(contents(&mut counts, 10), BTreeMap::new());
}
