//! Runs a job on the present thread, in virtual time: time jumps when nothing is left to do before the next alarm.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use actix_rt::System;

use crate::blueprint::Blueprint;
use crate::checkpoints::CheckpointStore;
use crate::environment::{BlockingPool, Chance, Environment};
use crate::error::{Failure, FailureKind};
use crate::faults::{Faults, Work};
use crate::job::{Controls, JobConfig};
use crate::kill::KillSwitch;
use crate::observe::{JobStatus, Observed};
use crate::sabotage::Sabotage;
use crate::supervisor::{Setup, Supervisor};
use crate::time::{Clock, RuntimeClock, Timestamp};

/// What a simulated job runs in, in place of the real world.
pub struct VirtualWorld {
    /// What clocks on the wall show at the beginning.
    pub started_at: Timestamp,
    /// Where actors die, and what comes late.
    pub faults: Arc<dyn Faults>,
    /// Makes every choice that is open.
    pub chance: Arc<dyn Chance>,
    /// When it is killed, the run ends as if the process had died.
    pub machine: KillSwitch,
    /// The virtual time after which the run is given up.
    pub limit: Duration,
    /// What is done to the job from outside, and when.
    pub alarms: Vec<(Duration, Alarm)>,
    /// What is broken on purpose.
    #[doc(hidden)]
    pub sabotage: Option<Sabotage>,
}

/// What is done to a simulated job at some time.
pub type Alarm = Box<dyn FnOnce(&Controls)>;

/// How many events of a simulated job are remembered, for what is shown and checked after its end.
const KEPT: usize = 100_000;

/// Runs a job to its end, to the end of its machine, or to the limit of virtual time, and gives what can be seen
/// of it. `started` is handed the means to
/// steer it, and its clock.
///
/// Everything happens on the present thread: actors, blocking work, user functions. Blocking work takes a virtual time
/// that chance decides.
///
/// # Errors
/// If the actor system cannot be started.
pub fn run(
    blueprint: Blueprint,
    config: JobConfig,
    store: Arc<dyn CheckpointStore>,
    world: VirtualWorld,
    started: impl FnOnce(Controls, Arc<dyn Clock>) + 'static,
) -> Result<Observed, Failure> {
    let runtime = || {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        builder
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without threads and sockets asks for nothing")
    };
    let (observed, limit) = (Observed::keeping(KEPT), world.limit);
    let system = System::with_tokio_rt(runtime);
    let seen = observed.clone();
    let out_of_time = Rc::new(Cell::new(false));
    let too_late = Rc::clone(&out_of_time);
    system.block_on(async move {
        let (faults, chance, machine) = (world.faults, world.chance, world.machine);
        let pool = Arc::new(InlinePool { chance: Arc::clone(&chance), machine: machine.clone() });
        let clock = Arc::new(RuntimeClock::start_at(world.started_at));
        let (seed, sabotage) = (config.seed, world.sabotage);
        let (chance, observed) = (Some(chance), seen.clone());
        let environment = Environment { clock: clock.clone(), pool, faults, chance, machine, seed, observed, sabotage };
        let arbiters = vec![System::current().arbiter().clone()];
        let supervisor = Supervisor::new(Setup { blueprint, config, store, environment, arbiters }).start();
        let controls = Controls { supervisor, observed: seen };
        for (after, alarm) in world.alarms {
            let controls = controls.clone();
            actix_rt::spawn(async move {
                tokio::time::sleep(after).await;
                alarm(&controls);
            });
        }
        started(controls, clock);
        actix_rt::spawn(async move {
            tokio::time::sleep(limit).await;
            too_late.set(true);
            System::current().stop();
        });
    });
    system.run().map_err(|error| Failure::of_job("actor system", FailureKind::Error, error.to_string()))?;
    if out_of_time.get() {
        let message = format!("the job did not end within {limit:?} of virtual time");
        let failure = Failure::of_job("simulation", FailureKind::Error, message);
        observed.record_end(JobStatus::Failed(failure));
    }
    Ok(observed)
}

/// Runs blocking work on the present thread, some virtual time later.
struct InlinePool {
    chance: Arc<dyn Chance>,
    machine: KillSwitch,
}

/// Half of all blocking work takes no virtual time, the other half at most this many milliseconds.
const LONGEST_WORK: usize = 8;

impl BlockingPool for InlinePool {
    fn run(&self, _work: Work, after: Duration, job: Box<dyn FnOnce() + Send>) {
        let millis = if self.chance.below(2) == 0 { 0 } else { self.chance.below(LONGEST_WORK) };
        let (after, machine) = (after + Duration::from_millis(millis as u64), self.machine.clone());
        actix_rt::spawn(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            if !machine.is_killed() {
                job();
            }
        });
    }
}
