//! Inputs that a test pushes line by line into the sources of a topology.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::script::{Line, NextLine, ScriptLines};
use crate::error::Result;
use crate::model::Data;

/// The pushed inputs of a topology, by the uid of their source. Clones are the same inputs.
#[derive(Clone)]
pub(crate) struct Feeds {
    lanes: Arc<BTreeMap<String, usize>>,
    feeds: Arc<Mutex<BTreeMap<String, Box<dyn Any + Send>>>>,
}

/// One pushed input: a queue of lines per lane.
pub(crate) struct Feed<T>(Mutex<Lanes<T>>);

struct Lanes<T> {
    lines: Vec<VecDeque<Line<T>>>,
    has_ended: bool,
}

impl Feeds {
    /// Inputs of so many lanes per uid.
    pub(crate) fn new(lanes: BTreeMap<String, usize>) -> Self {
        Self { lanes: Arc::new(lanes), feeds: Arc::default() }
    }

    /// The input of the source `uid`; `None` if it takes records of another type.
    pub(crate) fn of<T: Data>(&self, uid: &str) -> Option<Arc<Feed<T>>> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let feed = feeds.entry(uid.to_owned()).or_insert_with(|| {
            let lanes = self.lanes.get(uid).copied().unwrap_or(1);
            let lines = (0..lanes).map(|_| VecDeque::new()).collect();
            Box::new(Arc::new(Feed::<T>(Mutex::new(Lanes { lines, has_ended: false }))))
        });
        feed.downcast_ref::<Arc<Feed<T>>>().cloned()
    }
}

impl<T> Feed<T> {
    fn lock(&self) -> MutexGuard<'_, Lanes<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to a lane.
    pub(crate) fn push(&self, lane: usize, line: Line<T>) {
        let mut lanes = self.lock();
        let lane = lane % lanes.lines.len();
        lanes.lines[lane].push_back(line);
    }

    /// Nothing will be pushed any more.
    pub(crate) fn end(&self) {
        self.lock().has_ended = true;
    }
}

impl<T: Data> ScriptLines<T> for Feed<T> {
    fn lanes(&self) -> usize {
        self.lock().lines.len()
    }

    fn read(&self, lane: usize, _line: usize) -> Result<NextLine<T>> {
        let mut lanes = self.lock();
        Ok(match lanes.lines[lane].pop_front() {
            Some(line) => NextLine::Line(line),
            None if lanes.has_ended => NextLine::End,
            None => NextLine::NotYet,
        })
    }
}
