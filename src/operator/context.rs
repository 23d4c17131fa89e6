//! Decides what an operator, source or sink learns about the subtask it opens in.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use millstream_actors::ids::{Attempt, CheckpointId};
use millstream_actors::sabotage::Sabotage;
use millstream_actors::task::Wake;
use millstream_actors::time::{Clock, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event_time::AlignmentGroups;
use super::small_state::{FIRING, PARALLELISM, Portions, SmallStates, StateKind, WATERMARK};
use super::{Blocking, Hold, SideEmitter, SideId, SideOutput, SplitNames};
use crate::error::{Error, Result};
use crate::io::Surroundings;
use crate::metrics::{Counter, CounterName, Gauge, GaugeName, SubtaskMetrics};
use crate::model::{Data, Key, MaxParallelism};
use crate::state::{Store, Table};

/// The snapshot a subtask starts from.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The completed checkpoint it belongs to.
    pub checkpoint: CheckpointId,
    /// This subtask's part of it.
    pub state: SmallStates,
}

/// The processing time at which the records arrived that are being taken, for operators that must not read the clock for
/// each of them. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<AtomicI64>);

impl Arrivals {
    /// The records that are taken from now on arrived at `now`, or when those before them did if the clock went back.
    pub(crate) fn set(&self, now: Timestamp) {
        self.0.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// When the present record arrived.
    #[inline]
    pub(crate) fn get(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What an operator, source or sink learns when it opens inside a subtask. Opening may block.
pub struct SubtaskContext {
    /// The position of the subtask among the instances of its block, counted from 0.
    pub index: u32,
    /// How many instances its block has.
    pub parallelism: u32,
    /// The number of key groups of the job.
    pub max_parallelism: MaxParallelism,
    /// The deployment. Never repeats within a state directory.
    pub attempt: Attempt,
    /// A short random word that tells this run of the job, with all its attempts and resumptions, from other runs.
    pub run: Arc<str>,
    /// The snapshot to start from; `None` in a run that starts from nothing.
    pub restored: Option<Restored>,
    /// Machine time.
    pub clock: Arc<dyn Clock>,
    /// What the subtask counts.
    pub(crate) metrics: SubtaskMetrics,
    /// Wakes the subtask, from any thread: its reader is called again, its operators receive
    /// [`Event::Woken`](super::Event::Woken), and its writers are told.
    pub wake: Wake,
    /// Leads to the blocking pool.
    pub blocking: Blocking,
    /// The uid of the source, operator or sink that opens now; of one without a uid, the nearest uid before it.
    pub uid: Arc<str>,
    /// Whether a source is at the head of the block.
    pub(crate) is_source: bool,
    /// The names of the source's splits.
    pub(crate) split_names: SplitNames,
    /// Holds back the source's reader.
    pub(crate) hold: Hold,
    /// When records arrive, if an operator wants to know it.
    pub(crate) arrivals: Option<Arrivals>,
    /// The groups of readers that advance together, of the whole job.
    pub(crate) alignment_groups: AlignmentGroups,
    /// What a test has put in the place of the outside world.
    pub(crate) surroundings: Surroundings,
    /// What is broken on purpose.
    pub(crate) sabotage: Option<Sabotage>,
    /// The store of keyed state, if the block has any.
    pub(crate) store: Option<Store>,
    /// The side outputs that somebody reads; the others drop, or capture, what they are given.
    pub(crate) read_sides: BTreeSet<SideId>,
    sides: BTreeMap<SideId, Box<dyn Any + Send>>,
}

impl SubtaskContext {
    /// A context without snapshot and side outputs.
    #[must_use]
    pub fn new(index: u32, parallelism: u32, attempt: Attempt, run: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            index,
            parallelism,
            max_parallelism: MaxParallelism::default_for(parallelism),
            attempt,
            run: run.into(),
            restored: None,
            clock,
            metrics: SubtaskMetrics::default(),
            wake: Wake::default(),
            blocking: Blocking::inline(),
            uid: "".into(),
            is_source: false,
            split_names: SplitNames::default(),
            hold: Hold::default(),
            arrivals: None,
            alignment_groups: AlignmentGroups::default(),
            surroundings: Surroundings::default(),
            sabotage: None,
            store: None,
            read_sides: BTreeSet::new(),
            sides: BTreeMap::new(),
        }
    }

    /// The counter `name` of the operator, source or sink that is being opened, under its uid. One without a uid counts
    /// under the uid before it. Asked again for the same name, it gives the same counter.
    #[must_use]
    pub fn counter(&self, name: CounterName) -> Counter {
        self.metrics.counter(&self.uid, name)
    }

    /// The gauge `name` of the operator, source or sink that is being opened, as [`Self::counter`].
    #[must_use]
    pub fn gauge(&self, name: GaugeName) -> Gauge {
        self.metrics.gauge(&self.uid, name)
    }

    /// The elements of a small state that `uid` has in the snapshot to start from; none if it has none.
    ///
    /// # Errors
    /// If they cannot be decoded as `T`.
    pub fn restored_state<T: DeserializeOwned>(&self, uid: &str, kind: StateKind<'_>) -> Result<Vec<T>> {
        self.restored.as_ref().map_or(Ok(Vec::new()), |restored| restored.state.get(uid, kind))
    }

    /// How many subtasks the source or sink that opens now had in the checkpoint to begin from; `None` if it was not part
    /// of it.
    ///
    /// # Errors
    /// If the checkpoint cannot be decoded.
    pub fn restored_parallelism(&self) -> Result<Option<u32>> {
        Ok(self.restored_state(&self.uid, PARALLELISM)?.first().copied())
    }

    /// The watermark that `uid` had received when the snapshot was taken; [`Timestamp::MIN`] without one.
    pub(crate) fn restored_watermark(&self, uid: &str) -> Result<Timestamp> {
        Ok(self.restored_state(uid, WATERMARK)?.into_iter().min().unwrap_or(Timestamp::MIN))
    }

    /// Whether `uid` was in the middle of what it emits for that watermark: it goes on before it receives anything else.
    pub(crate) fn was_firing(&self, uid: &str) -> Result<bool> {
        Ok(!self.restored_state::<u8>(uid, FIRING)?.is_empty())
    }

    /// All small states that `uid` has in the snapshot to start from, but for those of the library.
    pub(crate) fn restored_portions(&self, uid: &str) -> Portions {
        let portions = self.restored.as_ref().and_then(|restored| restored.state.by_uid().get(uid));
        let of_user = portions.into_iter().flatten().filter(|(name, _)| !name.contains('/'));
        of_user.map(|(name, portion)| (name.clone(), portion.clone())).collect()
    }

    /// When the records arrive that the subtask takes.
    pub(crate) fn arrivals(&mut self) -> Arrivals {
        self.arrivals.get_or_insert_default().clone()
    }

    /// The table of keyed state that belongs to `uid`, with what the snapshot has of it.
    ///
    /// # Errors
    /// If the block has no store, or the state on disk cannot be read or trusted.
    pub(crate) fn table<K, V>(&mut self, uid: &str) -> Result<Table<K, V>>
    where
        K: Key,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        Ok(self.store(uid)?.table(uid)?)
    }

    /// The store that holds the tables of `uid`, so that those with namespaces can be opened in it.
    ///
    /// # Errors
    /// If the block has none.
    pub(crate) fn store(&mut self, uid: &str) -> Result<&mut Store> {
        self.store.as_mut().ok_or_else(|| Error::other(format!("'{uid}' has no store for its state")))
    }

    /// The emitting end of `side` within this subtask.
    pub fn side<T: Data>(&mut self, side: &SideOutput<T>) -> SideEmitter<T> {
        let emitter = self.sides.entry(side.id()).or_insert_with(|| {
            let is_read = self.read_sides.contains(&side.id());
            let captured = self.surroundings.captures.as_ref().filter(|_| !is_read);
            Box::new(match captured.and_then(|captures| captures.of::<T>(side.name()).ok()) {
                Some(memory) => SideEmitter::<T>::captured(memory),
                None => SideEmitter::<T>::new(is_read),
            })
        });
        emitter.downcast_ref::<SideEmitter<T>>().expect("a side output's identity fixes its type").clone()
    }
}
