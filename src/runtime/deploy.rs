//! Makes of a plan what can be started: the state directory is open, its checkpoint fits, every block is made.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use millstream_actors::blueprint::{BlockBlueprint, Blueprint, EdgeBlueprint};
use millstream_actors::ids::{BlockId, CheckpointId};
use millstream_actors::job::{Controls, Job, JobConfig};
use millstream_actors::observe::Observed;
use millstream_actors::simulation::{self, VirtualWorld};
use millstream_actors::task::{EnumerationFactory, TaskFactory};
use millstream_actors::time::Clock;
use tempfile::TempDir;

use super::block_deploy::{BlockDeploy, Receivers, Senders};
use super::checkpoints::{JobCheckpoints, Layout};
use super::job::{JobHandle, JobWatch, Totals};
use super::options::JobOptions;
use super::splits::SourceDeploy;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Surroundings;
use crate::metrics::{Counts, Registry};
use crate::operator::SideId;
use crate::operator::event_time::AlignmentGroups;
use crate::plan::Plan;
use crate::state::StateDir;

/// A topology that is ready to run.
pub(crate) struct Deployment {
    plan: Plan,
    blueprint: Blueprint,
    config: JobConfig,
    checkpoints: JobCheckpoints,
    metrics: Registry,
    totals: Totals,
    finished: Option<Counts>,
    resumed_from: Option<CheckpointId>,
    started: Instant,
    // Behind the state: it goes when nobody uses the state any more.
    temporary: Option<TempDir>,
}

/// What is known of a job while its blocks are being made.
pub(crate) struct Preparation {
    plan: Plan,
    state: StateDir,
    run: Arc<str>,
    batch_records: usize,
    metrics: Registry,
    totals: Totals,
    surroundings: Surroundings,
    alignment_groups: AlignmentGroups,
    blueprint: Blueprint,
}

impl Preparation {
    /// What is decided about block `index`, whose keyed state lies under the uid `keyed`.
    pub(crate) fn block(&self, index: usize, keyed: Option<&str>, read_sides: BTreeSet<SideId>) -> BlockDeploy {
        let edges = self.plan.edges.iter().filter(|edge| edge.from == index);
        let receivers = edges.map(|edge| Receivers {
            parallelism: self.plan.blocks[edge.to].parallelism,
            pattern: edge.exchange.pattern(),
        });
        let incoming = self.plan.edges.iter().filter(|edge| edge.to == index);
        let senders = incoming.map(|edge| Senders {
            input: edge.input,
            parallelism: self.plan.blocks[edge.from].parallelism,
            pattern: edge.exchange.pattern(),
        });
        BlockDeploy {
            block: BlockId(index as u32),
            name: self.plan.block_name(index),
            parallelism: self.plan.blocks[index].parallelism,
            max_parallelism: self.plan.max_parallelism,
            receivers: receivers.collect(),
            senders: senders.collect(),
            batch_records: self.batch_records,
            stem: keyed.map(stem_of),
            state: self.state.clone(),
            run: Arc::clone(&self.run),
            metrics: self.metrics.clone(),
            uid_before: self.plan.uid_before(index).into(),
            surroundings: self.surroundings.clone(),
            alignment_groups: self.alignment_groups.clone(),
            read_sides,
        }
    }

    /// What is decided about the source in block `index`.
    pub(crate) fn source(&self, index: usize, uid: &str) -> SourceDeploy {
        let parallelism = self.plan.blocks[index].parallelism;
        let (total, surroundings) = (Arc::clone(&self.totals), self.surroundings.clone());
        SourceDeploy { uid: uid.to_owned(), parallelism, total, surroundings }
    }

    /// Adds the next block.
    pub(crate) fn add(&mut self, tasks: Arc<dyn TaskFactory>, splits: Option<Arc<dyn EnumerationFactory>>) {
        let block = self.blueprint.blocks.len();
        let (name, parallelism) = (self.plan.block_name(block), self.plan.blocks[block].parallelism);
        self.blueprint.blocks.push(BlockBlueprint { name, parallelism, tasks, splits });
    }
}

/// The file name of the state of `uid`: letters and digits as they are, all else as its code point.
fn stem_of(uid: &str) -> String {
    let spell = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("_{:x}_", u32::from(c)) };
    uid.chars().map(spell).collect()
}

