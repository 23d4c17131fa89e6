//! Runs a topology on one thread in virtual time, with every choice made by a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::kill::KillSwitch;
use millstream_actors::protocol::RestartPolicy;
use millstream_actors::sabotage::Sabotage;
use millstream_actors::simulation::{Alarm, VirtualWorld};
use millstream_actors::time::Timestamp;

use super::explore::{Exploration, explore};
use super::fault::Fault;
use super::random_faults;
use super::run::{Life, Run};
use super::world::World;
use super::{Mismatch, Script};
use crate::api::Topology;
use crate::io::{Captures, Surroundings};
use crate::model::Data;
use crate::runtime::JobOptions;
use crate::state::CrashDisks;

/// A topology, and what it will go through.
///
/// The topology runs as it is, on the actors that it has in production, but on one thread, in virtual time, with its
/// state in memory. Its sources are read, unless [`Simulation::input`] puts a script in the place of one; its sinks are
/// replaced by memory, unless [`Simulation::real_sink`] says otherwise. A seed decides what is left open: which channel
/// is drained next, where batches and run slices end, how long blocking work takes, when a checkpoint is due. Time jumps
/// when nothing is left to do. So the same seed gives the same run, to the byte, in any process.
///
/// # Example
/// ```
/// use millstream::prelude::*;
/// use millstream::testing::Simulation;
///
/// let topology = Topology::new("word count");
/// topology
///     .source("words", Collection::of(["to", "be", "or", "not", "to", "be"]))
///     .key_by(|word| word.to_string())
///     .count("counts")
///     .collect("results");
///
/// let expected = [("to", 1), ("be", 1), ("or", 1), ("not", 1), ("to", 2), ("be", 2)];
/// let expected = expected.map(|(word, count): (&str, u64)| (word.to_string(), count));
/// for seed in 0..20 {
///     Simulation::new(topology.clone(), seed).kill_randomly(3).run().assert_output("results", &expected);
/// }
/// ```
#[derive(Clone)]
pub struct Simulation {
    pub(super) topology: Topology,
    pub(super) seed: u64,
    options: JobOptions,
    pub(super) faults: Vec<Fault>,
    random_kills: usize,
    random_faults: usize,
    pub(super) scripts: BTreeMap<String, Arc<dyn AnyScript>>,
    real_sinks: BTreeSet<String>,
    limit: Duration,
    started_at: Timestamp,
    sabotage: Option<Sabotage>,
}

/// A script whose type is forgotten.
pub(super) trait AnyScript: Send + Sync {
    fn len(&self) -> usize;
    fn without(&self, from: usize, to: usize) -> Arc<dyn AnyScript>;
    fn install(&self, uid: &str, surroundings: &mut Surroundings);
    fn as_any(&self) -> &dyn std::any::Any;
}

impl<T: Data + Clone + Sync> AnyScript for Script<T> {
    fn len(&self) -> usize {
        self.lines().count()
    }

    fn without(&self, from: usize, to: usize) -> Arc<dyn AnyScript> {
        Arc::new(Script::without(self, from, to))
    }

