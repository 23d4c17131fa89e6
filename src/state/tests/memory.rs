//! Keeps far more state than memory, and far more versions than rows.

use super::*;

const BUDGET: usize = 64 << 10;

fn tight(directory: &Path) -> StateDir {
    StateDir::open(directory, StateOptions { memory_bytes: BUDGET, ..StateOptions::default() }).unwrap()
}

/// Does what a subtask does about pressure.
fn relieve(store: &mut Store, counts: &mut Counts, next: &mut u64) {
    loop {
        match store.pressure(counts).unwrap() {
            Pressure::None => break,
            Pressure::AskCheckpoint => {
                checkpoint(store, counts, *next);
                *next += 1;
            }
            Pressure::Fold => {
                let job = store.background(false, Moment::ZERO, counts).unwrap().expect("there is a row to fold");
                store.folded(job(), Moment::ZERO, counts).unwrap();
            }
        }
    }
}

#[test]
fn state_of_many_times_the_memory_is_exact_before_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let state = tight(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    let mut next = 1;
    let keys = 20_000;
    let mut most = 0;
    for i in 0..3 * keys {
        let key = i * 7919 % keys;
        add(&mut counts, key, key + 1);
        if i % 64 == 0 {
            relieve(&mut first, &mut counts, &mut next);
            most = most.max(work::TableWork::usage(&counts).total_bytes);
        }
    }
    assert!(most < BUDGET + BUDGET / 4, "{most} bytes of rows in a budget of {BUDGET}");
    checkpoint(&mut first, &mut counts, next);
    for key in 0..keys {
        assert_eq!(counts.get(hash_key(&key), &key).unwrap(), Some(&(3 * (key + 1))), "key {key}");
        if key % 64 == 0 {
            first.pressure(&mut counts).unwrap();
        }
    }
    let mut second = store(&state, 2, Some(next));
    let mut counts: Counts = second.table("counts").unwrap();
    for key in 0..keys {
        assert_eq!(counts.get(hash_key(&key), &key).unwrap(), Some(&(3 * (key + 1))), "key {key}");
    }
}

#[test]
fn cold_rows_move_on_when_hot_ones_fill_the_changelog() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    let (cold, hot) = (1000, 10_000);
    (0..cold).for_each(|key| add(&mut counts, hot + key, 1));
    let mut blocks_of_first = Vec::new();
    for n in 1..=20 {
        (0..hot).for_each(|key| add(&mut counts, key, 1));
        checkpoint(&mut first, &mut counts, n);
        // The subtask is busy, and must rest from folding for a long time.
        first
            .folded(Ok(Folded::nothing()), Moment::after_start(std::time::Duration::from_secs(1)), &mut counts)
            .unwrap();
        for _ in 0..4 {
            assert!(first.background(false, Moment::ZERO, &mut counts).unwrap().is_none());
        }
        blocks_of_first.push(work::TableWork::droppable(&counts));
    }
    assert_eq!(blocks_of_first[2], None, "the cold rows hold the first block");
    assert!(blocks_of_first[19] > Some(CheckpointId(5)), "{:?}", blocks_of_first[19]);
    let mut second = store(&state, 2, Some(20));
    let mut counts: Counts = second.table("counts").unwrap();
    let expected: BTreeMap<u64, u64> =
        (0..hot).map(|key| (key, 20)).chain((hot..hot + cold).map(|key| (key, 1))).collect();
    assert_eq!(contents(&mut counts, hot + cold), expected);
}

#[test]
fn hot_rows_are_never_folded_while_the_subtask_is_busy() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut store = store(&state, 1, None);
    let mut counts: Counts = store.table("counts").unwrap();
    let mut folded = 0;
    for n in 1..=10 {
        (0..1000).for_each(|key| add(&mut counts, key, 1));
        checkpoint(&mut store, &mut counts, n);
        while let Some(job) = store.background(false, Moment::ZERO, &mut counts).unwrap() {
            let done = job().unwrap();
            folded += done.rows();
            store.folded(Ok(done), Moment::ZERO, &mut counts).unwrap();
        }
    }
    assert_eq!(folded, 0);
    assert_eq!(work::TableWork::droppable(&counts), None, "their old blocks are dropped");
}

#[test]
fn rows_that_come_and_go_between_barriers_leave_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut store = store(&state, 1, None);
    let mut counts: Counts = store.table("counts").unwrap();
    for key in 0..10_000u64 {
        add(&mut counts, key, 1);
        assert_eq!(counts.remove(hash_key(&key), &key).unwrap(), Some(1));
    }
    store.barrier(CheckpointId(1), &mut counts).unwrap();
    let job = store.encode(1, &mut counts).unwrap().or_else(|| store.encode(1, &mut counts).unwrap());
    let persisted = job.expect("one place was used again and again")().unwrap();
    assert_eq!(persisted.rows, 0);
}
