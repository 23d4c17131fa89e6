//! Remembers for which keys a window has fired whose firing is not over, so that none fires twice after a restore.

use millstream_actors::time::Timestamp;

use crate::error::Result;
use crate::model::{Key, KeyHash};
use crate::operator::window::TimeWindow;
use crate::operator::{PartVisitor, SubtaskContext};
use crate::state::WindowTable;

/// The keys with which windows of one end have fired, as long as some are missing.
///
/// Windows that keep their rows when they fire need it; where rows are taken, those that are left say which keys are missing.
///
/// # State
/// A row per window and key, but only if a snapshot is taken in the middle of a firing: until then, keys are kept in a list.
pub(super) struct Shown<K: Key> {
    saved: WindowTable<TimeWindow, K, ()>,
    has_saved: bool,
    /// Keys that are not saved, by window.
    unsaved: Vec<(TimeWindow, Vec<(KeyHash, K)>)>,
    /// The last timestamp of the windows that fire.
    at: Timestamp,
}

impl<K: Key> Shown<K> {
    pub(super) fn open(uid: &str, context: &mut SubtaskContext) -> Result<Self> {
        let mut saved = WindowTable::open(context.store(uid)?, &format!("{uid}/shown"))?;
        let at = saved.namespaces()?.last().copied().map(TimeWindow::max_timestamp);
        Ok(Self { saved, has_saved: at.is_some(), unsaved: Vec::new(), at: at.unwrap_or(Timestamp::MIN) })
    }

    /// Begins or goes on with the firing of `window`: what is known of windows that end earlier is forgotten, `budget` rows at
    /// most. Whether the firing may go on.
    pub(super) fn begin(&mut self, window: TimeWindow, budget: &mut usize) -> Result<bool> {
        if window.max_timestamp() > self.at {
            if !self.forget(budget)? {
                return Ok(false);
            }
            self.at = window.max_timestamp();
        }
        if self.unsaved.last().is_none_or(|(last, _)| *last != window) {
            self.unsaved.push((window, Vec::new()));
        }
        Ok(true)
    }

    /// Whether the window has fired with a key, before a snapshot that was restored.
    #[inline]
    pub(super) fn has(&mut self, window: TimeWindow, hash: KeyHash, key: &K) -> Result<bool> {
        Ok(self.has_saved && self.saved.get(window, hash, key)?.is_some())
    }

    /// Whether any key is known from before a snapshot that was restored.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        self.has_saved
    }

    /// The window that fires has fired with these keys.
    #[inline]
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = (KeyHash, K)>) {
        if let Some((_, unsaved)) = self.unsaved.last_mut() {
            unsaved.extend(keys);
        }
    }

    /// Puts keys where snapshots find them, about `at_most`. Whether all are there.
    pub(super) fn save(&mut self, at_most: usize) -> Result<bool> {
        let mut left = at_most;
        for (window, keys) in &mut self.unsaved {
            let now = keys.len().min(left);
            for (hash, key) in keys.drain(keys.len() - now..) {
                self.saved.get_or_insert_with(*window, hash, &key, || ())?;
                self.has_saved = true;
            }
            left -= now;
        }
        Ok(self.unsaved.iter().all(|(_, keys)| keys.is_empty()))
    }

    /// Forgets all keys, at most `budget` rows of them, which is lowered. Whether none is left.
    pub(super) fn forget(&mut self, budget: &mut usize) -> Result<bool> {
        self.unsaved.clear();
        while self.has_saved {
            let Some(window) = self.saved.first()? else {
                self.has_saved = false;
                break;
            };
            let at_most = *budget;
            let all_gone = self.saved.take(window, at_most, |_, _, ()| {
                *budget = budget.saturating_sub(1);
                Ok::<_, crate::Error>(())
            })?;
            if !all_gone {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists its parts.
    pub(super) fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.before_snapshot(&mut |at_most| self.save(at_most));
        visitor.tables(&mut self.saved);
    }
}