    fn install(&self, uid: &str, surroundings: &mut Surroundings) {
        // A copy: the aborts of each run are its own.
        surroundings.replace_source(uid, Script::without(self, 0, 0));
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The virtual time after which a run is given up.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What clocks on the wall show at the beginning of a run: the first of January 2000.
pub(super) const STARTED_AT: i64 = 946_684_800_000;

impl Simulation {
    /// A run of `topology` in which every choice follows from `seed`.
    ///
    /// Two subtasks per block, a checkpoint every 10 ms, batches of 16 records, restarts after 1 ms; see
    /// [`Simulation::options`].
    #[must_use]
    pub fn new(topology: Topology, seed: u64) -> Self {
        let options = JobOptions::new()
            .parallelism(2)
            .checkpoint_interval(Duration::from_millis(10))
            .tolerable_failures(u32::MAX)
            .batch_records(16)
            .credits(4)
            .restart(RestartPolicy::FixedDelay { attempts: Some(100), delay: Duration::from_millis(1) });
        Self {
            topology,
            seed,
            options,
            faults: Vec::new(),
            random_kills: 0,
            random_faults: 0,
            scripts: BTreeMap::new(),
            real_sinks: BTreeSet::new(),
            limit: LIMIT,
            started_at: Timestamp::from_millis(STARTED_AT),
            sabotage: None,
        }
    }

    /// Changes how the job runs. The state directory, the seed and the faults of the options mean nothing here.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(JobOptions) -> JobOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// The same with exactly these faults.
    pub(super) fn with_faults(&self, faults: Vec<Fault>) -> Self {
        Self { faults, random_kills: 0, random_faults: 0, ..self.clone() }
    }

    /// Another seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Adds `kills` kills, of subtasks, blocks, the coordinator or the whole job, at crash points, at records or at
    /// times, all drawn from the seed. Some may never be due.
    #[must_use]
    pub fn kill_randomly(self, kills: usize) -> Self {
        Self { random_kills: kills, ..self }
    }

    /// Adds `faults` faults of all other kinds, drawn from the seed: panics, power losses, writes and commits that fail or
    /// come late. Some may never be due.
    #[must_use]
    pub fn fault_randomly(self, faults: usize) -> Self {
        Self { random_faults: faults, ..self }
    }

    /// Puts `script` in the place of the source `uid`.
    #[must_use]
    pub fn input<T: Data + Clone + Sync>(mut self, uid: &str, script: Script<T>) -> Self {
        self.scripts.insert(uid.to_owned(), Arc::new(script));
        self
    }

    /// Lets the sink `uid` write where it writes in production. What it wrote is then not an output of the run.
    #[must_use]
    pub fn real_sink(mut self, uid: &str) -> Self {
        self.real_sinks.insert(uid.to_owned());
        self
    }

    /// The virtual time after which a run is given up, and has failed; a day by default.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// What clocks on the wall show at the beginning.
    #[must_use]
    pub fn started_at(self, time: Timestamp) -> Self {
        Self { started_at: time, ..self }
    }

    /// Breaks a law of the engine, in builds that can.
    #[doc(hidden)]
    #[must_use]
    pub fn sabotage(self, what: Sabotage) -> Self {
        Self { sabotage: Some(what), ..self }
    }

    /// All faults: those that were given, and those that are drawn from the seed.
    #[must_use]
    pub fn all_faults(&self) -> Vec<Fault> {
        let drawn = match self.topology.plan_with(self.options.subtasks_per_block()) {
            Ok(plan) => {
                let kills = random_faults::kills(self.seed, self.random_kills, &plan);
                [kills, random_faults::others(self.seed, self.random_faults, &plan)].concat()
            }
            Err(_) => Vec::new(),
        };
        [&self.faults[..], &drawn].concat()
    }

    /// Runs the topology to its end.
    ///
    /// # Panics
    /// If the plan has a mistake, or a fault names a uid that the topology does not have.
    #[must_use]
    pub fn run(&self) -> Run {
        let plan = self.topology.plan_with(self.options.subtasks_per_block());
        let plan = plan.unwrap_or_else(|mistake| panic!("the topology cannot run: {mistake}"));
        let faults = self.all_faults();
        let world = Arc::new(World::new(self.seed, &faults, &plan));
        let (captures, disks) = (Captures::default(), CrashDisks::default());
        let options = self.options_for(&world, &captures, &disks);
        let mut lives = Vec::new();
        loop {
            let life = self.live(&world, &options);
            let died = life.died;
            lives.push(life);
            if !died || world.is_exhausted() {
                break;
            }
            if world.takes_power_loss() {
                disks.crash(world.draw());
            } else {
                disks.reopen();
            }
        }
        let struck = faults.into_iter().zip(world.strikes()).collect();
        Run::new(self.seed, plan, struck, lives, captures, self.scripts.clone(), world.trace(), disks)
    }

    /// Runs the topology with each of `seeds`, and stops at the first whose run fails `check`; of that one, removes
    /// faults and lines of scripts for as long as it still fails.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::testing::Simulation;
    ///
    /// let topology = Topology::new("squares");
    /// topology.source("numbers", Collection::of(0..100)).map(|n: u64| n * n).collect("squares");
    /// let expected = (0..100).map(|n| n * n).collect::<Vec<u64>>();
    ///
    /// let simulation = Simulation::new(topology, 0).kill_randomly(2);
    /// let explored = simulation.explore(0..20, |run| run.check_output("squares", &expected));
    /// explored.assert_holds();
    /// assert_eq!(explored.runs(), 20);
    /// ```
    pub fn explore(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        check: impl Fn(&Run) -> Result<(), Mismatch>,
    ) -> Exploration {
        explore(self, seeds, &check)
    }

    fn options_for(&self, world: &Arc<World>, captures: &Captures, disks: &CrashDisks) -> JobOptions {
        let mut options = self.options.clone().seed(self.seed);
        let mut surroundings = Surroundings::default();
        surroundings.captures = Some(captures.clone());
        surroundings.real_sinks = self.real_sinks.clone();
        surroundings.witness = Some(world.clone());
        surroundings.run = Some("simulated".into());
        for (uid, script) in &self.scripts {
            script.install(uid, &mut surroundings);
        }
        options.seams.surroundings = surroundings;
        options.seams.state_backend = Some(disks.factory());
        options.seams.sabotage = self.sabotage;
        options
    }

    /// The life of one process.
    fn live(&self, world: &Arc<World>, options: &JobOptions) -> Life {
        let machine = KillSwitch::default();
        world.begin_process(&machine);
        let alarm = |(after, index)| {
            let world = Arc::clone(world);
            let strike: Alarm = Box::new(move |_| world.strike_now(index));
            (after, strike)
        };
        let virtual_world = VirtualWorld {
            started_at: self.started_at.after(world.elapsed()),
            faults: world.clone(),
            chance: world.clone(),
            machine: machine.clone(),
            limit: self.limit,
            alarms: world.timed().into_iter().map(alarm).collect(),
            sabotage: self.sabotage,
        };
        let runs_in = Arc::clone(world);
        let outcome = self.topology.prepare(options).and_then(|deployment| {
            deployment.simulate(virtual_world, move |controls, clock| runs_in.begin_job(controls, clock))
        });
        let born_at = world.elapsed();
        world.end_process();
        Life { died: machine.is_killed(), born_at, outcome }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("faults", &self.all_faults())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
