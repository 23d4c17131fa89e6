//! The one registry of numbers: by subtask, uid and name. Opening a number takes a lock, adding to it does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::ids::SubtaskId;

use super::counter::{Counter, Gauge};
use super::counts::Counts;
use super::name::{CounterName, GaugeName};

/// A number as it is now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Sample {
    /// The uid of the operator, source or sink. One without a uid counts under the uid before it.
    pub uid: Arc<str>,
    /// The position of the subtask among those of its block; `None` if only the sum over all of them is known.
    pub subtask: Option<u32>,
    /// The name of the number.
    pub name: Arc<str>,
    /// The number.
    pub value: u64,
}

impl Sample {
    /// The samples of sums over all subtasks.
    pub(crate) fn of_counts(counts: &Counts) -> Vec<Self> {
        let sample =
            |(uid, name, value): (&str, &str, u64)| Self { uid: uid.into(), subtask: None, name: name.into(), value };
        counts.iter().map(sample).collect()
    }
}

/// The numbers of all subtasks of the present attempt. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    subtasks: Arc<Mutex<BTreeMap<SubtaskId, SubtaskMetrics>>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SubtaskId, SubtaskMetrics>> {
        self.subtasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the numbers of a subtask, in the place of those that it had in an earlier attempt.
    pub(crate) fn register(&self, subtask: SubtaskId, metrics: SubtaskMetrics) {
        self.lock().insert(subtask, metrics);
    }

    /// The durable counts of all subtasks together.
    pub(crate) fn durable(&self) -> Counts {
        let mut counts = Counts::default();
        self.lock().values().for_each(|subtask| counts += &subtask.durable());
        counts
    }

    /// The count of `name` under all uids and in all subtasks together.
    pub(crate) fn total(&self, name: CounterName) -> u64 {
        let of_subtask = |subtask: &SubtaskMetrics| {
            let cells = subtask.lock();
            cells
                .iter()
                .filter(|((_, known), _)| **known == *name.name())
                .map(|(_, cell)| cell.number.get())
                .sum::<u64>()
        };
        self.lock().values().map(of_subtask).sum()
    }

    /// All numbers, sorted by uid, subtask and name.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut all = BTreeMap::<_, u64>::new();
        for (subtask, metrics) in &*self.lock() {
            for ((uid, name), cell) in &*metrics.lock() {
                *all.entry((uid.clone(), Some(subtask.index), name.clone())).or_default() += cell.number.get();
            }
        }
        all.into_iter().map(|((uid, subtask, name), value)| Sample { uid, subtask, name, value }).collect()
    }
}

/// The numbers of one subtask. Clones are the same numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubtaskMetrics {
    cells: Arc<Mutex<BTreeMap<Key, Cell>>>,
}

/// A uid and a name.
type Key = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Cell {
    number: Counter,
    is_durable: bool,
}

impl SubtaskMetrics {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Cell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter `name` under `uid`: always the same one.
    pub(crate) fn counter(&self, uid: &Arc<str>, name: CounterName) -> Counter {
        self.open(uid, name.name(), name.is_durable())
    }

    /// The gauge `name` under `uid`: always the same one.
    pub(crate) fn gauge(&self, uid: &Arc<str>, name: GaugeName) -> Gauge {
        self.open(uid, name.name(), false).into_gauge()
    }

    fn open(&self, uid: &Arc<str>, name: &str, is_durable: bool) -> Counter {
        let cell = Cell { number: Counter::default(), is_durable };
        self.lock().entry((Arc::clone(uid), name.into())).or_insert(cell).number.clone()
    }

    /// What a checkpoint holds of the numbers.
    pub(crate) fn durable(&self) -> Counts {
        let mut counts = Counts::default();
        let cells = self.lock();
        let durable = cells.iter().filter(|(_, cell)| cell.is_durable);
        durable.for_each(|((uid, name), cell)| counts.add(uid, name, cell.number.get()));
        counts
    }

    /// Goes on from the counts of a checkpoint, before anything is opened. Those that nobody opens any more are kept: what
    /// was counted once stays counted.
    pub(crate) fn restore(&self, counts: &Counts) {
        let mut cells = self.lock();
        for (uid, name, count) in counts.iter() {
            let cell = Cell { number: Counter::starting_at(count), is_durable: true };
            cells.insert((uid.into(), name.into()), cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{FILTERED, LATE};

    const CALLS: CounterName = CounterName::new("shop.calls", "Calls of the shop.").of_attempt();
    const OPEN: GaugeName = GaugeName::new("shop.open", "Calls that have no answer yet.");

    fn uid(uid: &str) -> Arc<str> {
        uid.into()
    }

    #[test]
    fn numbers_are_found_by_uid_subtask_and_name() {
        let registry = Registry::default();
        for index in [1, 0] {
            let metrics = SubtaskMetrics::default();
            registry.register(SubtaskId::new(0, index), metrics.clone());
            metrics.counter(&uid("windows"), LATE).add(u64::from(index) + 1);
            metrics.counter(&uid("windows"), LATE).add(10);
            metrics.counter(&uid("join"), LATE).add(5);
            metrics.gauge(&uid("join"), OPEN).set(7);
        }
        let samples = registry.samples();
        let known = samples.iter().map(|sample| (&*sample.uid, sample.subtask, &*sample.name, sample.value));
        let expected = [
            ("join", Some(0), "records.late", 5),
            ("join", Some(0), "shop.open", 7),
            ("join", Some(1), "records.late", 5),
            ("join", Some(1), "shop.open", 7),
            ("windows", Some(0), "records.late", 11),
            ("windows", Some(1), "records.late", 12),
        ];
        assert_eq!(known.collect::<Vec<_>>(), expected);
        assert_eq!((registry.total(LATE), registry.total(FILTERED)), (33, 0));
        assert_eq!((registry.durable().of("windows", LATE), registry.durable().of("join", LATE)), (23, 10));
    }

    #[test]
    fn blocks_that_count_under_one_uid_are_added_up() {
        let registry = Registry::default();
        for block in 0..2 {
            let metrics = SubtaskMetrics::default();
            metrics.counter(&uid("lines"), FILTERED).add(3);
            registry.register(SubtaskId::new(block, 0), metrics);
        }
        assert_eq!(registry.samples().iter().map(|sample| sample.value).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn durable_counts_go_on_and_others_begin_anew() {
        let before = SubtaskMetrics::default();
        before.counter(&uid("windows"), LATE).add(3);
        before.counter(&uid("calls"), CALLS).add(4);
        before.gauge(&uid("calls"), OPEN).set(5);
        before.counter(&uid("removed"), FILTERED).add(6);

        let after = SubtaskMetrics::default();
        after.restore(&before.durable());
        let late = after.counter(&uid("windows"), LATE);
        late.add(1);
        assert_eq!(late.get(), 4);
        assert_eq!(after.counter(&uid("calls"), CALLS).get(), 0);
        assert_eq!(after.gauge(&uid("calls"), OPEN).get(), 0);
        assert_eq!(after.durable().of("removed", FILTERED), 6);
    }
}
