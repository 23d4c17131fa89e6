//! Aggregates in front of an exchange what one subtask has of a key and a window, so that less of it travels.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millstream_actors::time::Timestamp;

use super::keep::Rule;
use super::{Panes, TimeWindow, WindowAssigner, WindowError};
use crate::error::{Error, Result};
use crate::model::{Data, Key, KeyHash, Keyed, Record};
use crate::operator::aggregate::Aggregate;

/// What one subtask has aggregated of a key in a piece of time.
pub(crate) struct Partial<A> {
    /// The window, or the pane that several windows share.
    pub(crate) piece: TimeWindow,
    /// How many records it was made of.
    pub(crate) records: u64,
    /// The accumulator.
    pub(crate) held: A,
}

/// A key with what was aggregated of its records.
pub(crate) type KeyedPartial<K, A> = Keyed<K, Partial<A>>;

/// Keys and pieces of time that are held at most: their accumulators should stay in the caches of one core.
const CAPACITY: usize = 1 << 12;

/// Records that pass one by one, per key that was held, when it has turned out that keys hardly ever come again.
const BYPASS: u64 = 16;

/// The aggregate of windows, as far as one subtask can compute it in front of the exchange.
///
/// What is held goes on before a watermark that lets one of its windows fire, before the subtask says that it is idle,
/// before a barrier, and whenever there is nothing else to do: so no window misses anything, and snapshots need not know of
/// it.
///
/// # Source
/// "Local-global aggregation" of Flink SQL; "combiner lifting" in Chambers et al., "FlumeJava", PLDI 2010.
pub(crate) struct LocalAggregate<K, T, A, G: Aggregate<T>> {
    uid: Arc<str>,
    assigner: A,
    panes: Option<Panes>,
    rule: Rule,
    aggregate: G,
    held: HashTable<KeyedPartial<K, G::Accumulator>>,
    /// The records that are held.
    records: u64,
    /// The watermark at which the first of what is held is needed.
    needed_at: Timestamp,
    watermark: Timestamp,
    latest: Option<Latest>,
    /// Records that still pass one by one.
    bypassing: u64,
}

/// The piece of time that a record was put into last.
#[derive(Debug, Clone, Copy)]
struct Latest {
    /// The time of that record.
    time: Timestamp,
    piece: TimeWindow,
    needed_at: Timestamp,
}

impl Latest {
    /// Whether a record at `time` belongs there. A record without a time may belong to a window that holds none.
    #[inline(always)]
    fn holds(self, time: Timestamp) -> bool {
        self.piece.contains(time) || self.time == time
    }
}

impl<K: Key, T: Data, A: WindowAssigner<T>, G: Aggregate<T>> LocalAggregate<K, T, A, G> {
    /// The aggregate of the windows of `uid`, which fire by `rule`; see [`WindowSettings::local_rule`](super::WindowSettings::local_rule).
    pub(crate) fn new(uid: &str, assigner: A, rule: Rule, aggregate: G) -> Self {
        Self {
            uid: uid.into(),
            panes: assigner.panes(),
            assigner,
            rule,
            aggregate,
            held: HashTable::new(),
            records: 0,
            needed_at: Timestamp::MAX,
            watermark: Timestamp::MIN,
            latest: None,
            bypassing: 0,
        }
    }

    /// Takes a record. What comes back is not held: it goes on at once.
    #[inline]
    pub(crate) fn add(&mut self, record: Record<Keyed<K, T>>) -> Result<Option<KeyedPartial<K, G::Accumulator>>> {
        let Record { value: Keyed { hash, key, value }, time } = record;
        let record = Record { value, time };
        let time = A::time_of(&record, Timestamp::MIN).map_err(|error| Error::user(&self.uid, error))?;
        let Latest { piece, needed_at, .. } = match self.latest {
            Some(latest) if latest.holds(time) => latest,
            _ => self.look_up_piece(&record.value, time).map_err(|error| Error::user(&self.uid, error))?,
        };
        if needed_at <= self.watermark || self.bypassing > 0 {
            self.bypassing = self.bypassing.saturating_sub(1);
            let mut held = self.aggregate.create();
            self.aggregate.add(&mut held, &record)?;
            return Ok(Some(Keyed { hash, key, value: Partial { piece, records: 1, held } }));
        }
        self.records += 1;
        let is_same =
            |held: &KeyedPartial<K, G::Accumulator>| held.hash == hash && held.value.piece == piece && held.key == key;
        match self.held.entry(place_of(hash, piece), is_same, |held| place_of(held.hash, held.value.piece)) {
            Entry::Occupied(mut found) => {
                let partial = &mut found.get_mut().value;
                partial.records += 1;
                self.aggregate.add(&mut partial.held, &record)?;
            }
            Entry::Vacant(place) => {
                let mut held = self.aggregate.create();
                self.aggregate.add(&mut held, &record)?;
                place.insert(Keyed { hash, key, value: Partial { piece, records: 1, held } });
                self.needed_at = self.needed_at.min(needed_at);
            }
        }
        Ok(None)
    }

