//! Values, entries and elements that live for a time.

use std::time::Duration;

use millstream_actors::time::Timestamp;

use super::*;

/// A table, a map and a list whose contents live for 10 ms, renewed by reading or not.
pub(super) struct Lives<const RENEWED: bool> {
    values: TtlTable<u64, u64>,
    entries: TtlMapTable<u64, i64, u64>,
    elements: TtlListTable<u64, u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Use {
    Pass(i64),
    Add(u64),
    Set(u64),
    Get(u64),
    Change(u64),
    Remove(u64),
    SetEntry(u64, i64),
    GetEntry(u64, i64),
    RemoveEntry(u64, i64),
    Entries(u64),
    Clear(u64),
    Push(u64, usize),
    Replace(u64, usize),
    Elements(u64),
}

/// When something began to live, and what it is.
type Life = (i64, u64);

/// What the tables should hold, those that are over among it.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    now: i64,
    values: BTreeMap<u64, Life>,
    entries: BTreeMap<(u64, i64), Life>,
    elements: BTreeMap<u64, Vec<Life>>,
}

const KEYS: u64 = 4;
const TTL: i64 = 10;

impl<const RENEWED: bool> VisitTables for Lives<RENEWED> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.values.visit(each)?;
        self.entries.visit(each)?;
        self.elements.visit(each)
    }
}

impl Rows {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Forgets what is over.
    fn pass(&mut self) {
        let lives = |life: &Life| life.0 + TTL > self.now;
        self.values.retain(|_, life| lives(life));
        self.entries.retain(|_, life| lives(life));
        self.elements.values_mut().for_each(|list| list.retain(lives));
    }

    /// Reads a life.
    fn read<const RENEWED: bool>(now: i64, life: &mut Life) -> u64 {
        if RENEWED {
            life.0 = now;
        }
        life.1
    }
}

impl<const RENEWED: bool> Kind for Lives<RENEWED> {
    type Use = Use;
    type Rows = Rows;

    fn open(store: &mut Store) -> Self {
        let update = if RENEWED { TtlUpdate::OnReadAndWrite } else { TtlUpdate::OnCreateAndWrite };
        let ttl = Ttl::of(Duration::from_millis(TTL as u64)).updated(update);
        Self {
            values: TtlTable::open(store, "values", ttl).unwrap(),
            entries: TtlMapTable::open(store, "entries", ttl).unwrap(),
            elements: TtlListTable::open(store, "elements", ttl).unwrap(),
        }
    }

    fn uses() -> BoxedStrategy<Use> {
        let (key, name, count) = (|| 0..KEYS, || 0i64..3, || 0usize..40);
        prop_oneof![
            4 => (0i64..6).prop_map(Use::Pass),
            3 => key().prop_map(Use::Add),
            2 => key().prop_map(Use::Set),
            2 => key().prop_map(Use::Get),
            1 => key().prop_map(Use::Change),
            1 => key().prop_map(Use::Remove),
            3 => (key(), name()).prop_map(|(key, name)| Use::SetEntry(key, name)),
            2 => (key(), name()).prop_map(|(key, name)| Use::GetEntry(key, name)),
            1 => (key(), name()).prop_map(|(key, name)| Use::RemoveEntry(key, name)),
            2 => key().prop_map(Use::Entries),
            1 => key().prop_map(Use::Clear),
            3 => (key(), count()).prop_map(|(key, count)| Use::Push(key, count)),
            1 => (key(), count()).prop_map(|(key, count)| Use::Replace(key, count)),
            2 => key().prop_map(Use::Elements),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Rows) {
        let (millis, now) = (rows.now, rows.now());
        match *one {
            Use::Pass(more) => {
                rows.now += more;
                rows.pass();
            }
            Use::Add(key) => {
                *self.values.get_or_insert_with(hash_key(&key), &key, now, || 0).unwrap() += 1;
                let life = rows.values.entry(key).or_insert((0, 0));
                *life = (millis, life.1 + 1);
            }
            Use::Set(key) => {
                self.values.insert(hash_key(&key), &key, now, 7).unwrap();
                rows.values.insert(key, (millis, 7));
            }
            Use::Get(key) => {
                let expected = rows.values.get_mut(&key).map(|life| Rows::read::<RENEWED>(millis, life));
                assert_eq!(self.values.get(hash_key(&key), &key, now).unwrap().copied(), expected, "key {key}");
            }
            Use::Change(key) => {
                let changed = self.values.get_mut(hash_key(&key), &key, now).unwrap().map(|value| *value += 1);
                let expected = rows.values.get_mut(&key).map(|life| *life = (millis, life.1 + 1));
                assert_eq!(changed, expected, "key {key}");
            }
            Use::Remove(key) => {
                let removed = self.values.remove(hash_key(&key), &key, now).unwrap();
                assert_eq!(removed, rows.values.remove(&key).map(|life| life.1));
            }
            Use::SetEntry(key, name) => {
                let value = millis as u64 + key;
                self.entries.insert(hash_key(&key), &key, &name, now, value).unwrap();
                rows.entries.insert((key, name), (millis, value));
            }
            Use::GetEntry(key, name) => {
                let expected = rows.entries.get_mut(&(key, name)).map(|life| Rows::read::<RENEWED>(millis, life));
                let found = self.entries.get(hash_key(&key), &key, &name, now).unwrap();
                assert_eq!(found.copied(), expected, "key {key}, entry {name}");
            }
            Use::RemoveEntry(key, name) => {
                let removed = self.entries.remove(hash_key(&key), &key, &name, now).unwrap();
                assert_eq!(removed, rows.entries.remove(&(key, name)).map(|life| life.1));
            }
            Use::Entries(key) => {
                let found = self.entries.entries(hash_key(&key), &key, now).unwrap();
                let found: Vec<(i64, u64)> = found.map(|(name, value)| (*name, *value)).collect();
                let expected = rows.entries.iter_mut().filter(|((of, _), _)| *of == key);
                let expected = expected.map(|((_, name), life)| (*name, Rows::read::<RENEWED>(millis, life)));
                assert_eq!(found, expected.collect::<Vec<_>>(), "key {key}");
            }
            Use::Clear(key) => {
                self.entries.clear(hash_key(&key), &key).unwrap();
                self.elements.clear(hash_key(&key), &key).unwrap();
                rows.entries.retain(|(of, _), _| *of != key);
                rows.elements.remove(&key);
            }
            Use::Push(key, count) => {
                let numbers = (0..count as u64).map(|n| n + millis as u64);
                self.elements.extend(hash_key(&key), &key, now, numbers.clone()).unwrap();
                rows.elements.entry(key).or_default().extend(numbers.map(|number| (millis, number)));
            }
            Use::Replace(key, count) => {
                let numbers = (0..count as u64).map(|n| n + millis as u64 + 500);
                self.elements.replace(hash_key(&key), &key, now, numbers.clone()).unwrap();
                rows.elements.insert(key, numbers.map(|number| (millis, number)).collect());
            }
            Use::Elements(key) => {
                let found: Vec<u64> = self.elements.elements(hash_key(&key), &key, now).unwrap().copied().collect();
                let expected = rows.elements.get_mut(&key).into_iter().flatten();
                let expected: Vec<u64> = expected.map(|life| Rows::read::<RENEWED>(millis, life)).collect();
                assert_eq!(found, expected, "key {key}");
            }
        }
    }

    fn compare(&mut self, rows: &mut Rows) {
        for key in 0..KEYS {
            [Use::Get(key), Use::Entries(key), Use::Elements(key)].iter().for_each(|one| self.perform(one, rows));
        }
    }
}
