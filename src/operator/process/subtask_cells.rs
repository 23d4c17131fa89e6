//! Keeps what a function keeps of a whole subtask, in memory, and writes it into each snapshot.

use std::any::Any;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cells::Handle;
use super::names::Names;
use crate::error::{Error, Result};
use crate::model::{self, Data};
use crate::operator::small_state::{Elements, Portions, Sharing, StateKind};
use crate::operator::{PartVisitor, SubtaskContext};
use crate::state::EntryName;

/// A list per subtask. When the number of subtasks changes, its elements are dealt out in turn. A handle: the elements are
/// where the subtask keeps them.
pub struct OperatorList<E>(pub(super) Handle<E>);

/// A list per subtask. When subtasks begin from a snapshot, each is given the elements of all. A handle, as
/// [`OperatorList`] is one.
pub struct UnionList<E>(pub(super) Handle<E>);

/// A map that is the same on all subtasks, because all have heard the same. A handle, as [`OperatorList`] is one.
pub struct BroadcastState<N, V>(pub(super) Handle<(N, V)>);

impl<E> Clone for OperatorList<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for OperatorList<E> {}

impl<E> Clone for UnionList<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for UnionList<E> {}

impl<N, V> Clone for BroadcastState<N, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N, V> Copy for BroadcastState<N, V> {}

/// The states of a whole subtask.
pub(super) struct SubtaskCells {
    uid: String,
    cells: Vec<(String, Box<dyn SubtaskCell>)>,
    /// What the snapshot has, and nobody has declared yet.
    restored: Portions,
}

/// A state whose types are forgotten.
trait SubtaskCell: Any + Send {
    fn sharing(&self) -> Sharing;
    fn put_into(&self, elements: &mut Elements<'_>) -> Result<()>;
}

struct ListCell<E> {
    sharing: Sharing,
    elements: Vec<E>,
}

impl<E: Data + Serialize> SubtaskCell for ListCell<E> {
    fn sharing(&self) -> Sharing {
        self.sharing
    }

    fn put_into(&self, elements: &mut Elements<'_>) -> Result<()> {
        self.elements.iter().try_for_each(|element| elements.put(element))
    }
}

struct MapCell<N, V>(BTreeMap<N, V>);

impl<N: EntryName, V: Data + Serialize> SubtaskCell for MapCell<N, V> {
    fn sharing(&self) -> Sharing {
        Sharing::Broadcast
    }

    fn put_into(&self, elements: &mut Elements<'_>) -> Result<()> {
        self.0.iter().try_for_each(|entry| elements.put(&entry))
    }
}

impl SubtaskCells {
    /// No states yet, and what the snapshot has of those of `uid`.
    pub(super) fn open(uid: &str, context: &SubtaskContext) -> Self {
        let restored = context.restored_portions(uid);
        Self { uid: uid.to_owned(), cells: Vec::new(), restored }
    }

    /// Checks that everything in the snapshot was declared.
    pub(super) fn check(&self, names: &Names) -> Result<()> {
        self.restored.keys().next().map_or(Ok(()), |name| Err(names.undeclared(name)))
    }

    fn add<S>(&mut self, name: &str, cell: impl SubtaskCell) -> Handle<S> {
        self.cells.push((name.to_owned(), Box::new(cell)));
        Handle::new(self.cells.len() - 1)
    }

    /// What the snapshot has of a state; `None` if it does not know it.
    fn restore<E: DeserializeOwned>(&mut self, name: &str, sharing: Sharing) -> Result<Option<Vec<E>>> {
        let Some(portion) = self.restored.remove(name) else { return Ok(None) };
        if portion.sharing != sharing {
            let (was, is) = (kind_of(portion.sharing), kind_of(sharing));
            let mistake = format!("the state '{name}' is {was} in the checkpoint, and declared as {is}: rename it");
            return Err(Error::declaration(&self.uid, mistake));
        }
        let elements = portion.elements.iter().map(|element| model::decode(element)).collect::<Result<_, _>>();
        elements.map(Some).map_err(|source| Error::codec(&format!("{}/{name}", self.uid), source))
    }

    /// Adds a list. What the snapshot has of it goes through `keep`.
    pub(super) fn add_list<E, S>(
        &mut self,
        name: &str,
        sharing: Sharing,
        keep: impl FnOnce(Vec<E>) -> Vec<E>,
    ) -> Result<Handle<S>>
    where
        E: Data + Serialize + DeserializeOwned,
    {
        let elements = self.restore(name, sharing)?.map(keep).unwrap_or_default();
        Ok(self.add(name, ListCell { sharing, elements }))
    }

    pub(super) fn add_map<N, V>(&mut self, name: &str) -> Result<Handle<(N, V)>>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        let entries = self.restore::<(N, V)>(name, Sharing::Broadcast)?.unwrap_or_default();
        Ok(self.add(name, MapCell(entries.into_iter().collect())))
    }

    fn get<C: Any, S>(&self, handle: Handle<S>) -> &C {
        let cell: &dyn Any = &*self.cells[handle.index()].1;
        cell.downcast_ref().expect(FOREIGN)
    }

    fn get_mut<C: Any, S>(&mut self, handle: Handle<S>) -> &mut C {
        let cell: &mut dyn Any = &mut *self.cells[handle.index()].1;
        cell.downcast_mut().expect(FOREIGN)
    }

    pub(super) fn list<E: Data, S>(&mut self, handle: Handle<S>) -> &mut Vec<E> {
        &mut self.get_mut::<ListCell<E>, S>(handle).elements
    }

    pub(super) fn map<N: EntryName, V: Data>(&self, handle: Handle<(N, V)>) -> &BTreeMap<N, V> {
        &self.get::<MapCell<N, V>, _>(handle).0
    }

    pub(super) fn map_mut<N: EntryName, V: Data>(&mut self, handle: Handle<(N, V)>) -> &mut BTreeMap<N, V> {
        &mut self.get_mut::<MapCell<N, V>, _>(handle).0
    }

    /// Lists the states.
    pub(super) fn parts(&self, visitor: &mut dyn PartVisitor) {
        for (name, cell) in &self.cells {
            let kind = StateKind { name, sharing: cell.sharing() };
            visitor.small_state(&self.uid, kind, &mut |elements| cell.put_into(elements));
        }
    }
}

/// A handle is a position, so one of another function may point at another type.
const FOREIGN: &str = "a handle is used with the function that declared it";

fn kind_of(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::Split => "a list",
        Sharing::Union => "a union list",
        Sharing::Broadcast => "a broadcast map",
        Sharing::Min | Sharing::Max | Sharing::Sum => "a number",
    }
}
