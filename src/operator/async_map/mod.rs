//! Calls an asynchronous function for each record, many at a time, and emits the results in order or as they come.

mod options;
mod queue;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use futures_util::stream::{FuturesUnordered, StreamExt};
use millstream_actors::time::{Clock, TimeSignal, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{After, Emission, Emit, Event, Operator, PartVisitor, StateKind, SubtaskContext, Wake};
use crate::error::{BoxError, Error, Result};
use crate::io::SplitSignal;
use crate::model::{Data, Record};

pub use options::{AsyncMap, Retries};
use options::{OnTimeout, RetryIf};
use queue::{Finished, Queue};

/// Records whose calls have not been answered.
const IN_FLIGHT: StateKind<'_> = StateKind::split("in flight");

/// A call on its way, with the number of its element and of the try.
type Call<O> = Pin<Box<dyn Future<Output = (u64, u32, O)> + Send>>;

/// One record out per record in; built by [`Stream::map_async`](crate::Stream::map_async).
pub struct AsyncMapOperator<T, U, X, F> {
    uid: String,
    function: F,
    capacity: usize,
    timeout: Option<i64>,
    retries: Retries,
    retry_if: RetryIf<U, X>,
    on_timeout: Option<OnTimeout<T, U>>,
    calls: FuturesUnordered<Call<Result<U, X>>>,
    queue: Queue<T, U>,
    clock: Arc<dyn Clock>,
    wake: Wake,
    is_ending: bool,
}

impl<T, U, X, F, R> AsyncMapOperator<T, U, X, F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    U: Data,
    X: Into<BoxError> + Send + 'static,
    F: FnMut(T) -> R + Clone + Send + 'static,
    R: Future<Output = Result<U, X>> + Send + 'static,
{
    /// Opens the operator. Records that were on their way in the snapshot are called for again, first.
    pub(crate) fn open(uid: &str, map: AsyncMap<T, U, X, F>, context: &mut SubtaskContext) -> Result<Self> {
        let restored = context.restored_state::<(T, Timestamp)>(uid, IN_FLIGHT)?;
        let mut operator = Self {
            uid: uid.to_owned(),
            function: map.function,
            capacity: map.capacity.max(1),
            timeout: map.timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)),
            retries: map.retries,
            retry_if: map.retry_if,
            on_timeout: map.on_timeout,
            calls: FuturesUnordered::new(),
            queue: Queue::new(map.is_ordered),
            clock: Arc::clone(&context.clock),
            wake: context.wake.clone(),
            is_ending: false,
        };
        restored.into_iter().for_each(|(value, time)| operator.begin(Record { value, time }));
        Ok(operator)
    }

    /// Takes a record and calls the function for it.
    fn begin(&mut self, record: Record<T>) {
        let deadline = self.timeout.map(|timeout| self.now().as_millis().saturating_add(timeout));
        let value = record.value.clone();
        let number = self.queue.push(record, deadline.map(Timestamp::from_millis));
        self.call(number, 1, value);
    }

    fn call(&mut self, number: u64, tried: u32, value: T) {
        let call = (self.function)(value);
        self.calls.push(Box::pin(async move { (number, tried, call.await) }));
    }

    fn now(&self) -> Timestamp {
        self.clock.processing_time()
    }

    /// Looks at the calls that want to be looked at, and emits what can go.
    fn poll<E: Emit<U>>(&mut self, out: &mut E) -> Result<()> {
        let waker = self.wake.waker();
        let mut context = Context::from_waker(&waker);
        while let std::task::Poll::Ready(Some((number, tried, result))) = self.calls.poll_next_unpin(&mut context) {
            self.answered(number, tried, result)?;
        }
        self.queue.emit(out)
    }

    fn answered(&mut self, number: u64, tried: u32, result: Result<U, X>) -> Result<()> {
        // An answer that comes behind its time is nobody's.
        if !self.queue.waits_for(number) {
            return Ok(());
        }
        if (self.retry_if)(&result)
            && let Some(pause) = self.retries.pause_behind(tried)
        {
            let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            let at = Timestamp::from_millis(self.now().as_millis().saturating_add(pause));
            self.queue.retry(number, tried + 1, at);
            return Ok(());
        }
        let value = result.map_err(|error| Error::user(&self.uid, error))?;
        self.queue.finish(number, value);
        Ok(())
    }

    /// Gives up calls whose time is over, and calls again for those whose pause is.
    fn pass_time(&mut self, now: Timestamp) -> Result<()> {
        while let Some((number, tried)) = self.queue.next_retry(now) {
            let value = self.queue.input(number).cloned();
            value.into_iter().for_each(|value| self.call(number, tried, value));
        }
        while let Some(number) = self.queue.next_late(now) {
            let Some(input) = self.queue.input(number).cloned() else { continue };
            match &mut self.on_timeout {
                Some(on_timeout) => {
                    let value = on_timeout(input);
                    self.queue.finish(number, value);
                }
                None => {
                    let timeout = self.timeout.unwrap_or_default();
                    return Err(Error::user(&self.uid, format!("no answer within {timeout} ms")));
                }
            }
        }
        Ok(())
    }
}

impl<T, U, X, F, R> Operator for AsyncMapOperator<T, U, X, F>
where
    T: Data + Clone + Serialize + DeserializeOwned,
    U: Data,
    X: Into<BoxError> + Send + 'static,
    F: FnMut(T) -> R + Clone + Send + 'static,
    R: Future<Output = Result<U, X>> + Send + 'static,
{
    type In = T;
    type Out = U;

    fn on_record<E: Emit<U>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        self.begin(record);
        self.poll(out)
    }

    /// A signal keeps its place: it waits for the records before it, and in unordered mode none passes it.
    fn on_signal<E: Emit<U>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        self.queue.push_signal(signal);
        self.queue.emit(out)
    }

    fn on_split<E: Emit<U>>(&mut self, signal: SplitSignal, out: &mut E) -> Result<()> {
        self.queue.push_split(signal);
        self.queue.emit(out)
    }

    fn on_event<E: Emit<U>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        match event {
            Event::ProcessingTime(now) => self.pass_time(now)?,
            Event::End => self.is_ending = true,
            _ => {}
        }
        self.poll(out)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.small_state(&self.uid, IN_FLIGHT, &mut |records| {
            self.queue.inputs().try_for_each(|record| records.put(&record))
        });
        visitor.due(&mut || Ok(self.queue.next_time()));
        visitor.room(&mut || self.capacity.saturating_sub(self.queue.held()));
        visitor.emission(After::Events, &mut || {
            let waits = self.is_ending && self.queue.state() == Finished::NotYet;
            if waits { Emission::Waiting } else { Emission::Complete }
        });
    }
}
