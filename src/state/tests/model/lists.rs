//! Lists per key, and lists per window and key.

use super::*;

/// Lists of numbers.
pub(super) struct Lists(ListTable<u64, u64>);

#[derive(Debug, Clone)]
pub(super) enum Use {
    Push(u64),
    Extend(u64, usize),
    Replace(u64, usize),
    Take(u64),
    Clear(u64),
    Read(u64),
    Len(u64),
}

const KEYS: u64 = 4;
/// More than two chunks.
const MANY: usize = 80;

type Rows = BTreeMap<u64, Vec<u64>>;

/// `count` numbers that tell one call from the next.
fn numbers(rows: &Rows, count: usize) -> std::ops::Range<u64> {
    let start = rows.values().map(|list| list.len() as u64 + list.last().copied().unwrap_or(0)).sum();
    start..start + count as u64
}

impl VisitTables for Lists {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl Kind for Lists {
    type Use = Use;
    type Rows = Rows;

    fn open(store: &mut Store) -> Self {
        Self(ListTable::open(store, "lists").unwrap())
    }

    fn uses() -> BoxedStrategy<Use> {
        prop_oneof![
            4 => (0..KEYS).prop_map(Use::Push),
            4 => (0..KEYS, 0..MANY).prop_map(|(key, count)| Use::Extend(key, count)),
            2 => (0..KEYS, 0..MANY).prop_map(|(key, count)| Use::Replace(key, count)),
            1 => (0..KEYS).prop_map(Use::Take),
            1 => (0..KEYS).prop_map(Use::Clear),
            3 => (0..KEYS).prop_map(Use::Read),
            1 => (0..KEYS).prop_map(Use::Len),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Rows) {
        match *one {
            Use::Push(key) => {
                let number = numbers(rows, 1).start;
                self.0.push(hash_key(&key), &key, number).unwrap();
                rows.entry(key).or_default().push(number);
            }
            Use::Extend(key, count) => {
                let numbers = numbers(rows, count);
                self.0.extend(hash_key(&key), &key, numbers.clone()).unwrap();
                rows.entry(key).or_default().extend(numbers);
            }
            Use::Replace(key, count) => {
                let numbers = numbers(rows, count);
                self.0.replace(hash_key(&key), &key, numbers.clone()).unwrap();
                rows.insert(key, numbers.collect());
            }
            Use::Take(key) => {
                assert_eq!(self.0.take(hash_key(&key), &key).unwrap(), rows.remove(&key).unwrap_or_default());
            }
            Use::Clear(key) => {
                self.0.clear(hash_key(&key), &key).unwrap();
                rows.remove(&key);
            }
            Use::Read(key) => {
                let elements = self.0.elements(hash_key(&key), &key).unwrap();
                let expected = rows.get(&key).cloned().unwrap_or_default();
                assert_eq!(elements.len(), expected.len(), "key {key}");
                assert_eq!(elements.iter().copied().collect::<Vec<_>>(), expected, "key {key}");
            }
            Use::Len(key) => {
                assert_eq!(self.0.len(hash_key(&key), &key).unwrap(), rows.get(&key).map_or(0, Vec::len));
            }
        }
    }

    fn compare(&mut self, rows: &mut Rows) {
        for key in 0..KEYS {
            self.perform(&Use::Read(key), &mut rows.clone());
        }
    }
}

/// Lists of numbers in windows.
pub(super) struct WindowLists(WindowListTable<i64, u64, u64>);

#[derive(Debug, Clone)]
pub(super) enum WindowUse {
    Extend(i64, u64, usize),
    Replace(i64, u64, usize),
    Clear(i64, u64),
    Read(i64, u64),
    Take(i64, usize),
    Show(i64),
}

type WindowRows = BTreeMap<(i64, u64), Vec<u64>>;

const WINDOWS: std::ops::Range<i64> = -1..2;

impl VisitTables for WindowLists {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl Kind for WindowLists {
    type Use = WindowUse;
    type Rows = WindowRows;

    fn open(store: &mut Store) -> Self {
        Self(WindowListTable::open(store, "lists").unwrap())
    }

    fn uses() -> BoxedStrategy<WindowUse> {
        prop_oneof![
            6 => (WINDOWS, 0..KEYS, 0..MANY).prop_map(|(window, key, count)| WindowUse::Extend(window, key, count)),
            1 => (WINDOWS, 0..KEYS, 0..MANY).prop_map(|(window, key, count)| WindowUse::Replace(window, key, count)),
            1 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| WindowUse::Clear(window, key)),
            2 => (WINDOWS, 0..KEYS).prop_map(|(window, key)| WindowUse::Read(window, key)),
            2 => (WINDOWS, 1..MANY).prop_map(|(window, count)| WindowUse::Take(window, count)),
            2 => WINDOWS.prop_map(WindowUse::Show),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &WindowUse, rows: &mut WindowRows) {
        match *one {
            WindowUse::Extend(window, key, count) => {
                let numbers = (0..count as u64).map(|n| n + key * 1000);
                self.0.extend(window, hash_key(&key), &key, numbers.clone()).unwrap();
                rows.entry((window, key)).or_default().extend(numbers);
                rows.retain(|_, list| !list.is_empty());
            }
            WindowUse::Replace(window, key, count) => {
                let numbers = (0..count as u64).map(|n| n + key * 2000);
                self.0.replace(window, hash_key(&key), &key, numbers.clone()).unwrap();
                rows.insert((window, key), numbers.collect());
                rows.retain(|_, list| !list.is_empty());
            }
            WindowUse::Clear(window, key) => {
                self.0.clear(window, hash_key(&key), &key).unwrap();
                rows.remove(&(window, key));
            }
            WindowUse::Read(window, key) => {
                let elements = self.0.elements(window, hash_key(&key), &key).unwrap();
                let found: Vec<u64> = elements.iter().copied().collect();
                assert_eq!(Some(found).filter(|list| !list.is_empty()), rows.get(&(window, key)).cloned());
            }
            WindowUse::Take(window, at_most) => {
                let each = |hash, key: &u64, list| {
                    assert_eq!(hash, hash_key(key));
                    assert_eq!(Some(list), rows.remove(&(window, *key)), "window {window}, key {key}");
                    Ok::<_, StateError>(())
                };
                let done = self.0.take(window, at_most, each).unwrap();
                assert!(!done || rows.keys().all(|(of, _)| *of != window), "window {window} has lists left");
            }
            WindowUse::Show(window) => self.show(window, rows),
        }
    }

    fn compare(&mut self, rows: &mut WindowRows) {
        for window in WINDOWS {
            self.show(window, rows);
        }
    }
}

impl WindowLists {
    fn show(&mut self, window: i64, rows: &WindowRows) {
        let mut shown = BTreeMap::new();
        let mut each = |hash, key: &u64, list: Elements<'_, u64>| {
            assert_eq!(hash, hash_key(key));
            let list: Vec<u64> = list.iter().copied().collect();
            assert_eq!(shown.insert((window, *key), list), None, "key {key} is shown once");
            Ok::<_, StateError>(())
        };
        while !self.0.show(window, MANY, &mut each).unwrap() {}
        let expected: WindowRows =
            rows.iter().filter(|((of, _), _)| *of == window).map(|(key, list)| (*key, list.clone())).collect();
        assert_eq!(shown, expected);
    }
}
