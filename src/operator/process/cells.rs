//! Keeps the tables behind the handles of one function, and finds them again by their position.

use std::any::Any;
use std::marker::PhantomData;

use crate::model::KeyHash;
use crate::operator::watch::Watch;
use crate::state::{KeyedTable, StateError, VisitTables};

/// The position of a state among those that were declared.
pub(super) struct Handle<S> {
    index: usize,
    holds: PhantomData<fn() -> S>,
}

impl<S> Handle<S> {
    pub(super) fn new(index: usize) -> Self {
        Self { index, holds: PhantomData }
    }

    pub(super) fn index(self) -> usize {
        self.index
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Handle<S> {}

/// The tables behind the handles of one function.
#[derive(Default)]
pub struct Cells(Vec<Box<dyn Cell>>);

/// A table whose types are forgotten.
trait Cell: Any + Send {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError>;
}

impl<C: VisitTables + Any + Send> Cell for C {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        VisitTables::visit(self, each)
    }
}

impl Cells {
    pub(super) fn add<S>(&mut self, cell: impl VisitTables + Any + Send) -> Handle<S> {
        self.0.push(Box::new(cell));
        Handle::new(self.0.len() - 1)
    }

    /// The table behind a handle.
    pub(super) fn get<C: Any, S>(&mut self, handle: Handle<S>) -> &mut C {
        let cell: &mut dyn Any = &mut *self.0[handle.index()];
        cell.downcast_mut().expect("a handle is used with the function that declared it, and with keys of its type")
    }
}

impl VisitTables for Cells {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        self.0.iter_mut().try_for_each(|cell| cell.visit(each))
    }
}

/// The states of the present key.
pub struct OfKey<'a, K> {
    pub(super) cells: &'a mut Cells,
    pub(super) at: At<'a, K>,
}

/// The present key, and the time at which its states are used.
pub(super) struct At<'a, K> {
    pub(super) hash: KeyHash,
    pub(super) key: &'a K,
    pub(super) watch: &'a Watch,
}

impl<K> Clone for At<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for At<'_, K> {}
