//! Keyed state: typed rows in memory, their changes in a changelog on disk, and the base they are folded into.
//!
//! A [`StateDir`] belongs to a job, a [`Store`] to a subtask, a [`Table`] to an operator. Only the files that say so in
//! their first line name the database below. `docs/state-format.md` describes what is on disk.

mod base;
mod changelog;
mod chunks;
mod commit;
mod courteous_file;
mod courtesy;
mod crash;
mod database;
mod deadlines;
mod directory;
mod drain;
mod entries;
mod error;
mod folding;
mod generations;
mod image;
mod index;
mod keys;
mod manifest;
mod merging;
mod namespaces;
mod opening;
mod options;
mod order;
mod pack;
mod places;
mod restore;
mod room;
mod row_key;
mod rows;
mod store;
mod stored;
mod sweep;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod upcoming;
mod work;

pub use chunks::Elements;
pub use commit::{FoldJob, Folded, PersistJob, Persisted};
pub use crash::CrashDisks;
pub use directory::StateDir;
pub use entries::EntryName;
pub use error::StateError;
pub use manifest::ManifestDb;
pub use namespaces::Namespace;
pub use options::{BackendFactory, StateOptions};
pub use store::{Pressure, Store};
pub use table::Table;
pub use tables::{
    ListTable, MapTable, Timers, Ttl, TtlListTable, TtlMapTable, TtlTable, TtlUpdate, TtlVisibility, WindowListTable,
    WindowTable,
};

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use error::Latch;
use row_key::RowKey;

/// A [`Table`] without its types, as a [`Store`] sees it. Only tables are.
pub trait KeyedTable: work::TableWork + Any {}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> KeyedTable for Table<K, V> {}

/// Shows the tables of one store, wherever they are, one after the other. Always the same ones, in the same order.
pub trait VisitTables {
    /// Calls `each` for each table, until it fails.
    ///
    /// # Errors
    /// The first error of `each`.
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError>;
}

impl<K: RowKey, V: Serialize + DeserializeOwned + Send + 'static> VisitTables for Table<K, V> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        each(self)
    }
}

impl VisitTables for [&mut dyn KeyedTable] {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.iter_mut().try_for_each(|table| each(*table))
    }
}
