//! The ends of a stream.

use std::fmt::Display;
use std::sync::Arc;

use super::Stream;
use crate::error::BoxError;
use crate::io::{Collect, Collected, Discard, ForEach, Print, Sink, TryForEach};
use crate::operator::{Chain, SinkOperator, SubtaskContext, Then};
use crate::runtime::NoRouter;

impl<C: Chain> Stream<C> {
    /// Writes the records into `sink`.
    ///
    /// # Recovery
    /// By two-phase commit, if the sink has transactions: each record is visible exactly once, and not before the
    /// checkpoint behind it is complete.
    pub fn sink<S: Sink<In = C::Out>>(self, uid: &str, sink: S) {
        self.end_in("sink", uid, sink);
    }

    /// Collects the records in memory, exactly once, each when the checkpoint behind it is complete.
    pub fn collect(self, uid: &str) -> Collected<C::Out> {
        let (sink, collected) = Collect::new();
        self.end_in("collect", uid, sink);
        collected
    }

    /// Prints each record as a line of standard output. A replay prints records again.
    pub fn print(self, uid: &str)
    where
        C::Out: Display,
    {
        self.end_in("print", uid, Print::new());
    }

    /// Hands each record to `function`. A replay hands records over again.
    pub fn for_each<F>(self, uid: &str, function: F)
    where
        F: FnMut(C::Out) + Clone + Send + Sync + 'static,
    {
        self.end_in("for_each", uid, ForEach::new(function));
    }

    /// Hands each record to `function`, which may fail the attempt. A replay hands records over again.
    pub fn try_for_each<X, F>(self, uid: &str, function: F)
    where
        X: Into<BoxError> + 'static,
        F: FnMut(C::Out) -> Result<(), X> + Clone + Send + Sync + 'static,
    {
        self.end_in("try_for_each", uid, TryForEach::new(function));
    }

    /// Drops the records, but counts them.
    pub fn discard(self, uid: &str) {
        self.end_in("discard", uid, Discard::new());
    }

    fn end_in<S: Sink<In = C::Out>>(self, kind: &'static str, uid: &str, sink: S) {
        let (sink, name) = (Arc::new(sink), uid.to_owned());
        let open = move |context: &mut SubtaskContext| SinkOperator::open(&name, &*sink, context);
        let ended: Stream<Then<C, SinkOperator<S>>> = self.then(kind, Some(uid), open);
        ended.end_block::<NoRouter>(0, |_, _| NoRouter);
    }
}
