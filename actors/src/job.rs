//! Starts a job on threads of its own, and is the outside's hold on it.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_rt::{Arbiter, System};

use crate::blueprint::Blueprint;
use crate::checkpoints::CheckpointStore;
use crate::environment::{BlockingPool, Environment};
use crate::error::{Failure, FailureKind};
use crate::faults::{Faults, Work};
use crate::kill::Victim;
use crate::mail::Command;
use crate::observe::{JobStatus, JobView, Observed};
use crate::protocol::restart::RestartPolicy;
use crate::protocol::rounds::RoundsConfig;
use crate::supervisor::{Setup, Supervisor};

/// How a job runs.
#[derive(Debug, Clone)]
pub struct JobConfig {
    /// When checkpoints are taken.
    pub rounds: RoundsConfig,
    /// What follows a failure.
    pub restart: RestartPolicy,
    /// Batches in flight towards a subtask, shared by its input channels, each of which has at least 2.
    pub credits: usize,
    /// Threads that subtasks run on.
    pub workers: usize,
    /// How long a subtask works before others of its thread have their turn, give or take a chunk of records.
    pub run_slice: Duration,
    /// For how long event time stands still before a warning says why; [`Duration::MAX`] is for ever.
    pub standstill: Duration,
    /// The seed of what is random.
    pub seed: u64,
}

/// A job that was started. Dropping it cancels the job and waits for its threads.
pub struct Job {
    controls: Controls,
    thread: Option<JoinHandle<()>>,
}

/// The means to see and steer a job. Clones steer the same job; on a job that has ended, steering does nothing.
#[derive(Clone)]
pub struct Controls {
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) observed: Observed,
}

impl Job {
    /// Starts a job.
    ///
    /// # Errors
    /// If its threads cannot be started.
    pub fn start(
        blueprint: Blueprint,
        config: JobConfig,
        store: Arc<dyn CheckpointStore>,
        faults: Arc<dyn Faults>,
    ) -> Result<Self, Failure> {
        let observed = Observed::default();
        let (seen, (send, receive)) = (observed.clone(), mpsc::channel());
        let body = move || {
            let system = System::new();
            let supervisor = system.block_on(async move {
                let arbiters = (0..config.workers.max(1)).map(|_| Arbiter::new().handle()).collect();
                let pool = Arc::new(RuntimePool { runtime: tokio::runtime::Handle::current() });
                let environment = Environment { faults, observed: seen, ..Environment::real(pool, config.seed) };
                Supervisor::new(Setup { blueprint, config, store, environment, arbiters }).start()
            });
            if send.send(supervisor).is_ok()
                && let Err(error) = system.run()
            {
                tracing::error!(%error, "the actor system ended badly");
            }
        };
        let failed = |message: String| Failure::of_job("start of the job", FailureKind::Error, message);
        let thread = std::thread::Builder::new().name("millstream".to_owned()).spawn(body);
        let thread = thread.map_err(|error| failed(error.to_string()))?;
        let supervisor = receive.recv().map_err(|_| failed("the actor system could not be started".to_owned()))?;
        Ok(Self { controls: Controls { supervisor, observed }, thread: Some(thread) })
    }

    /// The means to see and steer the job.
    #[must_use]
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Blocks until the job has ended and its threads are gone; gives its last view.
    pub fn wait(&mut self) -> JobView {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            let failure = Failure::of_job("actor system", FailureKind::Panic, "its thread panicked");
            self.controls.observed.record_end(JobStatus::Failed(failure));
        }
        self.controls.observed.view()
    }
}

impl Controls {
    /// Lets actors die as if by accident, if the job is running; the job then restarts.
    pub fn kill(&self, victim: Victim) {
        self.supervisor.do_send(Command::Kill(victim));
    }

    /// Asks the job to stop behind a last checkpoint.
    pub fn stop(&self) {
        self.supervisor.do_send(Command::Stop);
    }

    /// Asks the job to end at once.
    pub fn cancel(&self) {
        self.supervisor.do_send(Command::Cancel);
    }

    /// What can be seen of the job.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Blocks until the job has ended, or `limit` has passed. True if it has ended.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> bool {
        self.observed.wait_for(limit, |job| job.status.is_final().then_some(())).is_some()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.controls.cancel();
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("status", &self.controls.observed.status()).finish()
    }
}

/// The blocking threads of the actor system's runtime.
struct RuntimePool {
    runtime: tokio::runtime::Handle,
}

impl BlockingPool for RuntimePool {
    fn run(&self, _work: Work, after: Duration, job: Box<dyn FnOnce() + Send>) {
        if after.is_zero() {
            self.runtime.spawn_blocking(job);
        } else {
            let runtime = self.runtime.clone();
            self.runtime.spawn(async move {
                tokio::time::sleep(after).await;
                runtime.spawn_blocking(job);
            });
        }
    }
}
