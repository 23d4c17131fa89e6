//! Lets an operator emit records of another type beside its results: late, undecodable, failed ones.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Data, Record};

/// The identity of a side output within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SideId(usize);

/// A named, typed output beside the main one. Clones are the same side output.
///
/// Give it to the operator that fills it, and ask the topology for the stream of its records.
pub struct SideOutput<T> {
    name: Arc<str>,
    records: PhantomData<fn() -> T>,
}

impl<T: Data> SideOutput<T> {
    /// A side output called `name` in plans and errors.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), records: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its identity: equal for clones, different for any two that were made apart, even under one name.
    #[must_use]
    pub fn id(&self) -> SideId {
        SideId(Arc::as_ptr(&self.name).cast::<u8>() as usize)
    }
}

impl<T> Clone for SideOutput<T> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), records: PhantomData }
    }
}

impl<T> fmt::Debug for SideOutput<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SideOutput").field(&self.name).finish()
    }
}

/// The end of a side output that an operator holds. Made for records that are few: each takes an uncontended lock.
pub struct SideEmitter<T> {
    records: Arc<Mutex<Vec<Record<T>>>>,
}

impl<T> SideEmitter<T> {
    pub(crate) fn new() -> Self {
        Self { records: Arc::default() }
    }

    /// Emits one record.
    pub fn emit(&self, record: Record<T>) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    /// Takes what was emitted since the last call.
    pub(crate) fn take(&self) -> Vec<Record<T>> {
        std::mem::take(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for SideEmitter<T> {
    fn clone(&self) -> Self {
        Self { records: Arc::clone(&self.records) }
    }
}
