//! The laws that every aggregate keeps, as one function that tests call.

use std::collections::BTreeMap;
use std::fmt::Debug;

use millstream_actors::time::Timestamp;
use proptest::prelude::*;

use super::Aggregate;
use crate::model::{self, Record};

/// Small numbers, with timestamps in no order, or without any.
pub(super) fn records() -> impl Strategy<Value = Vec<Record<i64>>> {
    let records = proptest::collection::vec((-20i64..20, 0i64..60), 1..60);
    (records, any::<bool>()).prop_map(|(records, timed)| {
        let record = |(value, time)| {
            if timed { Record::at(value, Timestamp::from_millis(time)) } else { Record::new(value) }
        };
        records.into_iter().map(record).collect()
    })
}

/// The same records, each with its number, so that no two are equal.
pub(super) fn numbered(records: &[Record<i64>]) -> Vec<Record<(i64, usize)>> {
    records.iter().enumerate().map(|(number, record)| record.with((record.value, number))).collect()
}

/// The result for `records`, added one after the other.
pub(super) fn result<T, A: Aggregate<T>>(mut aggregate: A, records: &[Record<T>]) -> A::Out {
    let accumulator = accumulated(&mut aggregate, records);
    aggregate.result(&accumulator).unwrap()
}

/// Asserts that merging gives what adding would, in whatever way the records are parted, and that accumulators survive
/// being encoded.
pub(super) fn hold<T: Clone, A: Aggregate<T>>(aggregate: A, records: &[Record<T>])
where
    A::Out: PartialEq + Debug,
{
    hold_seen(aggregate, records, |out| out);
}

/// As [`hold`], for results that are to be looked at in a certain way.
pub(super) fn hold_seen<T, A, O>(mut aggregate: A, records: &[Record<T>], seen: impl Fn(A::Out) -> O)
where
    T: Clone,
    A: Aggregate<T>,
    O: PartialEq + Debug,
{
    let whole = seen(result(aggregate.clone(), records));

    let (first, second) = (records.len() / 3, records.len() * 2 / 3);
    let parts = [&records[..first], &records[first..second], &records[second..]];
    let [a, b, c] = parts.map(|part| accumulated(&mut aggregate, part));
    let mut from_the_left = a.clone();
    aggregate.merge(&mut from_the_left, &b).unwrap();
    aggregate.merge(&mut from_the_left, &c).unwrap();
    assert_eq!(seen(aggregate.result(&from_the_left).unwrap()), whole, "merged from the left");
    let (mut from_the_right, mut tail) = (a, b);
    aggregate.merge(&mut tail, &c).unwrap();
    aggregate.merge(&mut from_the_right, &tail).unwrap();
    assert_eq!(seen(aggregate.result(&from_the_right).unwrap()), whole, "merged from the right");

    let mut panes: BTreeMap<i64, Vec<Record<T>>> = BTreeMap::new();
    for record in records {
        panes.entry(record.time.as_millis().div_euclid(10)).or_default().push(record.clone());
    }
    let mut from_panes = aggregate.create();
    for pane in panes.values() {
        let pane = accumulated(&mut aggregate, pane);
        aggregate.merge(&mut from_panes, &pane).unwrap();
    }
    assert_eq!(seen(aggregate.result(&from_panes).unwrap()), whole, "merged from panes in the order of time");

    let mut resumed = aggregate.create();
    for (number, record) in records.iter().enumerate() {
        // Before each of a few records, before some of many.
        if number % (1 + records.len() / 50) == 0 {
            resumed = model::decode(&model::encode(&resumed).unwrap()).unwrap();
        }
        aggregate.add(&mut resumed, record).unwrap();
    }
    assert_eq!(seen(aggregate.result(&resumed).unwrap()), whole, "encoded and decoded on the way");
}

fn accumulated<T, A: Aggregate<T>>(aggregate: &mut A, records: &[Record<T>]) -> A::Accumulator {
    let mut accumulator = aggregate.create();
    for record in records {
        aggregate.add(&mut accumulator, record).unwrap();
    }
    accumulator
}
