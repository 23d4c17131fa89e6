//! Drives one store with arbitrary steps and compares it with a plain map per checkpoint.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What can happen to a store.
#[derive(Debug, Clone)]
enum Step {
    Add(u64),
    Set(u64),
    Remove(u64),
    Read(u64),
    Barrier,
    Encode(usize),
    Persist(Outcome),
    PersistDone,
    Complete { retain: usize },
    Background { idle: bool },
    BackgroundDone,
    Pressure,
    Restore,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Written,
    Lost,
}

fn step(keys: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..keys).prop_map(Step::Add),
        2 => (0..keys).prop_map(Step::Set),
        3 => (0..keys).prop_map(Step::Remove),
        3 => (0..keys).prop_map(Step::Read),
        3 => Just(Step::Barrier),
        4 => (1usize..8).prop_map(Step::Encode),
        3 => prop_oneof![5 => Just(Outcome::Written), 1 => Just(Outcome::Lost)].prop_map(Step::Persist),
        3 => Just(Step::PersistDone),
        3 => (1usize..4).prop_map(|retain| Step::Complete { retain }),
        4 => any::<bool>().prop_map(|idle| Step::Background { idle }),
        4 => Just(Step::BackgroundDone),
        3 => Just(Step::Pressure),
        1 => Just(Step::Restore),
    ]
}

type Rows = BTreeMap<u64, String>;

/// A store, and what it should hold.
struct Pair {
    state: StateDir,
    attempt: u64,
    store: Store,
    table: Table<u64, String>,
    rows: Rows,
    /// What the checkpoints begun should hold.
    begun: BTreeMap<u64, Rows>,
    /// Jobs that have not run; any of them may be next.
    jobs: Vec<PersistJob>,
    /// Outcomes the store has not heard of.
    outcomes: Vec<Result<Persisted, StateError>>,
    /// Checkpoints that are durable here and not complete.
    persisted: BTreeMap<u64, Rows>,
    /// Complete checkpoints that may still be restored.
    complete: BTreeMap<u64, Rows>,
    fold: Option<FoldJob>,
    next: u64,
    now: u64,
}

impl Pair {
    fn new(state: StateDir) -> Self {
        let mut store = store(&state, 1, None);
        let table = store.table("words").unwrap();
        Self {
            state,
            attempt: 1,
            store,
            table,
            rows: Rows::new(),
            begun: BTreeMap::new(),
            jobs: Vec::new(),
            outcomes: Vec::new(),
            persisted: BTreeMap::new(),
            complete: BTreeMap::new(),
            fold: None,
            next: 1,
            now: 0,
        }
    }

