//! Drives one store with arbitrary steps and compares each kind of table with a plain map per checkpoint.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;

mod lists;
mod maps;
mod plain;
mod timers;
mod ttl;
mod windows;

/// A kind of table, with what it is used for in these tests.
trait Kind: VisitTables + Sized {
    /// One use of it.
    type Use: Clone + Debug;
    /// What it should hold.
    type Rows: Clone + Default;

    fn open(store: &mut Store) -> Self;

    fn uses() -> BoxedStrategy<Self::Use>;

    /// Uses both, and compares what comes of it.
    fn perform(&mut self, one: &Self::Use, rows: &mut Self::Rows);

    /// Compares all that they hold, which may be a use of it.
    fn compare(&mut self, rows: &mut Self::Rows);
}

/// What can happen to a store.
#[derive(Debug, Clone)]
enum Step<U> {
    Use(U),
    Barrier,
    Encode(usize),
    Persist(Outcome),
    PersistDone,
    Complete {
        retain: usize,
    },
    Background {
        idle: bool,
    },
    BackgroundDone,
    Pressure,
    /// All of the above, until every row is in the base.
    Settle,
    Restore,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Written,
    Lost,
}

fn step<U: Clone + Debug + 'static>(uses: BoxedStrategy<U>) -> impl Strategy<Value = Step<U>> {
    prop_oneof![
        14 => uses.prop_map(Step::Use),
        3 => Just(Step::Barrier),
        4 => (1usize..8).prop_map(Step::Encode),
        3 => prop_oneof![5 => Just(Outcome::Written), 1 => Just(Outcome::Lost)].prop_map(Step::Persist),
        3 => Just(Step::PersistDone),
        3 => (1usize..4).prop_map(|retain| Step::Complete { retain }),
        4 => any::<bool>().prop_map(|idle| Step::Background { idle }),
        4 => Just(Step::BackgroundDone),
        3 => Just(Step::Pressure),
        1 => Just(Step::Settle),
        1 => Just(Step::Restore),
    ]
}

/// A store, and what it should hold.
struct Pair<K: Kind> {
    state: StateDir,
    attempt: u64,
    store: Store,
    kind: K,
    rows: K::Rows,
    /// What the checkpoints begun should hold.
    begun: BTreeMap<u64, K::Rows>,
    /// Jobs that have not run; any of them may be next.
    jobs: Vec<PersistJob>,
    /// Outcomes the store has not heard of.
    outcomes: Vec<Result<Persisted, StateError>>,
    /// Checkpoints that are durable here and not complete.
    persisted: BTreeMap<u64, K::Rows>,
    /// Complete checkpoints that may still be restored.
    complete: BTreeMap<u64, K::Rows>,
    fold: Option<FoldJob>,
    next: u64,
    now: u64,
}

