//! Keeps all records with the greatest value: a maximum with its ties.

use std::cmp::Ordering;

use millstream::model::Data;
use millstream::operator::aggregate::{Aggregate, Functions};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The greatest value so far, and the records that have it.
type Best<N, T> = Option<(N, Vec<T>)>;

/// All records for which `value_of` gives the greatest value.
pub(crate) fn greatest<T, N>(value_of: fn(&T) -> N) -> impl Aggregate<T, Out = Vec<T>>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    N: Data + Clone + Ord + Serialize + DeserializeOwned,
{
    let add = move |best: &mut Best<N, T>, record: &T| join(best, value_of(record), std::slice::from_ref(record));
    let merge = |into: &mut Best<N, T>, from: &Best<N, T>| {
        if let Some((value, records)) = from {
            join(into, value.clone(), records);
        }
    };
    let result = |best: &Best<N, T>| best.as_ref().map(|(_, records)| records.clone()).unwrap_or_default();
    Functions::of(|| None, add, merge, result)
}

/// Lets `records`, all of which have `value`, take part in `best`.
fn join<T: Clone, N: Ord>(best: &mut Best<N, T>, value: N, records: &[T]) {
    match best {
        Some((highest, ties)) => match value.cmp(highest) {
            Ordering::Less => {}
            Ordering::Equal => ties.extend_from_slice(records),
            Ordering::Greater => *best = Some((value, records.to_vec())),
        },
        None => *best = Some((value, records.to_vec())),
    }
}
