//! Decides how the earliest timers are found: sorted in memory, and sorted on disk, of which as much is read as is needed.

use std::collections::BTreeSet;

use millstream_actors::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::order::{Movement, RowOrder};
use super::places::{Places, RowId};
use super::row_key::{Probe, RowKey, Tint};
use super::table::TablePlace;
use crate::model::{self, CodecError, Key, KeyGroup, KeyHash, MaxParallelism, hash_key};

/// Where a timer stands among all timers: by time, and those of one time in the order of a hash.
///
/// Encoded, positions sort as they do in memory: both numbers count from 0, and MessagePack writes those in a form that
/// sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    /// Milliseconds since the earliest time there is.
    time: u64,
    fragment: u32,
}

impl Position {
    const FIRST: Self = Self { time: 0, fragment: 0 };

    /// The time of the timers there.
    pub(super) fn time(self) -> Timestamp {
        Timestamp::from_millis((self.time ^ (1 << 63)) as i64)
    }
}

/// A timer: its position, its key, its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TimerKey<K, N> {
    pub(super) time: u64,
    pub(super) fragment: u32,
    pub(super) key: K,
    pub(super) namespace: N,
}

/// A borrowed [`TimerKey`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct TimerProbe<Q, M> {
    time: u64,
    fragment: u32,
    key: Q,
    namespace: M,
}

impl<'a, K: Key, N: Key> TimerProbe<&'a K, &'a N> {
    /// The timer of `key` and `namespace` at `time`, and its hash; `hash` is the key's.
    pub(super) fn new(time: Timestamp, hash: KeyHash, key: &'a K, namespace: &'a N) -> (KeyHash, Self) {
        let time = (time.as_millis() as u64) ^ (1 << 63);
        let hash = tint(time, namespace).mix(hash);
        (hash, Self { time, fragment: hash.for_table(), key, namespace })
    }
}

fn tint<N: Key>(time: u64, namespace: &N) -> Tint {
    Tint::of(&(time, namespace))
}

impl<K: Key, N: Key> Probe<TimerKey<K, N>> for TimerProbe<&K, &N> {
    #[inline]
    fn names(self, timer: &TimerKey<K, N>) -> bool {
        self.time == timer.time && *self.key == timer.key && *self.namespace == timer.namespace
    }

    fn to_key(self) -> TimerKey<K, N> {
        let (key, namespace) = (self.key.clone(), self.namespace.clone());
        TimerKey { time: self.time, fragment: self.fragment, key, namespace }
    }
}

impl<K: Key, N: Key> TimerKey<K, N> {
    pub(super) fn position(&self) -> Position {
        Position { time: self.time, fragment: self.fragment }
    }

    /// The hash of the user's key, from that of the timer.
    pub(super) fn key_hash(&self, hash: KeyHash) -> KeyHash {
        tint(self.time, &self.namespace).mix(hash)
    }
}

impl<K: Key, N: Key> RowKey for TimerKey<K, N> {
    type Order = ByTime;
    type Link = KeyHash;

    fn row_hash(&self) -> KeyHash {
        tint(self.time, &self.namespace).mix(hash_key(&self.key))
    }

    fn decode(bytes: &[u8]) -> Result<(Self, KeyHash), String> {
        let timer: Self = model::decode(bytes).map_err(|error| error.to_string())?;
        let hash = timer.row_hash();
        if timer.fragment != hash.for_table() {
            return Err(format!("expected a timer at {:08x}, found {:08x}", hash.for_table(), timer.fragment));
        }
        Ok((timer, hash))
    }
}

/// The timers of a table by their positions.
pub(super) struct ByTime {
    /// Time, fragment, place: the parts of a position are apart, for together they take more room.
    timers: BTreeSet<(u64, u32, RowId)>,
    /// Per key group, how much of the base is in memory.
    known: Vec<Known>,
    /// The least of them.
    least: Known,
    first_group: KeyGroup,
    max: MaxParallelism,
}

/// Which timers that the base has of one key group have their keys in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// Those before a position.
    Before(Position),
    /// All.
    All,
}

/// Of the timers in memory, the earliest eighth is not evicted, unless it is more than this many.
const HELD_TIMERS: usize = 1024;

impl<K: Key, N: Key> RowOrder<TimerKey<K, N>> for ByTime {
    const ROW_BYTES: usize = size_of::<(u64, u32, RowId)>() * 4 / 3;

    fn open(place: &TablePlace, base_rows: u64) -> Self {
        let known = if base_rows == 0 { Known::All } else { Known::Before(Position::FIRST) };
        let groups = usize::from(place.groups.last.0.saturating_sub(place.groups.first.0)) + 1;
        let timers = BTreeSet::new();
        Self { timers, known: vec![known; groups], least: known, first_group: place.groups.first, max: place.max }
    }

    fn shown<V>(&mut self, places: &mut Places<TimerKey<K, N>, V>, id: RowId) {
        let Position { time, fragment } = places.at(id).key.position();
        self.timers.insert((time, fragment, id));
    }

