//! Lets the machine die at each single write and sync of a scripted run, and checks what comes back.

use std::collections::BTreeMap;

use super::*;

type Rows = BTreeMap<u64, String>;

/// The script's run: it stops, with an error, when the machine dies.
struct Run {
    /// What each checkpoint holds, by number, as far as the run came.
    taken: BTreeMap<u64, Rows>,
    /// The latest checkpoint that was surely complete.
    complete: u64,
    folded: u64,
}

/// Seven checkpoints of rows that come, change, go, are folded, logged anew and evicted, with an abandoned one and a
/// restart between them.
fn script(disks: &CrashDisks, directory: &Path, run: &mut Run) -> Result<(), StateError> {
    let options = StateOptions { memory_bytes: 2000, ..in_memory(disks) };
    let state = StateDir::open(directory, options)?;
    let (groups, max) = groups();
    let mut rows = Rows::new();
    let mut restore = None;
    let mut n = state.manifests().next_checkpoint()?.0;
    for attempt in 1..=2 {
        let attempt_of_store = state.manifests().next_attempt()?;
        let mut store = state.store("words-0", attempt_of_store, restore, groups, max)?;
        let mut table: Table<u64, String> = store.table("words")?;
        for round in 0..4u64 {
            for key in (0..40).filter(|key| (key + round) % 3 == 0) {
                let word = table.get_or_insert_with(hash_key(&key), &key, String::new)?;
                word.push_str(&format!("{attempt}{round} "));
                rows.entry(key).or_default().push_str(&format!("{attempt}{round} "));
            }
            let gone = attempt * 7 + round * 5;
            assert_eq!(table.remove(hash_key(&gone), &gone)?, rows.remove(&gone));
            store.barrier(CheckpointId(n), &mut table)?;
            run.taken.insert(n, rows.clone());
            if round == 1 {
                // This one is abandoned half way.
                store.encode(3, &mut table)?;
                n += 1;
                continue;
            }
            let job = store.encode(usize::MAX, &mut table)?.unwrap();
            store.persisted(Ok(job()?))?;
            let oldest = state.manifests().publish(CheckpointId(n), b"manifest", 2)?;
            run.complete = n;
            store.completed(CheckpointId(n), oldest, &mut table)?;
            restore = Some(CheckpointId(n));
            while let Some(job) = store.background(true, Moment::ZERO, &mut table)? {
                let folded = job()?;
                run.folded += folded.rows();
                store.folded(Ok(folded), Moment::ZERO, &mut table)?;
            }
            store.pressure(&mut table)?;
            n += 1;
        }
        // What is not in a checkpoint is lost by the restart.
        table.insert(hash_key(&1u64), &1, "lost".to_owned())?;
        rows = run.taken[&run.complete].clone();
    }
    Ok(())
}

/// Opens what a crash has left and compares it with the checkpoint that was complete.
fn check(disks: &CrashDisks, directory: &Path, run: &Run, case: &str) {
    let state = StateDir::open(directory, in_memory(disks)).unwrap();
    let latest = state.manifests().latest().unwrap().map(|(checkpoint, _)| checkpoint);
    let n = latest.map_or(0, |latest| latest.0);
    assert!(n >= run.complete, "{case}: checkpoint {} was complete, {n} came back", run.complete);
    let attempt = state.manifests().next_attempt().unwrap();
    let (groups, max) = groups();
    let mut store = state.store("words-0", attempt, latest, groups, max).unwrap();
    let mut table: Table<u64, String> = store.table("words").unwrap();
    let expected = latest.map(|latest| run.taken[&latest.0].clone()).unwrap_or_default();
    let found: Rows =
        (0..50).filter_map(|key| table.get(hash_key(&key), &key).unwrap().map(|word| (key, word.clone()))).collect();
    assert_eq!(found, expected, "{case}: checkpoint {n}");
    // It goes on from there.
    table.insert(hash_key(&99u64), &99, "on".to_owned()).unwrap();
    let next = state.manifests().next_checkpoint().unwrap();
    store.barrier(next, &mut table).unwrap();
    let job = store.encode(usize::MAX, &mut table).unwrap().unwrap();
    job().unwrap();
}

fn crash_at(point: Option<u64>, seed: u64) -> (CrashDisks, Run) {
    let disks = CrashDisks::default();
    let directory = tempfile::tempdir().unwrap();
    if let Some(point) = point {
        disks.die_at(point);
    }
    let mut run = Run { taken: BTreeMap::new(), complete: 0, folded: 0 };
    let outcome = script(&disks, directory.path(), &mut run);
    // The last operations are those of closing the files, when the script is done.
    assert!(outcome.is_ok() || disks.is_dead(), "point {point:?}: {outcome:?}");
    if point.is_some() {
        disks.crash(seed);
        check(&disks, directory.path(), &run, &format!("point {point:?}, seed {seed}"));
    }
    (disks, run)
}

#[test]
fn latest_complete_checkpoint_survives_a_crash_at_each_operation() {
    let (disks, run) = crash_at(None, 0);
    assert_eq!(run.taken.len(), 8);
    assert!(run.folded > 40, "{} rows were folded", run.folded);
    let operations = disks.operations();
    assert!(operations > 100, "{operations} operations");
    for point in 0..operations {
        crash_at(Some(point), point);
    }
}
