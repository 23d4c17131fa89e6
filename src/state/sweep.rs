//! Decides how rows that are over are found without looking for them: a few are looked at with each access.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::places::{Flags, RowId};
use super::row_key::RowKey;
use super::stored::{Cursor, Met};
use super::table::Table;
use crate::model::KeyHash;

/// Rows in memory that one access looks at.
const SWEPT_ROWS: usize = 5;
/// Rows of the base are looked at when this many in memory were: reading them takes much longer.
const ROWS_BETWEEN: usize = 1024;
/// Rows of the base that are looked at then.
const SWEPT_STORED: usize = 16;

/// Where sweeping one table stands.
#[derive(Debug, Default)]
pub(super) struct Hand {
    place: RowId,
    since_stored: usize,
    stored: Cursor,
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// Looks at some more rows, and gives the keys of those whose values are over.
    #[inline]
    pub(super) fn sweep(
        &mut self,
        hand: &mut Hand,
        mut is_over: impl FnMut(&V) -> bool,
    ) -> Result<Vec<(KeyHash, K)>, StateError> {
        let mut over = Vec::new();
        for _ in 0..SWEPT_ROWS {
            let Some(row) = self.rows.places.get(hand.place) else {
                hand.place = 0;
                break;
            };
            hand.place += 1;
            if !row.flags.has(Flags::FREE) && row.value.as_ref().is_some_and(&mut is_over) {
                over.push((row.hash(), row.key.clone()));
            }
        }
        hand.since_stored += SWEPT_ROWS;
        if hand.since_stored >= ROWS_BETWEEN {
            hand.since_stored = 0;
            if !self.holds_all() {
                self.sweep_stored(hand, is_over, &mut over)?;
            }
        }
        Ok(over)
    }

    #[inline(never)]
    fn sweep_stored(
        &mut self,
        hand: &mut Hand,
        mut is_over: impl FnMut(&V) -> bool,
        over: &mut Vec<(KeyHash, K)>,
    ) -> Result<(), StateError> {
        let (met, ended) = self.read_on(&[], &mut hand.stored, &mut SWEPT_STORED.clone())?;
        if ended {
            hand.stored = Cursor::default();
        }
        for met in met {
            match met {
                Met::Stored(hash, key, value) if is_over(&value) => over.push((hash, key)),
                _ => {}
            }
        }
        Ok(())
    }
}
