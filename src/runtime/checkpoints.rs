//! Keeps the manifests of a job in its state directory, and maps them by uid onto the topology that is started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use millstream_actors::checkpoints::{Beginning, CheckpointStore, Manifest};
use millstream_actors::error::SeamError;
use millstream_actors::ids::{Attempt, BlockId, CheckpointId, SubtaskId};
use millstream_actors::sabotage::Sabotage;
use millstream_actors::task::SubtaskSnapshot;
use serde::{Deserialize, Serialize};

use super::block::{COUNTERS, COUNTS};
use super::failures::{opening_error, seam_error};
use super::shares::share_out_all;
use crate::error::{Error, Result};
use crate::metrics::{Counts, Registry};
use crate::model::{self, MaxParallelism};
use crate::operator::SmallStates;
use crate::plan::Plan;
use crate::state::StateDir;

/// The property of a state directory that says that its job has finished, and holds the last counts.
const FINISHED: &str = "finished";
/// The property of a state directory that names its run.
const RUN: &str = "run";

/// What a manifest says about the topology that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    topology: String,
    max_parallelism: MaxParallelism,
    blocks: Vec<BlockLayout>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BlockLayout {
    uids: BTreeSet<String>,
    parallelism: u32,
    source: Option<String>,
}

/// What lies in the state directory for one checkpoint.
#[derive(Serialize, Deserialize)]
struct Stored {
    layout: Layout,
    manifest: Manifest,
}

impl Layout {
    pub(crate) fn of(plan: &Plan) -> Self {
        let blocks = plan.blocks.iter().map(|block| {
            let uids = block.nodes.iter().filter_map(|node| node.uid.clone()).collect();
            let source = block.nodes.first().filter(|node| node.kind == "source").and_then(|node| node.uid.clone());
            BlockLayout { uids, parallelism: block.parallelism, source }
        });
        Self { topology: plan.name.clone(), max_parallelism: plan.max_parallelism, blocks: blocks.collect() }
    }

    /// Where the state of `uid` lies, in this layout.
    fn block_of(&self, uid: &str) -> Option<usize> {
        self.blocks.iter().position(|block| block.uids.contains(uid))
    }

