//! The mistakes that a plan can contain: each message names the uid and the fix.

use millstream_actors::time::Timespan;

use crate::model::PARALLELISM_LIMIT;
use crate::operator::window::WindowError;

/// A topology that cannot be run as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is nothing to run.
    #[error("topology '{topology}' has no source: begin a stream with `topology.source(uid, ...)`")]
    NoSource {
        /// The topology.
        topology: String,
    },
    /// Two sources, operators or sinks have one uid.
    #[error("uid '{uid}' is used twice, by a {first} and a {second}: give each its own")]
    EqualUids {
        /// The uid.
        uid: String,
        /// What uses it.
        first: String,
        /// What else uses it.
        second: String,
    },
    /// A uid without letters.
    #[error("a {kind} has an empty uid: give it a stable name of its own")]
    EmptyUid {
        /// What has it.
        kind: String,
    },
    /// A stream is built and then dropped.
    #[error("the stream behind '{after}' has no sink: end it with `.sink(uid, ...)`, `.discard(uid)` or the like")]
    NoSink {
        /// What it comes from.
        after: String,
    },
    /// A parallelism of zero.
    #[error("'{uid}' has parallelism 0: it must be at least 1")]
    NoSubtasks {
        /// The first named part of the block.
        uid: String,
    },
    /// More subtasks than key groups.
    #[error(
        "'{uid}' has parallelism {parallelism}, above the maximum of {max}: lower it, or raise the maximum with \
         `topology.max_parallelism(n)` (at most {PARALLELISM_LIMIT})"
    )]
    ParallelismAboveMaximum {
        /// The first named part of the block.
        uid: String,
        /// What it asks for.
        parallelism: u32,
        /// What the topology allows.
        max: u32,
    },
    /// A maximum that is no number of key groups.
    #[error("maximum parallelism {max} is not between 1 and {PARALLELISM_LIMIT}")]
    MaximumOutOfRange {
        /// What was asked for.
        max: u32,
    },
    /// A forward exchange between blocks of different parallelism.
    #[error(
        "forward from '{from}' (parallelism {from_parallelism}) to '{to}' (parallelism {to_parallelism}): give both the \
         same parallelism, or use `.rebalance()` or `.rescale()`"
    )]
    ForwardBetweenDifferent {
        /// The sending block.
        from: String,
        /// Its parallelism.
        from_parallelism: u32,
        /// The receiving block.
        to: String,
        /// Its parallelism.
        to_parallelism: u32,
    },
    /// Windows that cannot be.
    #[error("'{uid}': {mistake}")]
    Window {
        /// The operator.
        uid: String,
        /// What is wrong with its windows.
        mistake: WindowError,
    },
    /// More than one subtask where all records must meet.
    #[error("'{uid}' has parallelism {parallelism}: it works on all records together, so leave it at 1")]
    OnlyOneSubtask {
        /// The operator.
        uid: String,
        /// What it asks for.
        parallelism: u32,
    },
    /// What is said about watermarks cannot be carried out.
    #[error("`event_time` behind '{after}': {mistake}")]
    EventTime {
        /// What it comes behind.
        after: String,
        /// What is wrong.
        mistake: String,
    },
    /// A side output is read, but nothing built before fills it.
    #[error("side output '{name}' is read, but nothing fills it: give it to a source or an operator first")]
    SideOutputNotFilled {
        /// Its name.
        name: String,
    },
    /// A side output is filled in two places.
    #[error("side output '{name}' is filled by '{first}' and by '{second}': give each its own")]
    SideOutputFilledTwice {
        /// Its name.
        name: String,
        /// What fills it.
        first: String,
        /// What else fills it.
        second: String,
    },
    /// A side output is read in two places.
    #[error("side output '{name}' is read twice: read it once, and use `.split()` on the stream")]
    SideOutputReadTwice {
        /// Its name.
        name: String,
    },
    /// An interval join that nothing can fall into.
    #[error("the interval of join '{uid}' ends before it begins: from {lower} to {upper}; give the lower bound first")]
    EmptyInterval {
        /// The join.
        uid: String,
        /// Its lower bound.
        lower: Timespan,
        /// Its upper bound.
        upper: Timespan,
    },
}