/// Makes ready to run what `plan` says, with the blocks that `make` adds.
pub(crate) fn prepare(mut plan: Plan, options: &JobOptions, make: impl FnOnce(&mut Preparation)) -> Result<Deployment> {
    let started = Instant::now();
    let (directory, temporary, fresh) = directory(options)?;
    let state = StateDir::open(&directory, options.state())?;
    if fresh {
        state.clear()?;
    }
    let metrics = Registry::default();
    if let Some(begun_with) = JobCheckpoints::max_parallelism_in(&state)?
        && !plan.max_parallelism_is_explicit
        && plan.blocks.iter().all(|block| block.parallelism <= begun_with.groups())
    {
        plan.max_parallelism = begun_with;
    }
    let layout = Layout::of(&plan);
    let checkpoints =
        JobCheckpoints::open(state.clone(), layout, options.retained(), metrics.clone(), options.seams.sabotage)?;
    let (finished, resumed_from) = (checkpoints.finished()?, checkpoints.latest_id()?);
    let surroundings = options.seams.surroundings.clone();
    let mut preparation = Preparation {
        state,
        run: checkpoints.run(surroundings.run.as_deref())?,
        batch_records: options.records_per_batch(),
        metrics: metrics.clone(),
        totals: Arc::default(),
        surroundings,
        alignment_groups: AlignmentGroups::default(),
        blueprint: Blueprint::default(),
        plan,
    };
    make(&mut preparation);
    let edges = preparation.plan.edges.iter().map(|edge| EdgeBlueprint {
        from: BlockId(edge.from as u32),
        to: BlockId(edge.to as u32),
        pattern: edge.exchange.pattern(),
    });
    preparation.blueprint.edges = edges.collect();
    let config = options.job();
    let Preparation { plan, totals, blueprint, .. } = preparation;
    Ok(Deployment { plan, blueprint, config, checkpoints, metrics, totals, finished, resumed_from, started, temporary })
}

/// The state directory, and whether what it holds is discarded; a temporary one if none is given. What lies in other
/// storage needs none.
fn directory(options: &JobOptions) -> Result<(PathBuf, Option<TempDir>, bool)> {
    let (directory, fresh) = options.directory();
    match directory {
        Some(directory) => Ok((directory, None, fresh)),
        None if options.seams.state_backend.is_some() => Ok((PathBuf::from("memory"), None, fresh)),
        None => {
            let temporary = TempDir::new().map_err(|source| Error::io(std::env::temp_dir(), source))?;
            Ok((temporary.path().to_owned(), Some(temporary), fresh))
        }
    }
}

impl Deployment {
    /// Starts the job on threads of its own, unless it has finished.
    pub(crate) fn start(self, options: &JobOptions) -> Result<JobHandle> {
        let job = match self.finished {
            Some(_) => None,
            None => {
                let checkpoints = Arc::new(self.checkpoints);
                let job = Job::start(self.blueprint, self.config, checkpoints, Arc::clone(&options.seams.faults));
                Some(job.map_err(|failure| Error::from(ErrorKind::Failed(failure)))?)
            }
        };
        let (plan, controls) = (Arc::new(self.plan), job.as_ref().map(Job::controls));
        let (finished, resumed_from) = (self.finished, self.resumed_from);
        let (metrics, totals, started) = (self.metrics, self.totals, self.started);
        let watch = JobWatch { plan, controls, finished, resumed_from, metrics, totals, started };
        Ok(JobHandle::new(watch, job, self.temporary))
    }

    /// Runs the job on the present thread, in virtual time. Gives what can be seen of it at its end, and what it
    /// counted; nothing if it had finished before.
    pub(crate) fn simulate(
        self,
        world: VirtualWorld,
        started: impl FnOnce(Controls, Arc<dyn Clock>) + 'static,
    ) -> Result<Option<(Observed, Counts)>> {
        if self.finished.is_some() {
            return Ok(None);
        }
        let observed = simulation::run(self.blueprint, self.config, Arc::new(self.checkpoints), world, started);
        let observed = observed.map_err(|failure| Error::from(ErrorKind::Failed(failure)))?;
        Ok(Some((observed, self.metrics.durable())))
    }

    /// The blocks and edges, for a test that hosts them itself.
    pub(crate) fn into_blueprint(self) -> Blueprint {
        self.blueprint
    }
}