    /// Whether a checkpoint of `old` can be restored into this layout.
    fn accepts(&self, old: &Self) -> Result<()> {
        let hint = "start with `--fresh` to begin anew, or with another state directory";
        if self.topology != old.topology {
            return Err(Error::other(format!(
                "the state directory belongs to topology '{}', not to '{}'; {hint}",
                old.topology, self.topology
            )));
        }
        let groups = old.max_parallelism.groups();
        if let Some(block) = self.blocks.iter().find(|block| block.parallelism > groups) {
            let uids = block.uids.iter().map(|uid| format!("'{uid}'")).collect::<Vec<_>>().join(", ");
            return Err(Error::other(format!(
                "the parallelism of {uids} is {}, above the {groups} key groups of the checkpoint: lower it; {hint}",
                block.parallelism,
            )));
        }
        if self.max_parallelism != old.max_parallelism {
            return Err(Error::other(format!(
                "the checkpoint has {groups} key groups, the topology asks for {}: set `max_parallelism({groups})`; {hint}",
                self.max_parallelism.groups(),
            )));
        }
        for block in &old.blocks {
            for uid in &block.uids {
                let Some(new) = self.block_of(uid) else {
                    return Err(Error::other(format!(
                        "the checkpoint has state of '{uid}', but the topology has no such uid: give it back; {hint}"
                    )));
                };
                let (new, old) = (self.blocks[new].parallelism, block.parallelism);
                if new != old {
                    return Err(Error::other(format!(
                        "the checkpoint has '{uid}' at parallelism {old}, the topology asks for {new}: start with \
                         parallelism {old}; {hint}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The manifest of `old`, as if this layout had written it: state follows its uid from block to block.
    fn adopt(&self, old: &Self, manifest: Manifest) -> Result<Manifest> {
        if self.blocks == old.blocks {
            return Ok(manifest);
        }
        let (mut subtasks, mut enumerators) = (BTreeMap::new(), BTreeMap::new());
        // What an old block counted goes to one of the new blocks only.
        let mut counted = BTreeSet::new();
        for (block, layout) in self.blocks.iter().enumerate() {
            let sources = layout.uids.iter().filter_map(|uid| old.block_of(uid)).collect::<BTreeSet<_>>();
            for index in 0..layout.parallelism {
                let ids = sources.iter().map(|old| SubtaskId::new(*old as u32, index));
                let parts = ids.filter_map(|id| manifest.subtasks.get_key_value(&id)).collect::<Vec<_>>();
                if parts.is_empty() {
                    continue;
                }
                let (mut state, mut counts) = (SmallStates::default(), Counts::default());
                for (id, part) in &parts {
                    let part = model::decode::<SmallStates>(&part.state);
                    let part = part.map_err(|source| Error::codec("the checkpoint", source))?;
                    if counted.insert(**id) {
                        part.get::<Counts>(COUNTERS, COUNTS)?.iter().for_each(|part| counts += part);
                    }
                    state.extend(part);
                }
                state.put(COUNTERS, COUNTS, |into| into.put(&counts))?;
                let state = model::encode(&state).map_err(|source| Error::codec("the checkpoint", source))?;
                let drained = parts.iter().all(|(_, part)| part.drained);
                subtasks.insert(SubtaskId::new(block as u32, index), SubtaskSnapshot { state, bytes: 0, drained });
            }
            let enumerated = layout.source.as_ref().and_then(|uid| old.block_of(uid));
            let enumerated = enumerated.and_then(|old| manifest.enumerators.get(&BlockId(old as u32)));
            if let Some(state) = enumerated {
                enumerators.insert(BlockId(block as u32), state.clone());
            }
        }
        Ok(Manifest { subtasks, enumerators, ..manifest })
    }
}

/// The manifests of one job.
pub(crate) struct JobCheckpoints {
    state: StateDir,
    layout: Layout,
    retain: usize,
    metrics: Registry,
    /// The attempt that may publish. Held while publishing, so that an attempt begins with what is published, or
    /// fences it off.
    current: Mutex<Option<Attempt>>,
    /// What is broken on purpose.
    sabotage: Option<Sabotage>,
}

impl JobCheckpoints {
    /// The manifests in `state`, for the topology of `layout`.
    ///
    /// # Errors
    /// If the directory holds a checkpoint that this topology cannot start from.
    pub(crate) fn open(
        state: StateDir,
        layout: Layout,
        retain: usize,
        metrics: Registry,
        sabotage: Option<Sabotage>,
    ) -> Result<Self> {
        let checkpoints = Self { state, layout, retain, metrics, current: Mutex::new(None), sabotage };
        if let Some(stored) = checkpoints.latest()? {
            checkpoints.layout.accepts(&stored.layout)?;
        }
        Ok(checkpoints)
    }

    fn latest(&self) -> Result<Option<Stored>> {
        let Some((_, bytes)) = self.state.manifests().latest()? else { return Ok(None) };
        model::decode(&bytes).map(Some).map_err(|source| Error::codec("the latest checkpoint", source))
    }

    /// The number of key groups that the directory was begun with, if there is a checkpoint in it.
    pub(crate) fn max_parallelism_in(state: &StateDir) -> Result<Option<MaxParallelism>> {
        let Some((_, bytes)) = state.manifests().latest()? else { return Ok(None) };
        let stored = model::decode::<Stored>(&bytes).map_err(|source| Error::codec("the latest checkpoint", source))?;
        Ok(Some(stored.layout.max_parallelism))
    }

    /// The latest completed checkpoint.
    pub(crate) fn latest_id(&self) -> Result<Option<CheckpointId>> {
        Ok(self.state.manifests().latest()?.map(|(checkpoint, _)| checkpoint))
    }

    /// The last counts of the job, if it has finished.
    pub(crate) fn finished(&self) -> Result<Option<Counts>> {
        let Some(bytes) = self.state.manifests().property(FINISHED)? else { return Ok(None) };
        model::decode(&bytes).map(Some).map_err(|source| Error::codec("the end of the job", source))
    }

    /// The name of this run: `chosen`, or made at random at its first start.
    pub(crate) fn run(&self, chosen: Option<&str>) -> Result<Arc<str>> {
        if let Some(bytes) = self.state.manifests().property(RUN)? {
            return Ok(String::from_utf8_lossy(&bytes).into());
        }
        let run = chosen.map_or_else(|| format!("{:08x}", random_word()), str::to_owned);
        self.state.manifests().put_property(RUN, run.as_bytes())?;
        Ok(run.into())
    }

    fn begin(&self) -> Result<Beginning> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = self.state.manifests().next_attempt()?;
        *current = Some(attempt);
        let restored = match self.latest()? {
            None => None,
            Some(stored) => {
                let mut manifest = self.layout.adopt(&stored.layout, stored.manifest)?;
                share_out_all(&mut manifest.subtasks)?;
                Some(manifest)
            }
        };
        let next_checkpoint = self.state.manifests().next_checkpoint()?;
        Ok(Beginning { attempt, restored, next_checkpoint })
    }

    fn keep(&self, manifest: &Manifest) -> Result<CheckpointId> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != Some(manifest.attempt) && self.sabotage != Some(Sabotage::KeepOldMail) {
            return Err(Error::other(format!("attempt {} is over", manifest.attempt)));
        }
        let stored = Stored { layout: self.layout.clone(), manifest: manifest.clone() };
        let bytes = model::encode(&stored).map_err(|source| Error::codec("the checkpoint", source))?;
        Ok(self.state.manifests().publish(manifest.checkpoint, &bytes, self.retain)?)
    }

    fn end(&self) -> Result<()> {
        let bytes =
            model::encode(&self.metrics.durable()).map_err(|source| Error::codec("the end of the job", source))?;
        Ok(self.state.manifests().put_property(FINISHED, &bytes)?)
    }
}

impl CheckpointStore for JobCheckpoints {
    fn begin_attempt(&self) -> Result<Beginning, SeamError> {
        self.begin().map_err(opening_error)
    }

    fn publish(&self, manifest: &Manifest) -> Result<CheckpointId, SeamError> {
        self.keep(manifest).map_err(seam_error)
    }

    fn finish(&self) -> Result<(), SeamError> {
        self.end().map_err(seam_error)
    }
}

/// Randomness from the operating system, by way of the standard library's hash keys. Only names runs.
fn random_word() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}