    fn now(&mut self) -> Moment {
        self.now += 1;
        Moment::after_start(std::time::Duration::from_millis(self.now))
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Add(key) => {
                let word = self.table.get_or_insert_with(hash_key(&key), &key, String::new).unwrap();
                word.push('x');
                self.rows.entry(key).or_default().push('x');
            }
            Step::Set(key) => {
                self.table.insert(hash_key(&key), &key, "set".to_owned()).unwrap();
                self.rows.insert(key, "set".to_owned());
            }
            Step::Remove(key) => {
                let removed = self.table.remove(hash_key(&key), &key).unwrap();
                assert_eq!(removed, self.rows.remove(&key));
            }
            Step::Read(key) => {
                assert_eq!(self.table.get(hash_key(&key), &key).unwrap(), self.rows.get(&key));
                let found = self.table.get_mut(hash_key(&key), &key).unwrap().cloned();
                assert_eq!(found.as_ref(), self.rows.get(&key));
            }
            Step::Barrier => {
                self.store.barrier(CheckpointId(self.next), &mut self.table).unwrap();
                self.begun.insert(self.next, self.rows.clone());
                self.next += 1;
            }
            Step::Encode(budget) => {
                self.jobs.extend(self.store.encode(budget, &mut self.table).unwrap());
            }
            Step::Persist(outcome) => self.persist(outcome),
            Step::PersistDone => self.persist_done(),
            Step::Complete { retain } => self.complete(retain),
            Step::Background { idle } => {
                let now = self.now();
                if let Some(job) = self.store.background(idle, now, &mut self.table).unwrap() {
                    assert!(self.fold.is_none(), "one background job at a time");
                    self.fold = Some(job);
                }
            }
            Step::BackgroundDone => {
                if let Some(job) = self.fold.take() {
                    let now = self.now();
                    self.store.folded(job(), now, &mut self.table).unwrap();
                }
            }
            Step::Pressure => {
                self.store.pressure(&mut self.table).unwrap();
            }
            Step::Restore => self.restore(),
        }
    }

    fn persist(&mut self, outcome: Outcome) {
        let Some(job) = self.jobs.pop() else { return };
        let (checkpoint, by) = (CheckpointId(0), CheckpointId(0));
        self.outcomes.push(match outcome {
            Outcome::Written => job(),
            Outcome::Lost => Err(StateError::Superseded { checkpoint, by }),
        });
        // Now and then an older job runs after a newer one.
        let half = self.jobs.len() / 2;
        self.jobs.rotate_left(half);
    }

    fn persist_done(&mut self) {
        if self.outcomes.is_empty() {
            return;
        }
        let outcome = self.outcomes.remove(0);
        if let Ok(persisted) = &outcome {
            let n = persisted.checkpoint.0;
            self.persisted.insert(n, self.begun[&n].clone());
        }
        self.store.persisted(outcome).unwrap();
    }

    fn complete(&mut self, retain: usize) {
        let Some((n, rows)) = self.persisted.pop_last() else { return };
        self.persisted.clear();
        if self.complete.last_key_value().is_some_and(|(latest, _)| *latest > n) {
            return;
        }
        self.complete.insert(n, rows);
        while self.complete.len() > retain {
            self.complete.pop_first();
        }
        let oldest = *self.complete.first_key_value().unwrap().0;
        self.store.completed(CheckpointId(n), CheckpointId(oldest), &mut self.table).unwrap();
    }

    /// Goes back to the latest complete checkpoint, and compares all of it.
    fn restore(&mut self) {
        self.attempt += 1;
        let latest = self.complete.last_key_value().map(|(n, rows)| (*n, rows.clone()));
        self.store = store(&self.state, self.attempt, latest.as_ref().map(|(n, _)| *n));
        self.table = self.store.table("words").unwrap();
        self.rows = latest.map(|(_, rows)| rows).unwrap_or_default();
        self.begun.clear();
        self.persisted.clear();
        self.outcomes.clear();
        // Jobs of the attempt before may still run.
        assert!(self.jobs.drain(..).all(|job| job().is_err()));
        assert!(self.fold.take().into_iter().all(|job| job().map_or(true, |folded| folded.rows() == 0)));
        self.compare();
    }

    fn compare(&mut self) {
        let mut scanned = Rows::new();
        self.table
            .scan(|key, word| {
                assert_eq!(scanned.insert(*key, word.clone()), None, "each row is shown once");
                Ok(())
            })
            .unwrap();
        assert_eq!(scanned, self.rows);
        for key in 0..KEYS {
            assert_eq!(self.table.get(hash_key(&key), &key).unwrap(), self.rows.get(&key), "key {key}");
        }
    }
}

const KEYS: u64 = 12;

proptest! {
    #[test]
    fn store_holds_what_a_map_holds(steps in prop::collection::vec(step(KEYS), 1..160), memory_bytes in prop_oneof![Just(0usize), 200usize..2000, Just(1usize << 20)]) {
        let directory = tempfile::tempdir().unwrap();
        let options = StateOptions { memory_bytes, ..in_memory(&CrashDisks::default()) };
        let mut pair = Pair::new(StateDir::open(directory.path(), options).unwrap());
        for step in &steps {
            pair.perform(step);
        }
        pair.compare();
        pair.restore();
    }
}
