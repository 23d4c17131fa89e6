//! Decides how rows that are folded are merged into the packs of the base; names `redb`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::{Bound, ControlFlow};

use redb::{ReadableTable, StorageError, Table};

use super::base::{PREFIX_BYTES, TABLE_BYTES, group_of};
use super::courtesy::offer_core;
use super::pack::{Pack, Packer};
use crate::model::KeyGroup;

/// Rows merged into the base before others may have the core: some tens of microseconds of work.
const ROWS_PER_TURN: usize = 64;
/// The same for rows that are sorted.
const ROWS_SORTED_PER_TURN: usize = 512;
/// What it takes to find a pack and to write it again, in rows that could be merged in that time.
const ROWS_PER_PACK: usize = 4;

/// The base, open to be written.
type Base<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// Rows on their way into the base, each a whole base key followed, unless the row is removed, by its value.
#[derive(Debug, Default)]
pub struct FoldRows {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Vec<FoldRow>,
}

/// One row of [`FoldRows`]: where its parts lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoldRow {
    pub(super) start: usize,
    /// The end of the part of the key whose rows are counted; the end of the table and key group if none are.
    pub(super) part_end: usize,
    pub(super) key_end: usize,
    /// The end of the value; `None` if the row is removed.
    pub(super) end: Option<usize>,
}

impl FoldRows {
    fn key(&self, row: FoldRow) -> &[u8] {
        &self.bytes[row.start..row.key_end]
    }

    /// The first bytes of the key behind the table's number, as a number that sorts as they do.
    fn begins(&self, row: FoldRow) -> u64 {
        let key = &self.key(row)[TABLE_BYTES..];
        let mut first = [0; 8];
        let some = key.len().min(first.len());
        first[..some].copy_from_slice(&key[..some]);
        u64::from_be_bytes(first)
    }

    /// The part of the key whose rows are counted.
    fn part(&self, row: FoldRow) -> &[u8] {
        &self.bytes[row.start + PREFIX_BYTES..row.part_end]
    }
}

/// How many more rows a table has.
#[derive(Debug, Default)]
pub(super) struct MoreRows<'a> {
    pub(super) all: i64,
    /// By those beginnings of keys whose rows are counted.
    pub(super) by_part: BTreeMap<&'a [u8], i64>,
}

/// Why rows could not be merged.
pub(super) enum MergeError {
    /// The database refused.
    Database(StorageError),
    /// A pack of this key group is damaged, in these words.
    Damaged(Option<KeyGroup>, String),
}

impl From<StorageError> for MergeError {
    fn from(error: StorageError) -> Self {
        Self::Database(error)
    }
}

/// Merges `rows` in key order, pack by pack.
pub(super) fn merge<'a>(rows: &'a FoldRows, base: &mut Base<'_>) -> Result<MoreRows<'a>, MergeError> {
    let order = in_order(rows);
    let mut more_rows = MoreRows::default();
    let mut left = order.as_slice();
    let mut turn = 0;
    while let Some((_, first)) = left.first() {
        let place = PackPlace::of(rows.key(*first), base)?;
        let here = left.iter().take_while(|(_, row)| place.holds(rows.key(*row))).count().max(1);
        let (merged, behind) = left.split_at(here);
        let mut counted = |row: FoldRow, more: i64| {
            more_rows.all += more;
            let part = rows.part(row);
            if !part.is_empty() {
                *more_rows.by_part.entry(part).or_insert(0) += more;
            }
        };
        place.merge(rows, merged, base, &mut counted)?;
        left = behind;
        turn += here + ROWS_PER_PACK;
        if turn > ROWS_PER_TURN {
            turn = 0;
            offer_core();
        }
    }
    Ok(more_rows)
}

