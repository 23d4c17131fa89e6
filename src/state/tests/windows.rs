//! Windows: what a drain leaves behind, on disk and in memory, and what of it survives.

use super::*;

type Windows = WindowTable<u64, u64, u64>;

fn fill(windows: &mut Windows, window: u64, keys: std::ops::Range<u64>) {
    for key in keys {
        *windows.get_or_insert_with(window, hash_key(&key), &key, || 0).unwrap() += key;
    }
}

/// Takes rows of `window`, and gives them with whether they were the last.
fn take(windows: &mut Windows, window: u64, at_most: usize) -> (Vec<(u64, u64)>, bool) {
    let mut taken = Vec::new();
    let each = |_, key: &u64, value| {
        taken.push((*key, value));
        Ok::<_, StateError>(())
    };
    let done = windows.take(window, at_most, each).unwrap();
    (taken, done)
}

fn take_all(windows: &mut Windows, window: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    loop {
        let (taken, done) = take(windows, window, 10);
        all.extend(taken);
        if done {
            all.sort_unstable();
            return all;
        }
    }
}

fn pairs(keys: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    keys.map(|key| (key, key)).collect()
}

#[test]
fn window_that_fires_between_barriers_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut windows = Windows::open(&mut store, "windows").unwrap();
    for window in 0..10 {
        fill(&mut windows, window, 0..1000);
        assert_eq!(take_all(&mut windows, window), pairs(0..1000));
    }
    store.barrier(CheckpointId(1), &mut windows).unwrap();
    let persisted = store.encode(usize::MAX, &mut windows).unwrap().unwrap()().unwrap();
    assert_eq!(persisted.rows, 0);
    assert_eq!(windows.namespaces().unwrap(), [0; 0]);
}

#[test]
fn drain_goes_on_after_a_restart_where_the_checkpoint_found_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut windows = Windows::open(&mut first, "windows").unwrap();
    fill(&mut windows, 7, 0..100);
    checkpoint(&mut first, &mut windows, 1);
    let (taken, done) = take(&mut windows, 7, 30);
    assert_eq!((taken.len(), done), (30, false));
    checkpoint(&mut first, &mut windows, 2);
    take_all(&mut windows, 7);
    let mut second = store(&state, 2, Some(2));
    let mut windows = Windows::open(&mut second, "windows").unwrap();
    let mut all = take_all(&mut windows, 7);
    assert_eq!(all.len(), 70);
    all.extend(taken);
    all.sort_unstable();
    assert_eq!(all, pairs(0..100));
}

#[test]
fn windows_that_are_on_disk_only_are_known_in_order_and_found_to_the_last_row() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut windows = Windows::open(&mut first, "windows").unwrap();
    for window in [300, 5, 70_000] {
        fill(&mut windows, window, 0..500);
    }
    settle(&mut first, &mut windows, 1);
    let mut second = store(&state, 2, Some(1));
    let mut windows = Windows::open(&mut second, "windows").unwrap();
    assert_eq!(windows.namespaces().unwrap(), [5, 300, 70_000]);
    assert_eq!(windows.first().unwrap(), Some(5));
    assert_eq!(take_all(&mut windows, 300), pairs(0..500));
    assert_eq!(windows.namespaces().unwrap(), [5, 70_000]);
    settle(&mut second, &mut windows, 2);
    let mut third = store(&state, 3, Some(2));
    let mut windows = Windows::open(&mut third, "windows").unwrap();
    assert_eq!(take_all(&mut windows, 300), []);
    assert_eq!(take_all(&mut windows, 5), pairs(0..500));
    assert_eq!(windows.namespaces().unwrap(), [70_000]);
}

#[test]
fn row_removed_and_another_one_put_in_its_place_does_not_lead_astray() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut windows = Windows::open(&mut store, "windows").unwrap();
    fill(&mut windows, 1, 0..10);
    let mut shown = Vec::new();
    while shown.len() < 5 {
        let each = |_, key: &u64, _: &u64| {
            shown.push(*key);
            Ok::<_, StateError>(())
        };
        assert!(!windows.show(1, 1, each).unwrap());
    }
    // Rows are shown in the reverse order of their coming.
    assert_eq!(shown, [9, 8, 7, 6, 5]);
    windows.remove(1, hash_key(&4u64), &4).unwrap();
    fill(&mut windows, 2, 50..51);
    let each = |_, key: &u64, _: &u64| {
        shown.push(*key);
        Ok::<_, StateError>(())
    };
    assert!(windows.show(1, 100, each).unwrap());
    assert_eq!(shown, [9, 8, 7, 6, 5, 3, 2, 1, 0]);
}

#[test]
fn removed_rows_that_the_base_never_had_cost_it_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut store = store(&state, 1, None);
    let mut windows = Windows::open(&mut store, "windows").unwrap();
    fill(&mut windows, 1, 0..1000);
    checkpoint(&mut store, &mut windows, 1);
    take_all(&mut windows, 1);
    checkpoint(&mut store, &mut windows, 2);
    assert_eq!(fold_all(&mut store, &mut windows), 0);
    let mut rows = 0;
    VisitTables::visit(&mut windows, &mut |table| {
        rows += table.usage().total_bytes;
        Ok(())
    })
    .unwrap();
    assert_eq!(rows, 0, "the removed rows are forgotten");
    let mut second = super::store(&state, 2, Some(2));
    let mut windows = Windows::open(&mut second, "windows").unwrap();
    assert_eq!(windows.namespaces().unwrap(), [0; 0]);
}

#[test]
fn error_of_the_visitor_ends_the_drain() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut windows = Windows::open(&mut store, "windows").unwrap();
    fill(&mut windows, 1, 0..10);
    let mut seen = 0;
    let each = |_, _: &u64, _| {
        seen += 1;
        if seen == 3 { Err(StateError::Exhausted { table: String::new(), what: "patience" }) } else { Ok(()) }
    };
    assert!(matches!(windows.take(1, 100, each), Err(StateError::Exhausted { .. })));
    assert_eq!(seen, 3);
}
