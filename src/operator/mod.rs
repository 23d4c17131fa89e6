//! What operators are, and the events they hear. One operator per file.

pub mod aggregate;
mod async_map;
mod blocking;
mod chain;
mod context;
mod dedup;
mod either_head;
pub mod event_time;
mod filter;
mod flat_map;
mod fold;
mod hold;
mod inspect;
mod join;
mod key_by;
mod map;
mod map_with_state;
mod partition;
pub(crate) mod parts;
mod process;
mod side_output;
mod sink;
mod small_state;
mod source_head;
mod split_names;
mod watch;
pub mod window;

pub use async_map::{AsyncMap, AsyncMapOperator, Retries};
pub use blocking::{Blocking, Pending};
pub use chain::{BatchHead, BoxedChain, Chain, HeadStatus, Step, Then};
pub(crate) use context::Arrivals;
pub use context::{Restored, SubtaskContext};
pub use dedup::Dedup;
pub use either_head::{Apart, BothKeyed, Either, EitherHead, Meeting};
pub use filter::{Filter, TryFilter};
pub use flat_map::{FlatMap, TryFlatMap};
pub use fold::{Fold, Reduce};
pub(crate) use hold::Hold;
pub use inspect::{Inspect, TryInspect};
pub use join::{Bounds, Change, IntervalJoin, LookupJoin, TemporalJoin};
pub use key_by::KeyBy;
pub use map::{Map, TryMap};
pub use map_with_state::MapWithState;
pub use partition::{ByKeyGroup, Custom, First, Local, Partition, Random, RoundRobin};
pub use parts::{After, BlockInput, PartVisitor, Revoked, TransactionalOutput};
pub use process::{
    Aggregating, AggregatingState, BroadcastProcess, BroadcastState, BroadcastStates, CoProcess, KeyContext,
    KeyedBroadcastContext, KeyedBroadcastProcess, KeyedProcess, KeyedState, List, ListState, Map as KeyedMap, MapState,
    OfEither, OperatorList, OperatorStates, Process, ProcessBroadcast, ProcessKeyedBroadcast, ProcessStream,
    ReadOnlyContext, Reducing, ReducingState, States, StreamContext, StreamProcess, TimeKind, Timer, UnionList, Value,
    ValueState,
};
pub use side_output::{SideEmitter, SideId, SideOutput};
pub use sink::SinkOperator;
#[cfg(test)]
pub(crate) use small_state::Portion;
pub use small_state::{Elements, Sharing, SmallStates, StateKind};
pub(crate) use small_state::{Portions, share_out};
pub use source_head::SourceHead;
pub(crate) use split_names::SplitNames;

use std::time::Duration;

pub use millstream_actors::task::{Emission, Wake};
use millstream_actors::time::{TimeSignal, Timestamp};

use crate::error::Result;
use crate::io::SplitSignal;
use crate::model::Record;

/// Where an operator's results go: the next operator of the block, or the block's end.
pub trait Emit<T> {
    /// Hands one record on.
    ///
    /// # Errors
    /// If an operator further down failed; the error is passed up unchanged.
    fn emit(&mut self, record: Record<T>) -> Result<()>;

    /// Hears which records will be emitted next. Nothing but speed may follow from it.
    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[T]) {
        let _ = upcoming;
    }

    /// Says something about event time, behind the records emitted so far.
    ///
    /// # Errors
    /// As [`Self::emit`].
    fn signal(&mut self, signal: TimeSignal) -> Result<()>;

    /// Whether the subtask is to end at once: nothing emitted from now on will be seen. An operator that may emit without end
    /// for one record looks at it now and then, and gives up with [`Error::killed`](crate::Error::killed).
    fn is_killed(&self) -> bool {
        false
    }

    /// Says something about the splits of the block's source, behind the records emitted so far. What stands between a
    /// reader and the chain hands it on.
    ///
    /// # Errors
    /// As [`Self::emit`].
    fn split(&mut self, signal: SplitSignal) -> Result<()>;
}

/// Collects records, and drops what is said between them; for tests.
impl<T> Emit<T> for Vec<Record<T>> {
    #[inline]
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.push(record);
        Ok(())
    }

    fn signal(&mut self, _signal: TimeSignal) -> Result<()> {
        Ok(())
    }

    fn split(&mut self, _signal: SplitSignal) -> Result<()> {
        Ok(())
    }
}

/// A job for the blocking pool.
pub type BlockingJob = Box<dyn FnOnce() -> Result<()> + Send>;

/// One instance of an operator, inside one subtask.
pub trait Operator: Send + 'static {
    /// What it takes.
    type In;
    /// What it gives.
    type Out;

    /// Processes one record.
    ///
    /// # Errors
    /// If a user's function or the state fails; the subtask then fails, and the job restarts.
    fn on_record<E: Emit<Self::Out>>(&mut self, record: Record<Self::In>, out: &mut E) -> Result<()>;

    /// Hears which records come next, so that what they need can be fetched for all of them at once. Nothing but speed
    /// may follow from it.
    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[Self::In]) {
        let _ = upcoming;
    }

    /// Hears what is said about event time, and hands it on behind the records that it lets go.
    ///
    /// An operator with much to emit may do a part of it, say so by [`PartVisitor::emission`], go on at each
    /// [`Event::Resume`], and forward the signal when it is done. Until then it receives nothing else.
    ///
    /// # Errors
    /// As [`Self::on_record`].
    #[inline]
    fn on_signal<E: Emit<Self::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        out.signal(signal)
    }

    /// Hears what is said about the splits of the block's source, and hands it on behind the records that came before.
    ///
    /// # Errors
    /// As [`Self::on_record`].
    #[inline]
    fn on_split<E: Emit<Self::Out>>(&mut self, signal: SplitSignal, out: &mut E) -> Result<()> {
        out.split(signal)
    }

    /// Hears what happens beside its input.
    ///
    /// # Errors
    /// As [`Self::on_record`].
    #[inline]
    fn on_event<E: Emit<Self::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        let _ = (event, out);
        Ok(())
    }

    /// Lists what the operator has beside its functions, one after the other: tables, small state, what it waits for. Always
    /// the same parts: see [`PartVisitor`].
    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        let _ = visitor;
    }
}

/// What happens to an operator beside its input, and may let it emit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Processing time has come this far. Received when it was asked for, see [`PartVisitor::due`].
    ProcessingTime(Timestamp),
    /// The block's source has no split for now, and asks again later. It says so to the operators behind it, by
    /// [`SplitSignal::Unassigned`].
    Unassigned,
    /// For so long, since this was said last, the subtask could not take any input, because its outputs or its memory had
    /// no room. Said before [`Event::ProcessingTime`].
    Stalled(Duration),
    /// A future that the operator polls, or whatever else it waits for, wants to be looked at; see
    /// [`SubtaskContext::wake`].
    Woken,
    /// An operator that said that it is unfinished goes on, with about as many records.
    Resume {
        /// About how many records are wanted.
        at_most: usize,
    },
    /// The input has ended: whatever is still held back must be emitted. The watermark that says that event time is over
    /// has passed before, with all that follows from it. What takes long may go on at [`Event::Resume`], or when the operator
    /// is woken.
    End,
}
