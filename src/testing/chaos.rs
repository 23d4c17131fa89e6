//! Kills random subtasks of a job on real threads, at a rate.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::io::SplitMix64;
use crate::runtime::JobWatch;

/// Kills a random subtask of a job every now and then.
///
/// A kill waits until a checkpoint was completed since the last one: kills that come faster would keep the job where it
/// is, for ever. Which subtasks die follows from the seed; what they are doing at the time does not, since threads are
/// what they are. For runs that can be had again there is [`Simulation`](super::Simulation).
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream::testing::Chaos;
///
/// let topology = Topology::new("sensors");
/// let counts = topology
///     .source("readings", Generator::new(20_000, |reading| reading % 10).at_rate(20_000))
///     .key_by(|sensor| *sensor)
///     .count("readings per sensor")
///     .collect("counts");
/// let options = JobOptions::new()
///     .parallelism(2)
///     .checkpoint_interval(Duration::from_millis(10))
///     .restart(RestartPolicy::FixedDelay { attempts: None, delay: Duration::ZERO });
///
/// let mut job = topology.start(options)?;
/// let chaos = Chaos::new(7).every(Duration::from_millis(50)).unleash(&job.watch());
/// job.wait()?;
/// assert!(chaos.end() > 0, "nothing was killed");
/// assert!(job.attempts().iter().skip(1).all(|attempt| attempt.restored_from.is_some()));
///
/// let mut counts = counts.take();
/// counts.sort_unstable();
/// let expected = (0..10).flat_map(|sensor: u64| (1..=2_000).map(move |count: u64| (sensor, count)));
/// assert!(counts.into_iter().eq(expected), "the output is exact");
/// # Ok::<(), millstream::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chaos {
    seed: u64,
    pause: Duration,
    coordinator: bool,
}

/// One in so many victims is the coordinator, if it may die.
const COORDINATOR: u64 = 8;

impl Chaos {
    /// Kills a subtask every 100 ms.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, pause: Duration::from_millis(100), coordinator: false }
    }

    /// Sets the least time between two kills.
    #[must_use]
    pub fn every(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Lets the checkpoint coordinator die, too.
    #[must_use]
    pub fn with_coordinator(self) -> Self {
        Self { coordinator: true, ..self }
    }

    /// Begins, on a thread of its own, and goes on until the job has ended or the returned value is dropped.
    ///
    /// # Panics
    /// If the thread cannot be started.
    #[must_use]
    pub fn unleash(self, job: &JobWatch) -> UnleashedChaos {
        let (over, kills) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (job, is_over, killed) = (job.clone(), Arc::clone(&over), Arc::clone(&kills));
        let body = move || self.rage(&job, &is_over, &killed);
        let thread = std::thread::Builder::new().name("chaos".to_owned()).spawn(body);
        let thread = thread.unwrap_or_else(|error| panic!("the thread of chaos cannot be started: {error}"));
        UnleashedChaos { over, kills, thread: Some(thread) }
    }

    fn rage(&self, job: &JobWatch, over: &AtomicBool, kills: &AtomicU64) {
        let (victims, mut random) = (job.subtasks(), SplitMix64::new(self.seed));
        let mut known = 0;
        while !job.wait_for(self.pause) && !over.load(Ordering::SeqCst) {
            let completed = job.ledger().checkpoints;
            if std::mem::replace(&mut known, completed) == completed {
                continue;
            }
            if self.coordinator && random.below(COORDINATOR) == 0 {
                job.kill_coordinator();
            } else {
                job.kill(victims[random.below(victims.len() as u64) as usize]);
            }
            kills.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Chaos that goes on. Dropping it ends it.
pub struct UnleashedChaos {
    over: Arc<AtomicBool>,
    kills: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl UnleashedChaos {
    /// Ends it, and gives the number of kills. A kill while the job was not running killed nothing: what died is told by
    /// the failures of its attempts.
    pub fn end(mut self) -> u64 {
        self.stop();
        self.kills.load(Ordering::SeqCst)
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It only kills and counts; there is nothing that could panic.
            let _ = thread.join();
        }
    }
}

impl Drop for UnleashedChaos {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for UnleashedChaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnleashedChaos").field("kills", &self.kills).finish_non_exhaustive()
    }
}
