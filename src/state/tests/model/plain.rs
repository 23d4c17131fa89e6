//! Rows of plain keys.

use super::*;

/// Words that grow.
pub(super) struct Words(Table<u64, String>);

#[derive(Debug, Clone)]
pub(super) enum Use {
    Add(u64),
    Set(u64),
    Remove(u64),
    Read(u64),
}

const KEYS: u64 = 12;

impl VisitTables for Words {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl Kind for Words {
    type Use = Use;
    type Rows = BTreeMap<u64, String>;

    fn open(store: &mut Store) -> Self {
        Self(store.table("words").unwrap())
    }

    fn uses() -> BoxedStrategy<Use> {
        prop_oneof![
            6 => (0..KEYS).prop_map(Use::Add),
            2 => (0..KEYS).prop_map(Use::Set),
            3 => (0..KEYS).prop_map(Use::Remove),
            3 => (0..KEYS).prop_map(Use::Read),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Self::Rows) {
        match *one {
            Use::Add(key) => {
                self.0.get_or_insert_with(hash_key(&key), &key, String::new).unwrap().push('x');
                rows.entry(key).or_default().push('x');
            }
            Use::Set(key) => {
                self.0.insert(hash_key(&key), &key, "set".to_owned()).unwrap();
                rows.insert(key, "set".to_owned());
            }
            Use::Remove(key) => assert_eq!(self.0.remove(hash_key(&key), &key).unwrap(), rows.remove(&key)),
            Use::Read(key) => {
                assert_eq!(self.0.get(hash_key(&key), &key).unwrap(), rows.get(&key));
                assert_eq!(self.0.get_mut(hash_key(&key), &key).unwrap().as_deref(), rows.get(&key));
            }
        }
    }

    fn compare(&mut self, rows: &mut Self::Rows) {
        let mut scanned = BTreeMap::new();
        self.0
            .scan(|key, word| {
                assert_eq!(scanned.insert(*key, word.clone()), None, "each row is shown once");
                Ok(())
            })
            .unwrap();
        assert_eq!(&scanned, rows);
        for key in 0..KEYS {
            assert_eq!(self.0.get(hash_key(&key), &key).unwrap(), rows.get(&key), "key {key}");
        }
    }
}