impl<K: Kind> Pair<K> {
    fn new(state: StateDir) -> Self {
        let mut store = store(&state, 1, None);
        let kind = K::open(&mut store);
        Self {
            state,
            attempt: 1,
            store,
            kind,
            rows: K::Rows::default(),
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

    fn perform(&mut self, step: &Step<K::Use>) {
        match step {
            Step::Use(one) => self.kind.perform(one, &mut self.rows),
            Step::Barrier => {
                let n = CheckpointId(self.next);
                self.next += 1;
                self.begun.insert(n.0, self.rows.clone());
                self.store.barrier(n, &mut self.kind).unwrap();
            }
            Step::Encode(budget) => {
                self.jobs.extend(self.store.encode(*budget, &mut self.kind).unwrap());
            }
            Step::Persist(outcome) => self.persist(*outcome),
            Step::PersistDone => self.persist_done(),
            Step::Complete { retain } => self.complete(*retain),
            Step::Background { idle } => {
                let now = self.now();
                if let Some(job) = self.store.background(*idle, now, &mut self.kind).unwrap() {
                    assert!(self.fold.is_none(), "one background job at a time");
                    self.fold = Some(job);
                }
            }
            Step::BackgroundDone => {
                if let Some(job) = self.fold.take() {
                    let now = self.now();
                    self.store.folded(job(), now, &mut self.kind).unwrap();
                }
            }
            Step::Pressure => {
                self.store.pressure(&mut self.kind).unwrap();
            }
            Step::Settle => self.settle(),
            Step::Restore => self.restore(),
        }
    }

    fn settle(&mut self) {
        let one_checkpoint = [
            Step::BackgroundDone,
            Step::Barrier,
            Step::Encode(usize::MAX),
            Step::Persist(Outcome::Written),
            Step::PersistDone,
            Step::Complete { retain: 1 },
            Step::Background { idle: true },
        ];
        // Older jobs and outcomes come first, and may make the new ones come too late.
        for _ in 0..=self.jobs.len() + self.outcomes.len() {
            one_checkpoint.iter().for_each(|step| self.perform(step));
        }
        while self.fold.is_some() {
            self.perform(&Step::BackgroundDone);
            self.perform(&Step::Background { idle: true });
        }
        self.perform(&Step::Pressure);
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
        self.store.completed(CheckpointId(n), CheckpointId(oldest), &mut self.kind).unwrap();
    }

    /// Goes back to the latest complete checkpoint, and compares all of it.
    fn restore(&mut self) {
        self.attempt += 1;
        let latest = self.complete.last_key_value().map(|(n, rows)| (*n, rows.clone()));
        self.store = store(&self.state, self.attempt, latest.as_ref().map(|(n, _)| *n));
        self.kind = K::open(&mut self.store);
        self.rows = latest.map(|(_, rows)| rows).unwrap_or_default();
        self.begun.clear();
        self.persisted.clear();
        self.outcomes.clear();
        // Jobs of the attempt before may still run.
        assert!(self.jobs.drain(..).all(|job| job().is_err()));
        assert!(self.fold.take().into_iter().all(|job| job().map_or(true, |folded| folded.rows() == 0)));
        self.kind.compare(&mut self.rows);
    }
}

fn steps<K: Kind>() -> impl Strategy<Value = Vec<Step<K::Use>>>
where
    K::Use: 'static,
{
    prop::collection::vec(step(K::uses()), 1..160)
}

/// Budgets under which all is evicted, some of it, and nothing.
fn memory_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0usize), 200usize..2000, Just(1usize << 20)]
}

/// Performs `steps` on a new store, compares all, restores the last complete checkpoint, and compares that.
fn check<K: Kind>(steps: &[Step<K::Use>], memory_bytes: usize) {
    let directory = tempfile::tempdir().unwrap();
    let options = StateOptions { memory_bytes, ..in_memory(&CrashDisks::default()) };
    let mut pair = Pair::<K>::new(StateDir::open(directory.path(), options).unwrap());
    for step in steps {
        pair.perform(step);
    }
    pair.kind.compare(&mut pair.rows);
    pair.restore();
}

proptest! {
    #[test]
    fn table_holds_what_a_map_holds(steps in steps::<plain::Words>(), memory in memory_bytes()) {
        check::<plain::Words>(&steps, memory);
    }

    #[test]
    fn window_table_holds_what_a_map_of_windows_and_keys_holds(steps in steps::<windows::Windows>(), memory in memory_bytes()) {
        check::<windows::Windows>(&steps, memory);
    }
    #[test]
    fn timers_hold_what_a_sorted_set_holds(steps in steps::<timers::Alarms>(), memory in memory_bytes()) {
        check::<timers::Alarms>(&steps, memory);
    }
    #[test]
    fn map_table_holds_what_a_map_of_keys_and_names_holds(steps in steps::<maps::Maps>(), memory in memory_bytes()) {
        check::<maps::Maps>(&steps, memory);
    }
    #[test]
    fn list_table_holds_what_vectors_hold(steps in steps::<lists::Lists>(), memory in memory_bytes()) {
        check::<lists::Lists>(&steps, memory);
    }

    #[test]
    fn window_list_table_holds_what_vectors_hold(steps in steps::<lists::WindowLists>(), memory in memory_bytes()) {
        check::<lists::WindowLists>(&steps, memory);
    }
    #[test]
    fn what_lives_for_a_time_is_there_until_then(steps in steps::<ttl::Lives<false>>(), memory in memory_bytes()) {
        check::<ttl::Lives<false>>(&steps, memory);
    }

    #[test]
    fn what_lives_for_a_time_after_reading_is_there_until_then(steps in steps::<ttl::Lives<true>>(), memory in memory_bytes()) {
        check::<ttl::Lives<true>>(&steps, memory);
    }
}
