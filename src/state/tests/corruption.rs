//! Damages what is on disk, and expects to be told so; names `redb`.

use redb::{Database, ReadableTable, TableDefinition};

use super::*;

const BASE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("base");
const BASE_PARTS: TableDefinition<'_, (u16, &[u8]), u64> = TableDefinition::new("base_parts");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const CHANGELOG: TableDefinition<'_, (u16, u64, u32), &[u8]> = TableDefinition::new("changelog");

/// Leaves a store with folded rows and rows in the changelog, of checkpoint 2.
fn leave_rows(directory: &Path) {
    let state = open(directory);
    let mut store = store(&state, 1, None);
    let mut counts: Counts = store.table("counts").unwrap();
    (0..100).for_each(|key| add(&mut counts, key, 1));
    checkpoint(&mut store, &mut counts, 1);
    fold_all(&mut store, &mut counts);
    (0..10).for_each(|key| add(&mut counts, key, 1));
    checkpoint(&mut store, &mut counts, 2);
}

fn damaged(mut bytes: Vec<u8>) -> Vec<u8> {
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

/// Puts another key and value in the place of each pack of the base.
fn change_base(directory: &Path, change: impl Fn(Vec<u8>, Vec<u8>) -> (Vec<u8>, Vec<u8>)) {
    let database = Database::open(directory.join("counts-0.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut base = transaction.open_table(BASE).unwrap();
        let rows: Vec<_> = base
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
            .collect();
        for (key, _) in &rows {
            base.remove(key.as_slice()).unwrap();
        }
        for (key, value) in rows {
            let (key, value) = change(key, value);
            base.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// A store at checkpoint 2 whose base is damaged; the rows of the changelog are not.
fn open_with_damaged_base(directory: &Path) -> (Store, Counts) {
    leave_rows(directory);
    change_base(directory, |key, value| (key, damaged(value)));
    let mut store = store(&open(directory), 2, Some(2));
    let counts = store.table("counts").unwrap();
    (store, counts)
}

/// Leaves 100 rows of window 7 and as many of window 8 in the base, of checkpoint 1.
fn leave_windows(directory: &Path) {
    let state = open(directory);
    let mut store = store(&state, 1, None);
    let mut windows: WindowTable<u64, u64, u64> = WindowTable::open(&mut store, "windows").unwrap();
    for (window, key) in [7, 8].into_iter().flat_map(|window| (0..100).map(move |key| (window, key))) {
        windows.get_or_insert_with(window, hash_key(&key), &key, || key).unwrap();
    }
    checkpoint(&mut store, &mut windows, 1);
    assert_eq!(fold_all(&mut store, &mut windows), 200);
}

/// Takes all of window 7.
fn drain(directory: &Path) -> Result<(), StateError> {
    let state = open(directory);
    let mut store = store(&state, 2, Some(1));
    let mut windows: WindowTable<u64, u64, u64> = WindowTable::open(&mut store, "windows")?;
    while !windows.take(7, 10, |_, _, _| Ok::<_, StateError>(()))? {}
    Ok(())
}

fn change_counts(directory: &Path, window: u8, rows: u64) {
    let database = Database::open(directory.join("counts-0.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(BASE_PARTS).unwrap().insert((0, &[0x92, window][..]), rows).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn damaged_row_of_a_window_is_named() {
    let directory = tempfile::tempdir().unwrap();
    leave_windows(directory.path());
    change_base(directory.path(), |key, value| (key, damaged(value)));
    let found = drain(directory.path());
    assert!(
        matches!(&found, Err(StateError::Corrupt { table, key_group: Some(_), .. }) if table == "windows"),
        "{found:?}"
    );
}

#[test]
fn row_of_a_window_under_another_key_group_is_named() {
    let directory = tempfile::tempdir().unwrap();
    leave_windows(directory.path());
    change_base(directory.path(), |mut key, value| {
        key[3] = (key[3] + 1) % 64;
        let crc = pack::checksum(&key, &value[4..]);
        let value = [&crc.to_le_bytes(), &value[4..]].concat();
        (key, value)
    });
    let found = drain(directory.path());
    assert!(matches!(&found, Err(StateError::Corrupt { detail, .. }) if detail.contains("key group")), "{found:?}");
}

#[test]
fn counts_of_windows_that_do_not_add_up_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    leave_windows(directory.path());
    change_counts(directory.path(), 7, 101);
    let found = drain(directory.path());
    assert!(matches!(&found, Err(StateError::Corrupt { detail, .. }) if detail.contains("201")), "{found:?}");
}

#[test]
fn window_that_should_have_more_rows_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    leave_windows(directory.path());
    change_counts(directory.path(), 7, 101);
    change_counts(directory.path(), 8, 99);
    let found = drain(directory.path());
    assert!(matches!(&found, Err(StateError::Corrupt { detail, .. }) if detail.contains("found 100")), "{found:?}");
}

#[test]
fn damaged_base_row_is_named_and_the_store_stops() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut counts) = open_with_damaged_base(directory.path());
    let found = counts.get(hash_key(&50u64), &50);
    let Err(StateError::Corrupt { table, key_group, .. }) = &found else { panic!("{found:?}") };
    let (_, max) = groups();
    assert_eq!((table.as_str(), *key_group), ("counts", Some(max.group_of(hash_key(&50u64)))));
    let later = store.barrier(CheckpointId(3), &mut counts);
    assert!(matches!(later, Err(StateError::Corrupt { .. })), "it is latched: {later:?}");
}

#[test]
fn damaged_pack_that_rows_are_folded_into_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut counts) = open_with_damaged_base(directory.path());
    // The ten rows of the changelog are in memory, so that only the fold reads the base.
    store.completed(CheckpointId(2), CheckpointId(2), &mut counts).unwrap();
    let job = store.background(true, Moment::ZERO, &mut counts).unwrap().expect("rows wait to be folded");
    let found = job();
    assert!(
        matches!(&found, Err(StateError::Corrupt { table, key_group: Some(_), .. }) if table == "counts"),
        "{found:?}"
    );
}

#[test]
fn damaged_block_is_named() {
    let directory = tempfile::tempdir().unwrap();
    leave_rows(directory.path());
    {
        let database = Database::open(directory.path().join("counts-0.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut changelog = transaction.open_table(CHANGELOG).unwrap();
            let (place, block) = {
                let (place, block) = changelog.first().unwrap().unwrap();
                (place.value(), damaged(block.value().to_vec()))
            };
            changelog.insert(place, block.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let state = open(directory.path());
    let mut store = store(&state, 2, Some(2));
    let found = store.table::<u64, u64>("counts").map(|_| ());
    assert!(matches!(&found, Err(StateError::Corrupt { table, .. }) if table == "counts"), "{found:?}");
}

#[test]
fn file_of_another_parallelism_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    leave_rows(directory.path());
    let state = open(directory.path());
    let (_, max) = groups();
    let half = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(31) };
    let opened = state.store("counts-0", Attempt(2), Some(CheckpointId(2)), half, max);
    assert!(matches!(opened, Err(StateError::Groups { .. })));
}

#[test]
fn file_of_another_format_is_refused_until_it_is_emptied() {
    let directory = tempfile::tempdir().unwrap();
    leave_rows(directory.path());
    {
        let database = Database::open(directory.path().join("counts-0.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert("format", &1u32.to_le_bytes()[..]).unwrap();
        transaction.commit().unwrap();
    }
    let state = open(directory.path());
    let (groups, max) = groups();
    let opened = state.store("counts-0", Attempt(2), Some(CheckpointId(2)), groups, max).map(drop);
    assert!(matches!(&opened, Err(StateError::Format { found: 1, expected: 3, .. })), "{opened:?}");
    let mut store = store(&state, 3, None);
    let mut counts: Counts = store.table("counts").unwrap();
    add(&mut counts, 1, 1);
    checkpoint(&mut store, &mut counts, 3);
    assert_eq!(fold_all(&mut store, &mut counts), 1);
}

#[test]
fn file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    std::fs::write(directory.path().join("counts-0.redb"), [7; 5000]).unwrap();
    let state = open(directory.path());
    let (groups, max) = groups();
    assert!(state.store("counts-0", Attempt(2), Some(CheckpointId(2)), groups, max).is_err());
}

#[test]
fn stores_without_manifests_are_refused() {
    for bytes in [None, Some(0), Some(5000)] {
        let directory = tempfile::tempdir().unwrap();
        let manifests = directory.path().join("manifests.redb");
        drop(store(&open(directory.path()), 1, None));
        match bytes {
            None => std::fs::remove_file(&manifests).unwrap(),
            Some(bytes) => std::fs::write(&manifests, vec![0; bytes]).unwrap(),
        }
        let error = StateDir::open(directory.path(), StateOptions::default()).err().unwrap();
        assert!(matches!(&error, StateError::Corrupt { file, .. } if *file == manifests), "{error}");
        assert!(error.to_string().contains("counts-0.redb is there"), "{error}");
    }
}

#[test]
fn a_damaged_key_is_noticed_when_the_file_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut counts: Counts = first.table("counts").unwrap();
    (0..2000).for_each(|key| add(&mut counts, key, 1));
    checkpoint(&mut first, &mut counts, 1);
    drop((first, counts, state));
    let file = directory.path().join("counts-0.redb");
    let whole = std::fs::read(&file).unwrap();
    let (mut refused, (groups, max)) = (0, groups());
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096 + 2100] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let opened = open(directory.path()).store("counts-0", Attempt(2), Some(CheckpointId(1)), groups, max);
        refused += u64::from(matches!(opened, Err(StateError::Corrupt { .. })));
    }
    assert!(refused > 0, "no damaged page of {} is in use", whole.len() / 4096);
}