    fn hidden<V>(&mut self, places: &mut Places<TimerKey<K, N>, V>, id: RowId) {
        let Position { time, fragment } = places.at(id).key.position();
        self.timers.remove(&(time, fragment, id));
    }

    fn moved<V>(&mut self, places: &mut Places<TimerKey<K, N>, V>, id: RowId, movement: Movement) {
        let row = places.at(id);
        let group = self.index_of(row.group);
        if let Some(known) = self.known.get_mut(group).filter(|_| movement == Movement::Evicted) {
            *known = Known::Before(row.key.position()).min(*known);
            self.least = self.least.min(*known);
        }
    }

    fn counted(&mut self, _part: &[u8], _rows: u64) -> Result<(), CodecError> {
        Ok(())
    }

    fn has_all(&self, hash: KeyHash, key: &TimerKey<K, N>) -> bool {
        let known = self.known.get(self.index_of(self.max.group_of(hash)));
        known.is_some_and(|known| Known::Before(key.position()) < *known)
    }

    fn held(&self) -> impl Fn(KeyHash, &TimerKey<K, N>) -> bool + use<K, N> {
        let held = (self.timers.len() / 8).min(HELD_TIMERS);
        let last = self.timers.iter().nth(held).map(|&(time, fragment, _)| Position { time, fragment });
        move |_, key| last.is_some_and(|last| key.position() <= last)
    }
}

impl ByTime {
    fn index_of(&self, group: KeyGroup) -> usize {
        usize::from(group.0.saturating_sub(self.first_group.0))
    }

    /// The earliest timer in memory.
    #[inline]
    pub(super) fn first(&self) -> Option<Position> {
        self.timers.first().map(|&(time, fragment, _)| Position { time, fragment })
    }

    /// The timers in memory at `position`: one, or those few whose hashes are alike.
    pub(super) fn at(&self, Position { time, fragment }: Position) -> impl Iterator<Item = RowId> {
        self.timers.range((time, fragment, RowId::MIN)..=(time, fragment, RowId::MAX)).map(|(_, _, id)| *id)
    }

    /// The key group that must be read, and from where, before it is known which timer is the earliest.
    pub(super) fn to_read(&self) -> Option<(KeyGroup, Position)> {
        let Known::Before(position) = self.least else { return None };
        if self.first().is_some_and(|first| first < position) {
            return None;
        }
        let index = self.known.iter().position(|known| *known == self.least)?;
        Some((KeyGroup(self.first_group.0 + index as u16), position))
    }

    /// Hears how much of `group` is in memory.
    pub(super) fn read(&mut self, group: KeyGroup, now: Known) {
        if let Some(known) = self.known.get_mut(usize::from(group.0.saturating_sub(self.first_group.0))) {
            *known = now;
        }
        self.least = self.known.iter().copied().min().unwrap_or(Known::All);
    }
}

/// What the encodings of all timers from `position` on begin with, or come after.
pub(super) fn encode_position(position: Position, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bytes.push(ARRAY_OF_FOUR);
    model::encode_into(&position.time, bytes)?;
    model::encode_into(&position.fragment, bytes)
}

/// The first byte of an encoded [`TimerKey`].
const ARRAY_OF_FOUR: u8 = 0x94;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timer(millis: i64, key: &str, namespace: i64) -> TimerKey<String, i64> {
        let key = key.to_owned();
        TimerProbe::new(Timestamp::from_millis(millis), hash_key(&key), &key, &namespace).1.to_key()
    }

    proptest! {
        #[test]
        fn encodings_sort_as_positions_do(a in any::<i64>(), b in any::<i64>(), near in -300i64..300, key in ".{0,10}") {
            for (a, b) in [(a, b), (a, a.saturating_add(near)), (near, -near)] {
                let (a, b) = (timer(a, &key, 1), timer(b, &key, 2));
                let bytes = |timer: &TimerKey<String, i64>| model::encode(timer).unwrap();
                prop_assert_eq!(a.position().cmp(&b.position()), bytes(&a).cmp(&bytes(&b)));
                let mut start = Vec::new();
                encode_position(b.position(), &mut start).unwrap();
                prop_assert_eq!(a.position() < b.position(), bytes(&a) < start);
            }
        }

        #[test]
        fn timers_come_back(millis in any::<i64>(), key in ".{0,10}", namespace in any::<i64>()) {
            let timer = timer(millis, &key, namespace);
            let bytes = model::encode(&timer).unwrap();
            prop_assert_eq!(timer.position().time(), Timestamp::from_millis(millis));
            prop_assert_eq!(timer.key_hash(timer.row_hash()), hash_key(&key));
            let hash = timer.row_hash();
            prop_assert_eq!(TimerKey::decode(&bytes).unwrap(), (timer, hash));
        }
    }

    #[test]
    fn timer_at_another_position_is_refused() {
        let mut timer = timer(7, "key", 1);
        timer.fragment ^= 1;
        assert!(TimerKey::<String, i64>::decode(&model::encode(&timer).unwrap()).is_err());
    }
}
