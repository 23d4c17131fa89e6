//! Decides how a function over a whole stream names its states: per subtask, not per key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::names::Names;
use super::subtask_cells::{BroadcastState, OperatorList, SubtaskCells, UnionList};
use crate::error::Result;
use crate::model::Data;
use crate::operator::small_state::Sharing;
use crate::operator::{SideEmitter, SideOutput, SubtaskContext};
use crate::state::EntryName;

/// Declares the states of a function over a whole stream, when a subtask opens.
///
/// # State
/// These states lie in memory, as plain lists and maps, and each snapshot holds all of them: they are for what is small,
/// such as rules, positions, or a batch that is being filled. What is large has keys, and belongs behind a `key_by`.
///
/// # Errors
/// As with [`States`](super::States): an empty name, one with a `/` in it, or one that is used twice ends the job. So does a
/// state in the checkpoint that is not declared any more, or as another kind.
pub struct OperatorStates<'a> {
    names: &'a mut Names,
    context: &'a mut SubtaskContext,
    cells: &'a mut SubtaskCells,
}

impl<'a> OperatorStates<'a> {
    pub(super) fn new(names: &'a mut Names, context: &'a mut SubtaskContext, cells: &'a mut SubtaskCells) -> Self {
        Self { names, context, cells }
    }

    /// A list per subtask.
    ///
    /// # Recovery
    /// Each subtask gets its own elements back. If there are more or fewer subtasks than in the snapshot, the elements of
    /// all are dealt out in turn.
    ///
    /// # Errors
    /// See [`OperatorStates`].
    pub fn list<E>(&mut self, name: &str) -> Result<OperatorList<E>>
    where
        E: Data + Serialize + DeserializeOwned,
    {
        self.names.claim(name)?;
        Ok(OperatorList(self.cells.add_list::<E, E>(name, Sharing::Split, |elements| elements)?))
    }

    /// A list per subtask, of which each learns the elements of all: for what a subtask has to know of the others, such as
    /// which parts of something have been taken.
    ///
    /// # Recovery
    /// `keep` is given the elements of all subtasks, and says with which of them this one begins. If all keep all, the list
    /// grows with every restart.
    ///
    /// # Errors
    /// See [`OperatorStates`].
    pub fn union_list<E>(&mut self, name: &str, keep: impl FnOnce(Vec<E>) -> Vec<E>) -> Result<UnionList<E>>
    where
        E: Data + Serialize + DeserializeOwned,
    {
        self.names.claim(name)?;
        Ok(UnionList(self.cells.add_list::<E, E>(name, Sharing::Union, keep)?))
    }

    /// A map that is the same on all subtasks. That it is, is up to the function: it changes the map only when it hears what
    /// all subtasks hear.
    ///
    /// # Recovery
    /// Each subtask gets its own copy back; further subtasks get that of another one.
    ///
    /// # Errors
    /// See [`OperatorStates`].
    pub fn broadcast<N, V>(&mut self, name: &str) -> Result<BroadcastState<N, V>>
    where
        N: EntryName,
        V: Data + Serialize + DeserializeOwned,
    {
        self.names.claim(name)?;
        Ok(BroadcastState(self.cells.add_map(name)?))
    }

    /// The end of `side` that the function emits into. The stream must say that it [fills](crate::Stream::fills) it.
    pub fn side<S: Data>(&mut self, side: &SideOutput<S>) -> SideEmitter<S> {
        self.context.side(side)
    }

    /// What else is known of the subtask.
    #[must_use]
    pub fn subtask(&self) -> &SubtaskContext {
        self.context
    }
}
