//! Rows of windows and keys: taken and shown some at a time, while everything else goes on.

use std::collections::BTreeSet;

use super::*;

/// Words that grow in windows.
pub(super) struct Windows {
    table: WindowTable<i64, u64, String>,
    showing: Option<Showing>,
    /// The window that is being taken.
    taking: Option<i64>,
}

/// A window that is being shown.
struct Showing {
    window: i64,
    /// Keys that have been there all the while.
    steady: BTreeSet<u64>,
    shown: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Use {
    Add(i64, u64),
    Change(i64, u64),
    Remove(i64, u64),
    Read(i64, u64),
    Take(i64, usize),
    Show(i64, usize),
    First,
}

const KEYS: u64 = 7;
const WINDOWS: std::ops::Range<i64> = -1..2;

type Rows = BTreeMap<(i64, u64), String>;

fn of(rows: &Rows, window: i64) -> impl Iterator<Item = (u64, &String)> {
    rows.range((window, 0)..=(window, u64::MAX)).map(|((_, key), word)| (*key, word))
}

impl VisitTables for Windows {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.table.visit(each)
    }
}

impl Kind for Windows {
    type Use = Use;
    type Rows = Rows;

    fn open(store: &mut Store) -> Self {
        Self { table: WindowTable::open(store, "words").unwrap(), showing: None, taking: None }
    }

    fn uses() -> BoxedStrategy<Use> {
        prop_oneof![
            6 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| Use::Add(window, key)),
            2 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| Use::Change(window, key)),
            2 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| Use::Remove(window, key)),
            2 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| Use::Read(window, key)),
            2 => (WINDOWS, 1usize..9).prop_map(|(window, rows)| Use::Take(window, rows)),
            2 => (WINDOWS, 1usize..9).prop_map(|(window, rows)| Use::Show(window, rows)),
            1 => Just(Use::First),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Rows) {
        match *one {
            Use::Add(window, key) => {
                self.table.get_or_insert_with(window, hash_key(&key), &key, String::new).unwrap().push('x');
                rows.entry((window, key)).or_default().push('x');
            }
            Use::Change(window, key) => {
                let found = self.table.get_mut(window, hash_key(&key), &key).unwrap();
                assert_eq!(found.as_deref(), rows.get(&(window, key)));
                found.into_iter().chain(rows.get_mut(&(window, key))).for_each(|word| word.push('y'));
            }
            Use::Remove(window, key) => {
                self.gone(window, key);
                let removed = self.table.remove(window, hash_key(&key), &key).unwrap();
                assert_eq!(removed, rows.remove(&(window, key)));
            }
            Use::Read(window, key) => {
                assert_eq!(self.table.get(window, hash_key(&key), &key).unwrap(), rows.get(&(window, key)));
            }
            Use::Take(window, at_most) => self.take(window, at_most, rows),
            Use::Show(window, at_most) => {
                self.show(window, at_most, rows);
            }
            Use::First => {
                let first = self.table.first().unwrap();
                let expected = rows.keys().next().map(|(window, _)| *window);
                assert!(first == expected || first == self.taking, "expected {expected:?}, found {first:?}");
            }
        }
    }

    fn compare(&mut self, rows: &mut Rows) {
        if let Some(window) = self.showing.as_ref().map(|showing| showing.window) {
            while !self.show(window, 5, rows) {}
        }
        for window in WINDOWS {
            for key in 0..KEYS / 2 {
                let found = self.table.get(window, hash_key(&key), &key).unwrap();
                assert_eq!(found, rows.get(&(window, key)), "window {window}, key {key}");
            }
            while !self.show(window, 5, rows) {}
        }
        let mut windows: BTreeSet<i64> = rows.keys().map(|(window, _)| *window).collect();
        let found: BTreeSet<i64> = self.table.namespaces().unwrap().into_iter().collect();
        // One that is being taken may be named until that is done.
        windows.extend(self.taking.filter(|window| found.contains(window)));
        assert_eq!(found, windows);
    }
}

impl Windows {
    fn gone(&mut self, window: i64, key: u64) {
        if let Some(showing) = self.showing.as_mut().filter(|showing| showing.window == window) {
            showing.steady.remove(&key);
        }
    }

    fn take(&mut self, window: i64, at_most: usize, rows: &mut Rows) {
        self.showing.take_if(|showing| showing.window == window);
        let mut taken = 0;
        let done = self
            .table
            .take(window, at_most, |hash, key, word| {
                assert_eq!(hash, hash_key(key));
                assert_eq!(rows.remove(&(window, *key)), Some(word), "window {window}, key {key}");
                taken += 1;
                Ok::<_, StateError>(())
            })
            .unwrap();
        assert!(taken <= at_most, "{taken} of {at_most}");
        self.taking = (!done).then_some(window);
        assert!(!done || of(rows, window).next().is_none(), "window {window} has rows left");
    }

    fn show(&mut self, window: i64, at_most: usize, rows: &Rows) -> bool {
        self.showing.take_if(|showing| showing.window != window);
        let begin = || {
            let steady = of(rows, window).map(|(key, _)| key).collect();
            Showing { window, steady, shown: BTreeSet::new() }
        };
        let showing = self.showing.get_or_insert_with(begin);
        let done = self
            .table
            .show(window, at_most, |hash, key, word| {
                assert_eq!(hash, hash_key(key));
                assert_eq!(rows.get(&(window, *key)), Some(word), "window {window}, key {key}");
                assert!(showing.shown.insert(*key), "window {window}, key {key} is shown twice");
                Ok::<_, StateError>(())
            })
            .unwrap();
        assert!(!done || showing.steady.is_subset(&showing.shown), "{:?} of {:?}", showing.shown, showing.steady);
        self.showing.take_if(|_| done);
        done
    }
}
