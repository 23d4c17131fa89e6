//! What can be said about an asynchronous map: order, capacity, timeout, retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An asynchronous function, and how it is called.
///
/// Made by [`AsyncMap::ordered`] or [`AsyncMap::unordered`], given to
/// [`Stream::map_async_with`](crate::Stream::map_async_with).
pub struct AsyncMap<T, U, X, F> {
    pub(super) function: F,
    pub(super) is_ordered: bool,
    pub(super) capacity: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
    pub(super) retry_if: RetryIf<U, X>,
    pub(super) on_timeout: Option<OnTimeout<T, U>>,
}

/// Whether an answer is none, and is asked for again.
pub(super) type RetryIf<U, X> = Arc<dyn Fn(&Result<U, X>) -> bool + Send + Sync>;

/// What is emitted in the place of an answer that did not come in time.
pub(super) type OnTimeout<T, U> = Arc<dyn Fn(T) -> U + Send + Sync>;

/// How often, and when, a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    most: u32,
    first: Duration,
    factor: f64,
    longest: Duration,
}

impl Retries {
    /// Never again.
    #[must_use]
    pub fn none() -> Self {
        Self::fixed(0, Duration::ZERO)
    }

    /// At most `times` times, each `pause` behind the failure.
    #[must_use]
    pub fn fixed(times: u32, pause: Duration) -> Self {
        Self { most: times, first: pause, factor: 1.0, longest: pause }
    }

    /// At most `times` times, the first `pause` behind the failure, each further one `factor` times as long, and none
    /// longer than `longest`.
    #[must_use]
    pub fn exponential(times: u32, pause: Duration, factor: f64, longest: Duration) -> Self {
        Self { most: times, first: pause, factor, longest }
    }

    /// The pause behind a try that failed, counted from 1; `None` if it was the last.
    pub(super) fn pause_behind(self, tried: u32) -> Option<Duration> {
        let grown =
            self.first.as_secs_f64() * self.factor.powi(i32::try_from(tried.saturating_sub(1)).unwrap_or(i32::MAX));
        let pause = Duration::try_from_secs_f64(grown).unwrap_or(self.longest).min(self.longest);
        (tried <= self.most).then_some(pause)
    }
}

/// Calls on their way at a time, if nothing else is said.
const CAPACITY: usize = 100;

impl<T, U: 'static, X: 'static, F> AsyncMap<T, U, X, F> {
    fn new<R>(function: F, is_ordered: bool) -> Self
    where
        F: FnMut(T) -> R,
        R: Future<Output = Result<U, X>>,
    {
        Self {
            function,
            is_ordered,
            capacity: CAPACITY,
            timeout: None,
            retries: Retries::none(),
            retry_if: Arc::new(Result::is_err),
            on_timeout: None,
        }
    }

    /// Results in the order of the records: one that is late holds up those behind it.
    #[must_use]
    pub fn ordered<R>(function: F) -> Self
    where
        F: FnMut(T) -> R,
        R: Future<Output = Result<U, X>>,
    {
        Self::new(function, true)
    }

    /// Results as they come. None passes a watermark: event time means the same as in order.
    #[must_use]
    pub fn unordered<R>(function: F) -> Self
    where
        F: FnMut(T) -> R,
        R: Future<Output = Result<U, X>>,
    {
        Self::new(function, false)
    }

    /// Sets how many records may wait for their results in one subtask, at least 1; 100 by default. When it is reached,
    /// no more input is taken.
    #[must_use]
    pub fn capacity(self, records: usize) -> Self {
        Self { capacity: records, ..self }
    }

    /// Sets how long a record may wait for its result, over all tries. None by default. When it is over, the attempt
    /// fails, unless [`AsyncMap::on_timeout`] has something to emit.
    #[must_use]
    pub fn timeout(self, time: impl Into<Duration>) -> Self {
        Self { timeout: Some(time.into()), ..self }
    }

    /// Sets what is emitted for a record whose time is over.
    #[must_use]
    pub fn on_timeout(self, fallback: impl Fn(T) -> U + Send + Sync + 'static) -> Self {
        Self { on_timeout: Some(Arc::new(fallback)), ..self }
    }

    /// Sets how often an answer is asked for again; not at all by default.
    #[must_use]
    pub fn retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Sets which answers are asked for again; all errors by default.
    #[must_use]
    pub fn retry_if(self, predicate: impl Fn(&Result<U, X>) -> bool + Send + Sync + 'static) -> Self {
        Self { retry_if: Arc::new(predicate), ..self }
    }
}

impl<T, U, X, F: Clone> Clone for AsyncMap<T, U, X, F> {
    fn clone(&self) -> Self {
        Self {
            function: self.function.clone(),
            retry_if: Arc::clone(&self.retry_if),
            on_timeout: self.on_timeout.clone(),
            ..*self
        }
    }
}

impl<T, U, X, F> fmt::Debug for AsyncMap<T, U, X, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncMap")
            .field("is_ordered", &self.is_ordered)
            .field("capacity", &self.capacity)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_last_try() {
        let millis = Duration::from_millis;
        let retries = Retries::exponential(4, millis(10), 3.0, millis(100));
        let pauses = (1..=5).map(|tried| retries.pause_behind(tried)).collect::<Vec<_>>();
        assert_eq!(pauses, [Some(millis(10)), Some(millis(30)), Some(millis(90)), Some(millis(100)), None]);
        assert_eq!(Retries::none().pause_behind(1), None);
        assert_eq!(Retries::fixed(1, millis(5)).pause_behind(1), Some(millis(5)));
    }
}
