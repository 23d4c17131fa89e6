//! What a test puts in place of the outside world of a job: scripts for its sources, memory for its sinks.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_actors::ids::SubtaskId;
use millstream_actors::time::TimeSignal;

use super::capture::Captures;
use super::feed::Feeds;
use super::script::{Script, ScriptLines};
use crate::error::{Error, Result};
use crate::model::{Data, KeyHash};

/// What surrounds a job. In production nothing is put in the place of anything.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    /// Where outputs go, if not into their sinks.
    pub(crate) captures: Option<Captures>,
    /// The sinks that write all the same.
    pub(crate) real_sinks: BTreeSet<String>,
    scripts: BTreeMap<String, Arc<dyn Any + Send + Sync>>,
    /// What is pushed into all sources, if they are not read.
    pub(crate) feeds: Option<Feeds>,
    /// Sees where keyed records go, and how far event time has come.
    pub(crate) witness: Option<Arc<dyn Witness>>,
    /// The name of the run, if it is not to be a random one.
    pub(crate) run: Option<Arc<str>>,
}

/// Sees where keyed records go, and how far event time has come; for tests, since it is told per record.
pub(crate) trait Witness: Send + Sync + 'static {
    /// A record whose key has this hash is sent to subtask `to` of the next block.
    fn routed(&self, from: SubtaskId, hash: KeyHash, to: usize);

    /// This leaves a subtask, behind all records that it has to do with.
    fn signalled(&self, from: SubtaskId, signal: TimeSignal);
}

impl Surroundings {
    /// Puts `script` in the place of the source `uid`.
    pub(crate) fn replace_source<T: Data + Clone + Sync>(&mut self, uid: &str, script: Script<T>) {
        let lines: Arc<dyn ScriptLines<T>> = Arc::new(script);
        self.scripts.insert(uid.to_owned(), Arc::new(lines));
    }

    /// What is in the place of the source `uid`, if anything is.
    ///
    /// # Errors
    /// If the script has records of another type.
    pub(crate) fn script<T: Data>(&self, uid: &str) -> Result<Option<Arc<dyn ScriptLines<T>>>> {
        let script = match (&self.feeds, self.scripts.get(uid)) {
            (Some(feeds), _) => feeds.of::<T>(uid).map(|feed| feed as Arc<dyn ScriptLines<T>>),
            (None, Some(script)) => script.downcast_ref::<Arc<dyn ScriptLines<T>>>().cloned(),
            (None, None) => return Ok(None),
        };
        let wrong = || format!("the input of source '{uid}' has other records than {}", std::any::type_name::<T>());
        script.map(Some).ok_or_else(|| Error::other(wrong()))
    }

    /// Where the output of sink `uid` goes, if it does not go into the sink.
    pub(crate) fn captures_of(&self, uid: &str) -> Option<&Captures> {
        self.captures.as_ref().filter(|_| !self.real_sinks.contains(uid))
    }
}
