//! Hands records to a user's function.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use millstream_actors::ids::CheckpointId;

use super::{NoTransactions, Prepared, Sink, SinkWriter};
use crate::error::{BoxError, Error, Result};
use crate::model::{Data, Record};
use crate::operator::SubtaskContext;

/// Calls a function with each record.
///
/// # Recovery
/// At least once: after a failure the records since the latest checkpoint are handed over again. Each subtask of each
/// attempt calls a new clone of the function, so what a clone remembers is lost at a failure.
///
/// # Example
/// ```
/// use millstream::io::ForEach;
///
/// let report = ForEach::new(|order: u32| eprintln!("order {order}"));
/// # let _ = report;
/// ```
pub struct ForEach<T, F> {
    // The lock makes a function shareable that is not; it is taken once per subtask.
    function: Mutex<F>,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, F: FnMut(T) + Clone + Send + 'static> ForEach<T, F> {
    /// A sink that calls clones of `function`.
    pub fn new(function: F) -> Self {
        Self { function: Mutex::new(function), takes: PhantomData }
    }
}

impl<T: Data, F: FnMut(T) + Clone + Send + 'static> Sink for ForEach<T, F> {
    type In = T;
    type Transaction = ();
    type Writer = ForEachWriter<T, F>;
    type Committer = NoTransactions;

    fn committer(&self, _context: &SubtaskContext) -> Result<NoTransactions> {
        Ok(NoTransactions)
    }

    fn writer(&self, _context: &mut SubtaskContext) -> Result<Self::Writer> {
        Ok(ForEachWriter { function: instance(&self.function), takes: PhantomData })
    }
}

/// Calls a function with each record, inside one subtask.
pub struct ForEachWriter<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, F: FnMut(T) + Send + 'static> SinkWriter for ForEachWriter<T, F> {
    type In = T;
    type Transaction = ();

    #[inline(always)]
    fn write(&mut self, record: Record<T>) -> Result<()> {
        (self.function)(record.value);
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<()>> {
        Ok(NoTransactions::prepared())
    }
}

/// As [`ForEach`], with a function that may fail. An error fails the attempt, and the job restarts.
pub struct TryForEach<T, F> {
    function: Mutex<F>,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, X: Into<BoxError>, F: FnMut(T) -> Result<(), X> + Clone + Send + 'static> TryForEach<T, F> {
    /// A sink that calls clones of `function`.
    pub fn new(function: F) -> Self {
        Self { function: Mutex::new(function), takes: PhantomData }
    }
}

impl<T: Data, X: Into<BoxError>, F: FnMut(T) -> Result<(), X> + Clone + Send + 'static> Sink for TryForEach<T, F> {
    type In = T;
    type Transaction = ();
    type Writer = TryForEachWriter<T, F>;
    type Committer = NoTransactions;

    fn committer(&self, _context: &SubtaskContext) -> Result<NoTransactions> {
        Ok(NoTransactions)
    }

    fn writer(&self, _context: &mut SubtaskContext) -> Result<Self::Writer> {
        Ok(TryForEachWriter { function: instance(&self.function), takes: PhantomData })
    }
}

/// Calls a function that may fail with each record, inside one subtask.
pub struct TryForEachWriter<T, F> {
    function: F,
    takes: PhantomData<fn(T)>,
}

impl<T: Data, X: Into<BoxError>, F: FnMut(T) -> Result<(), X> + Send + 'static> SinkWriter for TryForEachWriter<T, F> {
    type In = T;
    type Transaction = ();

    #[inline(always)]
    fn write(&mut self, record: Record<T>) -> Result<()> {
        (self.function)(record.value).map_err(|error| Error::user("try_for_each", error))
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<()>> {
        Ok(NoTransactions::prepared())
    }
}

fn instance<F: Clone>(function: &Mutex<F>) -> F {
    function.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::io::driver::context;

    #[test]
    fn each_record_is_handed_over_in_order() {
        let (sender, receiver) = mpsc::channel();
        let sink = ForEach::new(move |n: u32| sender.send(n).unwrap());
        let mut writer = sink.writer(&mut context(0, 1)).unwrap();
        (0..3).for_each(|n| writer.write(Record::new(n)).unwrap());
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn clone_of_one_subtask_does_not_see_what_another_remembers() {
        let mut seen = 0;
        let sink = TryForEach::new(move |_: u32| {
            seen += 1;
            if seen > 1 { Err("second record") } else { Ok(()) }
        });
        let mut writers = [sink.writer(&mut context(0, 2)).unwrap(), sink.writer(&mut context(1, 2)).unwrap()];
        writers.iter_mut().for_each(|writer| writer.write(Record::new(7)).unwrap());
        let error = writers[1].write(Record::new(8)).unwrap_err();
        assert_eq!(error.to_string(), "try_for_each: second record");
    }
}
