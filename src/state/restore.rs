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
use super::rows::{Flags, Row, Rows};
use super::table::{Average, Base, Table, TablePlace};
use crate::model::{self, Key, hash_key};

/// The number of the newest generation found on disk; older ones count down, later ones up.
const RESTORED: Generation = 1 << 24;

impl<K: Key, V: Serialize + DeserializeOwned + Send + 'static> Table<K, V> {
    /// Opens a table as of checkpoint `restore`, or empty.
    pub(super) fn open(
        place: TablePlace,
        base_rows: u64,
        snapshot: Arc<Snapshot>,
        restore: Option<CheckpointId>,
    ) -> Result<Self, StateError> {
        let log = LogWriter::new(place.id);
        let mut table = Self {
            place,
            rows: Rows::new(),
            current: RESTORED + 1,
            dirty: Vec::new(),
            frozen: Vec::new(),
            encoded: 0,
            generations: Generations::default(),
            log,
            base: Base { snapshot: snapshot.clone(), rows: base_rows, resident: 0 },
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
        let key: K = model::decode(logged.key).map_err(|error| error.to_string())?;
        let hash = hash_key(&key);
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
        let row = Row { hash, key, value, generation, flags: Flags::LOGGED };
        let (id, _) = self.rows.add(row).ok_or_else(|| "too many rows".to_owned())?;
        entry.rows.push(id);
        Ok(())
    }
}
