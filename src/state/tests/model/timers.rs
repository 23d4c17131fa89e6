//! Timers: registered, deleted, due.

use std::collections::BTreeSet;

use millstream_actors::time::Timestamp;

use super::*;

/// Timers of words.
pub(super) struct Alarms(Timers<String, u8>);

type Alarm = (i64, String, u8);

#[derive(Debug, Clone)]
pub(super) enum Use {
    Register(Alarm),
    Delete(Alarm),
    Next,
    Pop(i64),
}

fn alarm() -> impl Strategy<Value = Alarm> {
    let time = prop_oneof![4 => -3i64..8, 1 => Just(i64::MAX), 1 => Just(i64::MIN + 1)];
    (time, 0..6u32, 0..3u8).prop_map(|(time, key, namespace)| (time, format!("key {key}"), namespace))
}

impl VisitTables for Alarms {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.visit(each)
    }
}

impl Kind for Alarms {
    type Use = Use;
    type Rows = BTreeSet<Alarm>;

    fn open(store: &mut Store) -> Self {
        Self(Timers::open(store, "alarms").unwrap())
    }

    fn uses() -> BoxedStrategy<Use> {
        prop_oneof![
            8 => alarm().prop_map(Use::Register),
            3 => alarm().prop_map(Use::Delete),
            1 => Just(Use::Next),
            3 => (-3i64..8).prop_map(Use::Pop),
        ]
        .boxed()
    }

    fn perform(&mut self, one: &Use, rows: &mut Self::Rows) {
        match one {
            Use::Register(alarm) => {
                let (time, key, namespace) = alarm;
                self.0.register(Timestamp::from_millis(*time), hash_key(key), key, namespace).unwrap();
                rows.insert(alarm.clone());
            }
            Use::Delete(alarm) => {
                let (time, key, namespace) = alarm;
                let deleted = self.0.delete(Timestamp::from_millis(*time), hash_key(key), key, namespace).unwrap();
                assert_eq!(deleted, rows.remove(alarm));
            }
            Use::Next => {}
            Use::Pop(up_to) => self.pop(Timestamp::from_millis(*up_to), rows),
        }
        let next = rows.first().map(|(time, ..)| Timestamp::from_millis(*time));
        assert_eq!(self.0.next(), next);
    }

    fn compare(&mut self, rows: &mut Self::Rows) {
        // Taken out and put in again: so nothing is lost by comparing.
        let mut left = rows.clone();
        while !left.is_empty() {
            self.pop(Timestamp::MAX, &mut left);
        }
        assert_eq!(self.0.next(), None);
        for alarm in rows.iter() {
            self.perform(&Use::Register(alarm.clone()), &mut left);
        }
    }
}

impl Alarms {
    fn pop(&mut self, up_to: Timestamp, rows: &mut BTreeSet<Alarm>) {
        let first = rows.first().map(|(time, ..)| Timestamp::from_millis(*time)).filter(|first| *first <= up_to);
        let popped = self.0.pop_due(up_to).unwrap();
        assert_eq!(popped.as_ref().map(|(time, ..)| *time), first);
        if let Some((time, hash, key, namespace)) = popped {
            assert_eq!(hash, hash_key(&key));
            let alarm = (time.as_millis(), key, namespace);
            assert!(rows.remove(&alarm), "{alarm:?} was never registered, or is gone");
        }
    }
}
