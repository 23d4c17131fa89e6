//! Lists per key: what an append writes, and what a list does that has lost a part; names `redb`.

use std::ops::ControlFlow;

use redb::{Database, ReadableTable, TableDefinition};

use super::*;
use crate::state::pack::{Pack, Packer};

const BASE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("base");

type Visits = ListTable<u64, u64>;

const KEY: u64 = 7;

fn push(visits: &mut Visits, elements: std::ops::Range<u64>) {
    elements.for_each(|element| visits.push(hash_key(&KEY), &KEY, element).unwrap());
}

#[test]
fn append_writes_one_chunk_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(&open(directory.path()), 1, None);
    let mut visits = Visits::open(&mut store, "visits").unwrap();
    push(&mut visits, 0..1000);
    checkpoint(&mut store, &mut visits, 1);
    let mut most = 0;
    for n in 1000..1064 {
        push(&mut visits, n..n + 1);
        store.barrier(CheckpointId(n), &mut visits).unwrap();
        let persisted = store.encode(usize::MAX, &mut visits).unwrap().unwrap()().unwrap();
        store.persisted(Ok(persisted)).unwrap();
        // A chunk that is full is written once more, and never again.
        assert!(persisted.rows <= 2, "{} rows", persisted.rows);
        most = most.max(persisted.bytes);
    }
    assert!(most < 300, "{most} bytes for one element");
}

#[test]
fn list_that_has_lost_a_chunk_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let mut first = store(&state, 1, None);
    let mut visits = Visits::open(&mut first, "visits").unwrap();
    push(&mut visits, 0..100);
    checkpoint(&mut first, &mut visits, 1);
    fold_all(&mut first, &mut visits);
    drop((first, visits, state));
    {
        let database = Database::open(directory.path().join("counts-0.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut base = transaction.open_table(BASE).unwrap();
            let packs: Vec<_> = base
                .iter()
                .unwrap()
                .map(|pack| pack.unwrap())
                .map(|(key, stored)| (key.value().to_vec(), stored.value().to_vec()))
                .collect();
            let mut chunks = 0;
            for (pack_key, stored) in packs {
                base.remove(pack_key.as_slice()).unwrap();
                let mut rows = Vec::new();
                let all = Pack::open(&pack_key, &stored).unwrap().visit(|key, value| {
                    rows.push((key.to_vec(), value));
                    ControlFlow::<()>::Continue(())
                });
                assert_eq!(all, Ok(ControlFlow::Continue(())));
                // The keys of chunks are arrays of two, those of lists are numbers.
                let is_chunk = |key: &[u8]| key[4] == 0x92;
                rows.retain(|(key, _)| {
                    chunks += usize::from(is_chunk(key));
                    !is_chunk(key) || chunks != 2
                });
                let mut packer = Packer::new(&pack_key, stored.len());
                let mut add = |key: &[u8], stored: &[u8]| base.insert(key, stored).map(drop);
                rows.iter().for_each(|(key, value)| packer.push(key, value, &mut add).unwrap());
                packer.finish(&mut add).unwrap();
            }
            assert_eq!(chunks, 3);
        }
        transaction.commit().unwrap();
    }
    let mut second = store(&open(directory.path()), 2, Some(1));
    let mut visits = Visits::open(&mut second, "visits").unwrap();
    let found = visits.elements(hash_key(&KEY), &KEY).map(|elements| elements.len());
    let Err(StateError::Corrupt { table, key_group: Some(_), detail, .. }) = &found else { panic!("{found:?}") };
    assert_eq!((table.as_str(), detail.as_str()), ("visits/chunks", "chunk 1 of the 3 of a list is missing"));
}

#[test]
fn list_that_was_cleared_leaves_nothing_on_disk() {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::open(directory.path(), without_memory(&disks)).unwrap();
    let mut first = store(&state, 1, None);
    let mut visits = Visits::open(&mut first, "visits").unwrap();
    push(&mut visits, 0..100);
    settle(&mut first, &mut visits, 1);
    let mut second = store(&state, 2, Some(1));
    let mut visits = Visits::open(&mut second, "visits").unwrap();
    visits.clear(hash_key(&KEY), &KEY).unwrap();
    settle(&mut second, &mut visits, 2);
    // The rows of both tables are there to be seen as rows of plain ones.
    let mut third = store(&state, 3, Some(2));
    let mut heads: Table<u64, (u32, Vec<u64>)> = third.table("visits").unwrap();
    let mut chunks: Table<(u64, u32), Vec<u64>> = third.table("visits/chunks").unwrap();
    let mut rows = 0;
    let count = |rows: &mut u64| {
        *rows += 1;
        Ok(())
    };
    heads.scan(|_, _| count(&mut rows)).unwrap();
    chunks.scan(|_, _| count(&mut rows)).unwrap();
    assert_eq!(rows, 0);
}
