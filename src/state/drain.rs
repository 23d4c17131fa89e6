//! Decides how all rows of a namespace are taken or shown, some per call.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::namespaces::{Namespace, NamespaceFirst, part_of};
use super::order::Movement;
use super::places::{Flags, NOWHERE};
use super::row_key::Tint;
use super::rows::LOOK_AHEAD;
use super::stored::{Cursor, Met};
use super::table::Table;
use crate::model::{Key, KeyHash};

/// Rows of the base that are read in one go.
const READ_ROWS: usize = 256;
/// The base may be read to its end this often without a row being found that its count says is there.
const FRUITLESS: u32 = 3;

impl<N: Namespace, K: Key, V: Serialize + DeserializeOwned + Send + 'static> Table<NamespaceFirst<N, K>, V> {
    /// The first namespace that has rows, of those behind `after`.
    pub(super) fn next_namespace(&mut self, mut after: Option<N>) -> Result<Option<N>, StateError> {
        while let Some(namespace) = self.rows.order.next_namespace(after) {
            // While it is being taken, its base is read by that.
            let has_rows = self.rows.order.has_any_of(namespace) || self.rows.order.is_taken(namespace);
            if has_rows || self.finds_stored(namespace)? {
                return Ok(Some(namespace));
            }
            after = Some(namespace);
        }
        Ok(None)
    }

    /// The namespaces that have rows, in order.
    pub(super) fn all_namespaces(&mut self) -> Result<Vec<N>, StateError> {
        let mut namespaces = Vec::new();
        while let Some(next) = self.next_namespace(namespaces.last().copied())? {
            namespaces.push(next);
        }
        Ok(namespaces)
    }

    /// Whether the base has a row of `namespace` that is not in memory. If not, that is known from now on.
    fn finds_stored(&mut self, namespace: N) -> Result<bool, StateError> {
        let part = part_of(&namespace).map_err(|source| self.place.codec(source))?;
        let mut cursor = Cursor::default();
        loop {
            let (met, ended) = self.read_on(&part, &mut cursor, &mut READ_ROWS.clone())?;
            let found = met.iter().any(|met| matches!(met, Met::Stored(..)));
            if found || ended {
                return Ok(found);
            }
        }
    }

    /// Removes rows of `namespace`, about `at_most` of them, and hands them to `each` with the hashes of their keys. Whether
    /// none is left.
    #[inline]
    pub(super) fn take_namespace<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        mut each: impl FnMut(KeyHash, &K, V) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.rows.order.end_visit_of(&mut self.rows.places, namespace);
        let tint = Tint::of(&namespace);
        let mut left = at_most;
        let mut ids = [NOWHERE; LOOK_AHEAD];
        while left > 0 {
            let count = self.rows.order.last_rows(namespace, &mut ids[..left.min(LOOK_AHEAD)]);
            if count == 0 {
                if self.rows.order.has_all_of(namespace) {
                    break;
                }
                self.take_stored(namespace, &mut left, &mut each)?;
                continue;
            }
            self.rows.look_ahead(ids[..count].iter().map(|id| self.rows.at(*id).hash()), &mut [NOWHERE; LOOK_AHEAD]);
            for &id in &ids[..count] {
                let value = self.take_value(id)?;
                let row = self.rows.at(id);
                if let Some(value) = value {
                    each(tint.mix(row.hash()), &row.key.key, value)?;
                }
                self.forget_if_fresh(id);
            }
            left -= count;
        }
        let done = !self.rows.order.has_any_of(namespace) && self.rows.order.has_all_of(namespace);
        if done {
            self.rows.order.end_taking(namespace);
        }
        Ok(done)
    }

    /// Removes rows of `namespace`, of which none is in memory, from the base, and hands them to `each`.
    fn take_stored<E: From<StateError>>(
        &mut self,
        namespace: N,
        left: &mut usize,
        each: &mut impl FnMut(KeyHash, &K, V) -> Result<(), E>,
    ) -> Result<(), E> {
        let part = part_of(&namespace).map_err(|source| self.place.codec(source))?;
        let taking = self.rows.order.taking_of(namespace);
        let (mut cursor, mut fruitless) = (std::mem::take(&mut taking.cursor), taking.fruitless);
        let mut budget = READ_ROWS.min(*left);
        let (met, ended) = self.read_on(&part, &mut cursor, &mut budget)?;
        *left -= READ_ROWS.min(*left) - budget;
        let tint = Tint::of(&namespace);
        for met in met {
            let Met::Stored(hash, key, value) = met else { continue };
            each(tint.mix(hash), &key.key, value)?;
            let id = self.add_dirty(hash, key, Flags::SETTLED)?;
            self.rows.moved(id, Movement::Found);
            fruitless = 0;
        }
        if ended {
            // Rows that were evicted behind the cursor are found next time.
            cursor = Cursor::default();
            fruitless += 1;
        }
        let taking = self.rows.order.taking_of(namespace);
        (taking.cursor, taking.fruitless) = (cursor, fruitless);
        let (stored, resident) = self.rows.order.stored_and_resident(namespace);
        if fruitless > FRUITLESS && stored != resident {
            let detail = format!("expected {stored} rows of a namespace, found {resident}");
            return Err(self.base.snapshot.corrupt(&self.place.name, None, detail).into());
        }
        Ok(())
    }

    /// Shows rows of `namespace` to `each`, about `at_most` of them, going on where the last call for it ended. Whether all
    /// were shown; the next call then begins anew.
    pub(super) fn visit_namespace<E: From<StateError>>(
        &mut self,
        namespace: N,
        at_most: usize,
        mut each: impl FnMut(KeyHash, &K, &V) -> Result<(), E>,
    ) -> Result<bool, E> {
        let tint = Tint::of(&namespace);
        let mut show = |hash, key: &NamespaceFirst<N, K>, value: &V| each(tint.mix(hash), &key.key, value);
        let rows = &mut self.rows;
        rows.order.visit_of(&mut rows.places, namespace);
        let mut left = at_most;
        while left > 0 {
            let Some(id) = rows.order.step_of(namespace) else { break };
            let row = rows.places.at(id);
            if let Some(value) = &row.value {
                show(row.hash(), &row.key, value)?;
            }
            left -= 1;
        }
        let is_all = rows.order.visit_of(&mut rows.places, namespace).is_all_in_memory();
        if left > 0 && is_all && rows.order.has_all_of(namespace) {
            rows.order.end_visit(&mut rows.places);
            return Ok(true);
        }
        while left > 0 {
            if self.visit_stored(namespace, &mut left, &mut show)? {
                self.rows.order.end_visit(&mut self.rows.places);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Shows rows that are in the base only, or came from it since the visit began. Whether that was the last of them.
    fn visit_stored<E: From<StateError>>(
        &mut self,
        namespace: N,
        left: &mut usize,
        show: &mut impl FnMut(KeyHash, &NamespaceFirst<N, K>, &V) -> Result<(), E>,
    ) -> Result<bool, E> {
        let part = part_of(&namespace).map_err(|source| self.place.codec(source))?;
        let mut cursor = std::mem::take(&mut self.rows.order.visit_of(&mut self.rows.places, namespace).cursor);
        let mut budget = READ_ROWS.min(*left);
        let (met, ended) = self.read_on(&part, &mut cursor, &mut budget)?;
        *left -= READ_ROWS.min(*left) - budget;
        for met in met {
            match met {
                Met::Stored(hash, key, value) => show(hash, &key, &value)?,
                Met::InMemory(id) => {
                    let row = self.rows.at(id);
                    if let Some(value) = row.value.as_ref().filter(|_| row.flags.has(Flags::JOINED)) {
                        show(row.hash(), &row.key, value)?;
                    }
                }
            }
        }
        self.rows.order.visit_of(&mut self.rows.places, namespace).cursor = cursor;
        Ok(ended)
    }
}
