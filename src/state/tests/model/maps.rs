//! Maps per key: entries, ranges of them, all of them.

use super::*;

/// Words that grow in maps.
pub(super) struct Maps(MapTable<u64, i64, String>);

#[derive(Debug, Clone)]
pub(super) enum Use {
    Add(u64, i64),
    Set(u64, i64),
    Remove(u64, i64),
    Read(u64, i64),
    Entries(u64),
    Range(u64, i64, i64),
    IsEmpty(u64),
    Clear(u64),
}

const KEYS: u64 = 5;
const NAMES: std::ops::Range<i64> = -200..600;

/// Few names, whose encodings do not sort as they do.
fn name() -> impl Strategy<Value = i64> {
    (-1i64..5).prop_map(|n| n * 100)
}

type Rows = BTreeMap<(u64, i64), String>;

fn of(rows: &Rows, key: u64, from: i64, to: i64) -> Vec<(i64, String)> {
    let within = rows.iter().filter(|((of, name), _)| *of == key && (from..=to).contains(name));
    within.map(|((_, name), word)| (*name, word.clone())).collect()
}

impl VisitTables for Maps {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl Kind for Maps {
    type Use = Use;
    type Rows = Rows;

    fn open(store: &mut Store) -> Self {
        Self(MapTable::open(store, "maps").unwrap())
    }

    fn uses() -> BoxedStrategy<Use> {
        prop_oneof![
            6 => (0..KEYS, name()).prop_map(|(key, name)| Use::Add(key, name)),
            2 => (0..KEYS, name()).prop_map(|(key, name)| Use::Set(key, name)),
            3 => (0..KEYS, name()).prop_map(|(key, name)| Use::Remove(key, name)),
            3 => (0..KEYS, name()).prop_map(|(key, name)| Use::Read(key, name)),
            2 => (0..KEYS).prop_map(Use::Entries),
            2 => (0..KEYS, NAMES, NAMES).prop_map(|(key, from, to)| Use::Range(key, from, to)),
            1 => (0..KEYS).prop_map(Use::IsEmpty),
            1 => (0..KEYS).prop_map(Use::Clear),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Rows) {
        match *one {
            Use::Add(key, name) => {
                self.0.get_or_insert_with(hash_key(&key), &key, &name, String::new).unwrap().push('x');
                rows.entry((key, name)).or_default().push('x');
            }
            Use::Set(key, name) => {
                self.0.insert(hash_key(&key), &key, &name, "set".to_owned()).unwrap();
                rows.insert((key, name), "set".to_owned());
            }
            Use::Remove(key, name) => {
                assert_eq!(self.0.remove(hash_key(&key), &key, &name).unwrap(), rows.remove(&(key, name)));
            }
            Use::Read(key, name) => {
                assert_eq!(self.0.get(hash_key(&key), &key, &name).unwrap(), rows.get(&(key, name)));
            }
            Use::Entries(key) => self.entries(key, rows),
            Use::Range(key, from, to) => {
                let found = self.0.range(hash_key(&key), &key, from..=to).unwrap();
                let found: Vec<(i64, String)> = found.map(|(name, word)| (*name, word.clone())).collect();
                assert_eq!(found, of(rows, key, from, to), "key {key}, {from}..={to}");
            }
            Use::IsEmpty(key) => {
                assert_eq!(
                    self.0.is_empty(hash_key(&key), &key).unwrap(),
                    of(rows, key, i64::MIN, i64::MAX).is_empty()
                );
            }
            Use::Clear(key) => {
                self.0.clear(hash_key(&key), &key).unwrap();
                rows.retain(|(of, _), _| *of != key);
            }
        }
    }

    fn compare(&mut self, rows: &mut Rows) {
        for key in 0..KEYS {
            for name in [0, 100] {
                self.perform(&Use::Read(key, name), &mut rows.clone());
            }
            self.entries(key, rows);
        }
    }
}

impl Maps {
    fn entries(&mut self, key: u64, rows: &Rows) {
        let found = self.0.entries(hash_key(&key), &key).unwrap();
        let found: Vec<(i64, String)> = found.map(|(name, word)| (*name, word.clone())).collect();
        assert_eq!(found, of(rows, key, i64::MIN, i64::MAX), "key {key}");
    }
}