    /// Whether what is held has to go on for lack of room.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= CAPACITY
    }

    /// Hears a watermark. Whether something that is held has to go on before it.
    pub(crate) fn advance(&mut self, watermark: Timestamp) -> bool {
        self.watermark = self.watermark.max(watermark);
        !self.held.is_empty() && self.needed_at <= watermark
    }

    /// Lets go of all that is held.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = KeyedPartial<K, G::Accumulator>> + '_ {
        let keys = self.held.len() as u64;
        if self.is_full() && self.records < 2 * keys {
            self.bypassing = keys * BYPASS;
        }
        (self.records, self.needed_at) = (0, Timestamp::MAX);
        self.held.drain()
    }

    /// Finds the piece of time of a record at `time`.
    #[cold]
    fn look_up_piece(&mut self, value: &T, time: Timestamp) -> Result<Latest, WindowError> {
        let (piece, first) = match &mut self.panes {
            Some(panes) => {
                let pane = panes.pane_at(time);
                (pane, panes.first_window_behind(pane, Timestamp::MIN).unwrap_or(pane))
            }
            None => {
                let window = self.assigner.assign(value, time)?.next().unwrap_or(TimeWindow::ALWAYS);
                (window, window)
            }
        };
        let latest = Latest { time, piece, needed_at: self.rule.needed_at(first) };
        self.latest = Some(latest);
        Ok(latest)
    }
}

/// The hash of a key in a piece of time.
#[inline(always)]
fn place_of(hash: KeyHash, piece: TimeWindow) -> u64 {
    hash.0 ^ (piece.start().as_millis() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::{Timespan, TimespanUnits};

    use super::*;
    use crate::model::hash_key;
    use crate::operator::aggregate::Count;
    use crate::operator::window::keep::WindowSettings;
    use crate::operator::window::{Tumbling, trigger};

    type Counts = LocalAggregate<u64, (), Tumbling, Count>;

    fn counts() -> Counts {
        let settings = WindowSettings::<(), _, _> {
            assigner: Tumbling::of(10.millis()),
            trigger: trigger::EventTime,
            allowed_lateness: Timespan::ZERO,
            late_to: None,
        };
        LocalAggregate::new("counts", settings.assigner.clone(), settings.local_rule().unwrap(), Count)
    }

    /// Adds a record; whether it is held.
    fn add(counts: &mut Counts, key: u64, millis: i64) -> bool {
        let value = Keyed { hash: hash_key(&key), key, value: () };
        counts.add(Record::at(value, Timestamp::from_millis(millis))).unwrap().is_none()
    }

    /// What is held: keys, ends of windows and counts.
    fn taken(counts: &mut Counts) -> Vec<(u64, i64, u64)> {
        let row = |partial: KeyedPartial<u64, u64>| {
            let Partial { piece, records, held } = partial.value;
            assert_eq!(records, held);
            (partial.key, piece.end().as_millis(), held)
        };
        let mut rows = counts.take().map(row).collect::<Vec<_>>();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn records_of_a_key_and_a_window_become_one() {
        let mut counts = counts();
        for (key, millis) in [(1, 0), (2, 5), (1, 9), (1, 10), (1, 3)] {
            assert!(add(&mut counts, key, millis));
        }
        assert_eq!(taken(&mut counts), [(1, 10, 3), (1, 20, 1), (2, 10, 1)]);
        assert_eq!(taken(&mut counts), []);
    }

    #[test]
    fn watermark_that_ends_no_window_lets_nothing_go() {
        let mut counts = counts();
        add(&mut counts, 1, 12);
        assert!(!counts.advance(Timestamp::from_millis(18)));
        assert!(counts.advance(Timestamp::from_millis(19)));
        taken(&mut counts);
        assert!(!counts.advance(Timestamp::from_millis(29)), "nothing is held");
    }

    #[test]
    fn record_of_a_window_that_may_have_fired_goes_on_at_once() {
        let mut counts = counts();
        counts.advance(Timestamp::from_millis(19));
        assert!(!add(&mut counts, 1, 15));
        assert!(add(&mut counts, 1, 25));
    }

    #[test]
    fn keys_that_do_not_come_again_pass_one_by_one_for_a_while() {
        let mut counts = counts();
        let all = CAPACITY as u64;
        assert!((0..all).all(|key| add(&mut counts, key, 1)) && counts.is_full());
        assert_eq!(taken(&mut counts).len(), CAPACITY);
        assert!((0..all * BYPASS).all(|key| !add(&mut counts, key, 1)));
        assert!(add(&mut counts, 1, 1), "then it is tried again");
    }

    #[test]
    fn keys_that_come_again_are_held_again() {
        let mut counts = counts();
        for key in (0..CAPACITY as u64).flat_map(|key| [key, key]) {
            assert!(add(&mut counts, key, 1));
        }
        taken(&mut counts);
        assert!(add(&mut counts, 1, 1));
    }

    #[test]
    fn record_without_a_timestamp_is_an_error() {
        let value = Keyed { hash: hash_key(&1u64), key: 1, value: () };
        assert!(counts().add(Record::new(value)).is_err_and(|error| error.to_string().contains("counts")));
    }
}