/// `rows` in the order of their keys, each with where its key [begins](FoldRows::begins).
fn in_order(rows: &FoldRows) -> Vec<(u64, FoldRow)> {
    let compare = |(a, left): &(u64, FoldRow), (b, right): &(u64, FoldRow)| {
        a.cmp(b).then_with(|| rows.key(*left).cmp(rows.key(*right)))
    };
    let mut order = Vec::with_capacity(rows.rows.len());
    for some in rows.rows.chunks(ROWS_SORTED_PER_TURN) {
        let sorted = order.len();
        order.extend(some.iter().map(|row| (rows.begins(*row), *row)));
        order[sorted..].sort_unstable_by(compare);
        offer_core();
    }
    // This sort finds what is in order, and merges it.
    order.sort_by(compare);
    // A generation may list a row twice. Both are as it was logged, so they are alike.
    order.dedup_by(|(_, left), (_, right)| rows.key(*left) == rows.key(*right));
    offer_core();
    order
}

/// A pack that rows are merged into.
struct PackPlace {
    /// Its key: that which it has in the base, or else the lowest of the key group.
    key: Vec<u8>,
    /// What it is now; `None` if it is not in the base.
    stored: Option<Vec<u8>>,
    /// The key of the next one.
    next: Option<Vec<u8>>,
}

impl PackPlace {
    /// That of the row under `key`, a whole base key.
    fn of(key: &[u8], base: &Base<'_>) -> Result<Self, StorageError> {
        let group = &key[..PREFIX_BYTES];
        let found = base.range(group..=key)?.next_back().transpose()?;
        let (key, stored) = match &found {
            Some((key, stored)) => (key.value(), Some(stored.value().to_vec())),
            None => (group, None),
        };
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        let next = base.range::<&[u8]>(behind)?.next().transpose()?.map(|(key, _)| key.value().to_vec());
        Ok(Self { key: key.to_vec(), stored, next })
    }

    /// Whether the row under `key`, which is not before that which was searched with, belongs here.
    fn holds(&self, key: &[u8]) -> bool {
        key[..PREFIX_BYTES] == self.key[..PREFIX_BYTES] && self.next.as_deref().is_none_or(|next| key < next)
    }

    /// Merges `new` of `rows`, which are in order, and tells `counted` of each row that comes or goes.
    fn merge(
        &self,
        rows: &FoldRows,
        new: &[(u64, FoldRow)],
        base: &mut Base<'_>,
        counted: &mut impl FnMut(FoldRow, i64),
    ) -> Result<(), MergeError> {
        // The rows that are there: their keys, each with its end, and their values.
        let (mut keys, mut old) = (Vec::new(), Vec::new());
        if let Some(stored) = &self.stored {
            let all = Pack::open(&self.key, stored).and_then(|pack| {
                pack.visit(|key, value| {
                    keys.extend_from_slice(key);
                    old.push((keys.len(), value));
                    ControlFlow::<Infallible>::Continue(())
                })
            });
            let ControlFlow::Continue(()) = all.map_err(|detail| MergeError::Damaged(group_of(&self.key), detail))?;
        }
        let mut start = 0;
        let mut old =
            old.into_iter().map(|(end, value)| (&keys[std::mem::replace(&mut start, end)..end], value)).peekable();
        let new_bytes: usize = new.iter().map(|(_, row)| row.end.unwrap_or(row.start) - row.start).sum();
        let mut packer = Packer::new(&self.key, self.stored.as_ref().map_or(0, Vec::len) + new_bytes);
        let mut packs = 0;
        let mut add = |key: &[u8], stored: &[u8]| {
            packs += 1;
            base.insert(key, stored).map(drop)
        };
        for (_, row) in new {
            let key = rows.key(*row);
            while let Some((before, value)) = old.next_if(|(old, _)| *old < key) {
                packer.push(before, value, &mut add)?;
            }
            let replaces = old.next_if(|(old, _)| *old == key).is_some();
            if let Some(end) = row.end {
                packer.push(key, &rows.bytes[row.key_end..end], &mut add)?;
            }
            match (row.end, replaces) {
                (Some(_), false) => counted(*row, 1),
                (None, true) => counted(*row, -1),
                (Some(_), true) | (None, false) => {}
            }
        }
        for (behind, value) in old {
            packer.push(behind, value, &mut add)?;
        }
        packer.finish(&mut add)?;
        if packs == 0 && self.stored.is_some() {
            base.remove(self.key.as_slice())?;
        }
        Ok(())
    }
}
