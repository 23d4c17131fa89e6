//! All keys of a table: each once, wherever its rows are, in an order of their own.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::*;

/// A key whose hash says no more than whether it is even.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Coarse(u64);

impl Hash for Coarse {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0 % 2).hash(state);
    }
}

#[test]
fn keys_come_once_each_and_in_one_order_from_memory_and_disk() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let keys = |map: &mut MapTable<Coarse, u64, u64>| map.keys().unwrap().into_iter().map(|(_, key)| key.0).collect();
    let mut first = store(&state, 1, None);
    let mut map = MapTable::open(&mut first, "map").unwrap();
    for number in (0..40u64).rev() {
        let key = Coarse(number % 10);
        map.insert(hash_key(&key), &key, &number, number).unwrap();
    }
    let in_memory: Vec<u64> = keys(&mut map);
    let (mut odd, mut even) = (vec![1, 3, 5, 7, 9], vec![0, 2, 4, 6, 8]);
    if hash_key(&Coarse(0)) < hash_key(&Coarse(1)) {
        std::mem::swap(&mut odd, &mut even);
    }
    odd.extend(even);
    assert_eq!(in_memory, odd);

    settle(&mut first, &mut map, 1);
    let mut second = store(&state, 2, Some(1));
    let mut map = MapTable::open(&mut second, "map").unwrap();
    assert_eq!(keys(&mut map), in_memory);
    let (three, four) = (Coarse(3), Coarse(4));
    map.clear(hash_key(&three), &three).unwrap();
    map.insert(hash_key(&four), &four, &99, 99).unwrap();
    let without_three = in_memory.into_iter().filter(|key| *key != 3).collect::<Vec<_>>();
    assert_eq!(keys(&mut map), without_three);
}
