//! Runs work of readers and writers on the blocking pool, and brings back its outcome as a value.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use millstream_actors::task::Wake;

use crate::error::{Error, Result};

/// Leads to the blocking pool, for whoever must not block its subtask: readers and writers that call the outside world.
/// Clones lead to the same pool.
///
/// # Recovery
/// Work that has begun is not interrupted: it may still run when its attempt is over and the next one has begun. Whoever
/// hands out work that must not be done then asks the outside world, by a fence.
///
/// # Example
/// A writer that sends batches keeps the [`Pending`] outcome, has no room meanwhile, and looks at it when it is woken.
///
/// ```
/// use millstream::operator::Blocking;
///
/// // Here on the calling thread; that of a subtask leads to the pool of its job.
/// let mut pending = Blocking::inline().run(|| Ok(6 * 7));
/// assert_eq!(pending.take().expect("it has ended")?, 42);
/// assert!(pending.take().is_none(), "an outcome is taken once");
/// # Ok::<(), millstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Blocking {
    submit: Arc<Submit>,
    wake: Wake,
}

impl Blocking {
    /// Hands work to `submit`, and wakes `wake` when it has ended.
    pub(crate) fn new(submit: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static, wake: Wake) -> Self {
        Self { submit: Arc::new(submit), wake }
    }

    /// Runs work at once, on the calling thread; for tests of a reader or writer by itself.
    #[must_use]
    pub fn inline() -> Self {
        Self::new(|work| work(), Wake::default())
    }

    /// Runs `work` where it may block, and wakes the subtask when it has ended. Several works may run at the same time, in
    /// any order.
    ///
    /// # Errors
    /// What `work` returns, and a panic in it, are the outcome.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Pending<T> {
        let place = Arc::new(Mutex::new(None));
        let (outcome, wake) = (Arc::clone(&place), self.wake.clone());
        (self.submit)(Box::new(move || {
            let ended = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|payload| Err(Error::panicked("blocking work", payload.as_ref())));
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            wake.wake();
        }));
        Pending(place)
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// Hands work to a pool.
type Submit = dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync;

/// The outcome of blocking work that may still run. Dropping it gives up the outcome, not the work.
pub struct Pending<T>(Arc<Mutex<Option<Result<T>>>>);

impl<T> Pending<T> {
    /// The outcome, if the work has ended and nobody has taken it.
    pub fn take(&mut self) -> Option<Result<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn outcome_is_there_before_the_subtask_is_woken() {
        let queue = Arc::new(Mutex::new(Vec::<Box<dyn FnOnce() + Send>>::new()));
        let (later, woken, wake) = (Arc::clone(&queue), Arc::new(AtomicBool::new(false)), Wake::default());
        let set = Arc::clone(&woken);
        wake.calls(move || set.store(true, Ordering::SeqCst));
        let blocking = Blocking::new(move |work| later.lock().unwrap().push(work), wake);
        let mut pending = blocking.run(|| Ok("done"));
        assert!(pending.take().is_none() && !woken.load(Ordering::SeqCst));
        queue.lock().unwrap().drain(..).for_each(|work| work());
        assert!(woken.load(Ordering::SeqCst));
        assert_eq!(pending.take().unwrap().unwrap(), "done");
    }

    #[test]
    fn panic_in_work_is_an_outcome() {
        let mut pending = Blocking::inline().run::<()>(|| panic!("no answer"));
        let error = pending.take().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "blocking work panicked: no answer");
    }
}
