//! What is known of the splits that a subtask reads, for those who explain a watermark, and for people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::time_view::SplitView;

use crate::io::{SplitNumber, SplitProgress};

/// The splits that a subtask has, with their names and what their reader said last of its progress. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct SplitNames(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    splits: BTreeMap<SplitNumber, SplitView>,
    /// All of them, made when somebody asks.
    all: Option<Arc<[SplitView]>>,
}

impl SplitNames {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, split: SplitNumber, name: String) {
        let mut inner = self.lock();
        inner.splits.insert(split, SplitView { name: name.into(), position: None, lag: None });
        inner.all = None;
    }

    pub(super) fn remove(&self, split: SplitNumber) {
        let mut inner = self.lock();
        inner.splits.remove(&split);
        inner.all = None;
    }

    /// Asks `progress` about each split.
    pub(super) fn refresh(&self, progress: impl Fn(SplitNumber) -> Option<SplitProgress>) {
        let mut inner = self.lock();
        for (number, view) in &mut inner.splits {
            let progress = progress(*number);
            view.position = progress.as_ref().map(|progress| progress.position.as_str().into());
            view.lag = progress.and_then(|progress| progress.lag).map(Into::into);
        }
        inner.all = None;
    }

    /// What is known of `split`.
    pub(crate) fn view(&self, split: SplitNumber) -> Option<SplitView> {
        self.lock().splits.get(&split).cloned()
    }

    /// The split of this name.
    pub(super) fn find(&self, name: &str) -> Option<SplitNumber> {
        self.lock().splits.iter().find(|(_, view)| &*view.name == name).map(|(number, _)| *number)
    }

    /// What is known of all splits.
    pub(super) fn all(&self) -> Arc<[SplitView]> {
        let inner = &mut *self.lock();
        Arc::clone(inner.all.get_or_insert_with(|| inner.splits.values().cloned().collect()))
    }
}
