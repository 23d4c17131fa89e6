//! Decides how a table comes back: the newest version of each row in the changelog, and nothing of the base.

use std::sync::Arc;

use millstream_actors::ids::CheckpointId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::base::Snapshot;
use super::changelog::{LogWriter, LoggedRow, StoredBlock};
use super::folding::Folding;
use super::generations::{Generation, Generations};
use super::order::RowOrder;
use super::places::Flags;
use super::row_key::RowKey;
use super::rows::Rows;
use super::table::{Average, Base, Table, TablePlace};
use super::upcoming::Upcoming;
use crate::model;

/// The number of the newest generation found on disk; older ones count down, later ones up.
const RESTORED: Generation = 1 << 24;

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// Opens a table as of checkpoint `restore`, or empty.
    pub(super) fn open(
        place: TablePlace,
        base_rows: u64,
        snapshot: Arc<Snapshot>,
        restore: Option<CheckpointId>,
    ) -> Result<Self, StateError> {
        let log = LogWriter::new(place.id);
        let mut order = K::Order::open(&place, base_rows);
        let mut counted = 0;
        snapshot.parts(place.id, &place.name, |part, rows| {
            counted += rows;
            order.counted(part, rows).map_err(|error| error.to_string())
        })?;
        if K::COUNTED && counted != base_rows {
            let detail = format!("expected {base_rows} rows, found {counted} in the counts of their parts");
            return Err(snapshot.corrupt(&place.name, None, detail));
        }
        let mut table = Self {
            place,
            rows: Rows::new(order),
            upcoming: Upcoming::none(),
            current: RESTORED + 1,
            dirty: Vec::new(),
            frozen: Vec::new(),
            encoded: 0,
            generations: Generations::default(),
            log,
            base: Base { snapshot: snapshot.clone(), rows: base_rows },
            folding: Folding::default(),
            clean: 0,
            average: Average::default(),
            scratch: Vec::new(),
        };
        let Some(restore) = restore else { return Ok(table) };
        let mut generation = RESTORED + 1;
        let mut reading = None;
        let id = table.place.id;
        snapshot.blocks(id, restore, |checkpoint, bytes| {
            if reading != Some(checkpoint) {
                reading = Some(checkpoint);
                generation -= 1;
                table.generations.push_restored(generation, checkpoint, RESTORED);
            }
            table
                .load_block(generation, checkpoint, bytes)
                .map_err(|(group, detail)| snapshot.corrupt(&table.place.name, group, detail))
        })?;
        Ok(table)
    }

    /// Takes the rows that no newer block had.
    fn load_block(
        &mut self,
        generation: Generation,
        checkpoint: CheckpointId,
        bytes: &[u8],
    ) -> Result<(), (Option<model::KeyGroup>, String)> {
        let mut block = StoredBlock::open(bytes, self.place.id, checkpoint).map_err(|detail| (None, detail))?;
        let mut rows = 0;
        while let Some(logged) = block.next_row().map_err(|detail| (None, detail))? {
            self.load_row(generation, logged).map_err(|detail| (Some(logged.group), detail))?;
            rows += 1;
        }
        if rows == block.rows { Ok(()) } else { Err((None, format!("expected {} rows, found {rows}", block.rows))) }
    }

    fn load_row(&mut self, generation: Generation, logged: LoggedRow<'_>) -> Result<(), String> {
        let (key, hash) = K::decode(logged.key)?;
        self.place.check_group(hash, logged.group)?;
        let entry = self.generations.get_mut(generation);
        let entry = entry.ok_or_else(|| "too many checkpoints in the changelog".to_owned())?;
        entry.versions += 1;
        if self.rows.find(hash, &key).is_some() {
            return Ok(());
        }
        entry.live += 1;
        let value = logged.value.map(model::decode::<V>).transpose().map_err(|error| error.to_string())?;
        self.average.add(logged.key.len() + logged.value.map_or(0, <[u8]>::len));
        let added = self.rows.add((hash, logged.group), key, generation, Flags::LOGGED);
        let (id, _) = added.ok_or_else(|| "too many rows".to_owned())?;
        if let Some(value) = value {
            self.rows.set(id, value);
        }
        entry.rows.push(id);
        Ok(())
    }
}
