//! Lets an operator emit records of another type beside its results: late, undecodable, failed ones.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use crate::io::Capture;
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
    to: Goal<T>,
}

/// Where what a side output is given goes.
enum Goal<T> {
    /// To the block that reads it.
    Reader(Arc<Mutex<Vec<Record<T>>>>),
    /// To a test.
    Memory(Capture<T>),
    /// Nowhere: nobody reads it.
    Nowhere,
}

impl<T: Data> SideEmitter<T> {
    pub(crate) fn new(is_read: bool) -> Self {
        Self { to: if is_read { Goal::Reader(Arc::default()) } else { Goal::Nowhere } }
    }

    pub(crate) fn captured(memory: Capture<T>) -> Self {
        Self { to: Goal::Memory(memory) }
    }

    /// Emits one record. If no stream reads the side output, it is dropped.
    pub fn emit(&self, record: Record<T>) {
        match &self.to {
            Goal::Reader(records) => records.lock().unwrap_or_else(PoisonError::into_inner).push(record),
            Goal::Memory(memory) => memory.keep(record),
            Goal::Nowhere => {}
        }
    }

    /// Takes what was emitted since the last call.
    pub(crate) fn take(&self) -> Vec<Record<T>> {
        match &self.to {
            Goal::Reader(records) => std::mem::take(&mut records.lock().unwrap_or_else(PoisonError::into_inner)),
            Goal::Memory(_) | Goal::Nowhere => Vec::new(),
        }
    }
}

impl<T> Clone for SideEmitter<T> {
    fn clone(&self) -> Self {
        Self {
            to: match &self.to {
                Goal::Reader(records) => Goal::Reader(Arc::clone(records)),
                Goal::Memory(memory) => Goal::Memory(memory.clone()),
                Goal::Nowhere => Goal::Nowhere,
            },
        }
    }
}
