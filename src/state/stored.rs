//! Decides how a table reads stretches of its base: rows that begin alike, some per call, and none twice that is in memory.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::base::begin_key;
use super::order::Movement;
use super::places::{Flags, RowId};
use super::row_key::RowKey;
use super::table::{Table, TablePlace};
use crate::model::{self, KeyGroup, KeyHash};

/// What finding the first row of a stretch takes, in rows that could be read in that time.
const SEEK_ROWS: usize = 4;

/// How far all key groups have been read. Rows are named by their keys, so it outlives folding and eviction.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// How many groups are behind it.
    groups: u32,
    /// The base key to go on from within the group that is next; empty if it is untouched.
    from: Vec<u8>,
}

impl Cursor {
    pub(super) fn is_at_start(&self) -> bool {
        self.groups == 0 && self.from.is_empty()
    }

    fn group(&self, place: &TablePlace) -> Option<KeyGroup> {
        let group = u32::from(place.groups.first.0) + self.groups;
        let group = u16::try_from(group).ok().map(KeyGroup)?;
        place.groups.contains(group).then_some(group)
    }
}

/// A row that was met in the base.
pub(super) enum Met<K, V> {
    /// It is in memory, which knows better.
    InMemory(RowId),
    /// It is in the base only.
    Stored(KeyHash, K, V),
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// Reads rows whose encoded keys begin with `part`, group by group, from `cursor` on: about as many as `budget`, which
    /// is lowered by them. Gives them, and whether the cursor came to the end.
    pub(super) fn read_on(
        &mut self,
        part: &[u8],
        cursor: &mut Cursor,
        budget: &mut usize,
    ) -> Result<(Vec<Met<K, V>>, bool), StateError> {
        let mut met = Vec::new();
        while let Some(group) = cursor.group(&self.place) {
            if *budget == 0 {
                return Ok((met, false));
            }
            let before = met.len();
            let ended = self.read_group(group, part, &mut cursor.from, *budget, &mut met)?;
            *budget = budget.saturating_sub(met.len() - before + SEEK_ROWS);
            if ended {
                cursor.groups += 1;
                cursor.from.clear();
            }
        }
        Ok((met, true))
    }

    /// Reads at most `rows` rows of `group` whose encoded keys begin with `part`, beginning at the base key `from`, which
    /// is moved behind them; an empty one is the beginning. Whether there are no more.
    pub(super) fn read_group(
        &mut self,
        group: KeyGroup,
        part: &[u8],
        from: &mut Vec<u8>,
        rows: usize,
        met: &mut Vec<Met<K, V>>,
    ) -> Result<bool, StateError> {
        let mut prefix = Vec::with_capacity(part.len() + 4);
        begin_key(self.place.id, group, &mut prefix);
        prefix.extend_from_slice(part);
        let first = if from.is_empty() { prefix.clone() } else { std::mem::take(from) };
        let (snapshot, name) = (Arc::clone(&self.base.snapshot), Arc::clone(&self.place.name));
        let mut left = rows;
        snapshot.range(&name, &prefix, &first, |stored| {
            if left == 0 {
                from.clear();
                from.extend_from_slice(stored.whole_key);
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            let (key, hash) = K::decode(stored.key())?;
            self.place.check_group(hash, group)?;
            met.push(match self.rows.find(hash, &key) {
                Some(id) => {
                    self.found(id);
                    Met::InMemory(id)
                }
                None => {
                    let value = stored.value;
                    self.average.add(stored.whole_key.len() + value.len());
                    Met::Stored(hash, key, model::decode(value).map_err(|error| error.to_string())?)
                }
            });
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Takes note that the base has a row that is in memory.
    fn found(&mut self, id: RowId) {
        let row = self.rows.at_mut(id);
        row.flags = row.flags.with(Flags::SETTLED);
        if !row.flags.has(Flags::IN_BASE) {
            self.rows.moved(id, Movement::Found);
        }
    }
}
