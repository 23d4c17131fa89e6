//! Decides how timers are kept: each once, and the due ones in the order of time.

use millstream_actors::time::Timestamp;

use crate::model::{self, Key, KeyGroup, KeyHash};
use crate::state::base::begin_key;
use crate::state::deadlines::{Known, Position, TimerKey, TimerProbe, encode_position};
use crate::state::places::RowId;
use crate::state::stored::Met;
use crate::state::{KeyedTable, StateError, Store, Table, VisitTables};

/// Timers of rows that are read from one key group at a time.
const READ_TIMERS: usize = 64;

/// What becomes due: a time, a key, a namespace. A timer is registered once, however often that is asked for.
///
/// # State
/// As with [`Table`], timers that memory has no room for are read from disk again: later ones leave, and they come back
/// before they are due. In memory, a timer of a `u64` and a `u64` takes about 85 bytes.
///
/// # Errors
/// Those of [`Table`].
///
/// # Recovery
/// Timers are part of checkpoints. Those that were due before the checkpoint and had not been taken are due again.
pub struct Timers<K: Key, N: Key> {
    rows: Table<TimerKey<K, N>, ()>,
}

impl<K: Key, N: Key> Timers<K, N> {
    /// Opens the timers `name` of `store`, as [`Store::table`] opens tables.
    ///
    /// # Errors
    /// Those of [`Store::table`].
    pub fn open(store: &mut Store, name: &str) -> Result<Self, StateError> {
        let mut timers = Self { rows: store.table(name)? };
        timers.find_first()?;
        Ok(timers)
    }

    /// Registers a timer, unless it is.
    ///
    /// # Errors
    /// See [`Timers`].
    pub fn register(&mut self, time: Timestamp, hash: KeyHash, key: &K, namespace: &N) -> Result<(), StateError> {
        let (hash, timer) = TimerProbe::new(time, hash, key, namespace);
        let registered = self.rows.rows.find(hash, timer);
        if registered.is_some_and(|id| self.rows.rows.at(id).value.is_some()) {
            return Ok(());
        }
        self.rows.insert(hash, timer, ())
    }

    /// Deletes a timer; nothing happens if there is none. Whether there was one.
    ///
    /// # Errors
    /// See [`Timers`].
    pub fn delete(&mut self, time: Timestamp, hash: KeyHash, key: &K, namespace: &N) -> Result<bool, StateError> {
        let (hash, timer) = TimerProbe::new(time, hash, key, namespace);
        let deleted = self.rows.remove(hash, timer)?.is_some();
        self.find_first()?;
        Ok(deleted)
    }

    /// The time of the earliest timer.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.rows.rows.order.first().map(Position::time)
    }

    /// Takes the earliest timer, if it is due at `up_to`: its time, the hash of its key, the key and the namespace. Timers of
    /// one time come in an order that depends on nothing but themselves.
    ///
    /// # Errors
    /// See [`Timers`].
    pub fn pop_due(&mut self, up_to: Timestamp) -> Result<Option<(Timestamp, KeyHash, K, N)>, StateError> {
        let Some(first) = self.rows.rows.order.first().filter(|first| first.time() <= up_to) else { return Ok(None) };
        let Some(id) = self.first_at(first)? else { return Ok(None) };
        self.rows.take_value(id)?;
        let row = self.rows.rows.at(id);
        let due = (first.time(), row.key.key_hash(row.hash()), row.key.key.clone(), row.key.namespace.clone());
        self.rows.forget_if_fresh(id);
        self.find_first()?;
        Ok(Some(due))
    }

    /// Shows the key and the namespace of each timer to `each`, in no particular order, as [`Table::scan`] does.
    ///
    /// # Errors
    /// See [`Timers`].
    pub(crate) fn scan(&mut self, mut each: impl FnMut(&K, &N)) -> Result<(), StateError> {
        self.rows.scan(|timer, ()| {
            each(&timer.key, &timer.namespace);
            Ok(())
        })
    }

    /// The first timer at `position`: hashes that are alike say nothing about the order, encodings do.
    fn first_at(&self, position: Position) -> Result<Option<RowId>, StateError> {
        let mut ids = self.rows.rows.order.at(position);
        let Some(mut first) = ids.next() else { return Ok(None) };
        let encoded = |id| model::encode(&self.rows.rows.at(id).key).map_err(|source| self.rows.place.codec(source));
        for id in ids {
            if encoded(id)? < encoded(first)? {
                first = id;
            }
        }
        Ok(Some(first))
    }

    /// Reads timers until the earliest one is in memory.
    fn find_first(&mut self) -> Result<(), StateError> {
        while let Some((group, from)) = self.rows.rows.order.to_read() {
            if self.rows.holds_all() {
                break;
            }
            let known = self.read(group, from)?;
            self.rows.rows.order.read(group, known);
        }
        Ok(())
    }

    /// Reads timers of `group` from `position` on.
    fn read(&mut self, group: KeyGroup, position: Position) -> Result<Known, StateError> {
        let mut from = Vec::new();
        begin_key(self.rows.place.id, group, &mut from);
        encode_position(position, &mut from).map_err(|source| self.rows.place.codec(source))?;
        loop {
            let mut met = Vec::new();
            let ended = self.rows.read_group(group, &[], &mut from, READ_TIMERS, &mut met)?;
            let mut last = position;
            for met in met {
                let id = match met {
                    Met::InMemory(id) => id,
                    Met::Stored(hash, key, value) => self.rows.add_clean(hash, key, value)?,
                };
                last = self.rows.rows.at(id).key.position();
            }
            if ended {
                return Ok(Known::All);
            }
            if last > position {
                // There may be more at the last position.
                return Ok(Known::Before(last));
            }
        }
    }
}

impl<K: Key, N: Key> VisitTables for Timers<K, N> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(&mut self.rows)
    }
}
