//! Maps per key: what an access to one entry costs, and which entries belong together.

use super::*;
use crate::model::KeyHash;

type Carts = MapTable<String, u64, u64>;

#[test]
fn change_of_an_entry_writes_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut carts = Carts::open(&mut store, "carts").unwrap();
    let key = "key".to_owned();
    for name in 0..100 {
        carts.insert(hash_key(&key), &key, &name, 1).unwrap();
    }
    checkpoint(&mut store, &mut carts, 1);
    *carts.get_mut(hash_key(&key), &key, &7).unwrap().unwrap() += 1;
    store.barrier(CheckpointId(2), &mut carts).unwrap();
    assert_eq!(store.encode(usize::MAX, &mut carts).unwrap().unwrap()().unwrap().rows, 1);
}

#[test]
fn keys_with_one_hash_keep_their_entries_apart() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut carts = Carts::open(&mut store, "carts").unwrap();
    let (a, b, hash) = ("a".to_owned(), "b".to_owned(), KeyHash(7));
    for name in 0..10 {
        carts.insert(hash, if name % 2 == 0 { &a } else { &b }, &name, name).unwrap();
    }
    let names = |carts: &mut Carts, key| -> Vec<u64> {
        carts.range(hash, key, 2..=7).unwrap().map(|(name, _)| *name).collect()
    };
    assert_eq!((names(&mut carts, &a), names(&mut carts, &b)), (vec![2, 4, 6], vec![3, 5, 7]));
    carts.clear(hash, &a).unwrap();
    assert!(carts.is_empty(hash, &a).unwrap());
    assert_eq!(names(&mut carts, &b), [3, 5, 7]);
}

#[test]
fn entries_on_disk_only_are_found_with_those_in_memory() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut carts = Carts::open(&mut first, "carts").unwrap();
    let (key, hash) = ("key".to_owned(), hash_key("key"));
    for name in 0..1000 {
        carts.insert(hash, &key, &name, name).unwrap();
    }
    settle(&mut first, &mut carts, 1);
    let mut second = store(&state, 2, Some(1));
    let mut carts = Carts::open(&mut second, "carts").unwrap();
    carts.insert(hash, &key, &500, 0).unwrap();
    carts.remove(hash, &key, &501).unwrap();
    let found: Vec<(u64, u64)> = carts.range(hash, &key, 499..=502).unwrap().map(|(a, b)| (*a, *b)).collect();
    assert_eq!(found, [(499, 499), (500, 0), (502, 502)]);
    carts.clear(hash, &key).unwrap();
    settle(&mut second, &mut carts, 2);
    let mut third = store(&state, 3, Some(2));
    let mut carts = Carts::open(&mut third, "carts").unwrap();
    assert!(carts.is_empty(hash, &key).unwrap());
}
