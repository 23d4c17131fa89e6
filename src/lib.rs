//! Stateful stream processing in one binary: Flink's DataStream model on actors, with exactly-once recovery.
//!
//! A program builds a [`Topology`] of sources, operators and sinks, and starts it as a job. Keyed state survives the death
//! of any actor and of the process: the job goes on from its latest complete checkpoint, and the committed output is that
//! of a run in which nothing died.
//!
//! ```
//! use millstream::prelude::*;
//!
//! let topology = Topology::new("word count");
//! let counts = topology
//!     .source("lines", Collection::of(["to be", "or not to be"]))
//!     .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!     .key_by(|word| word.clone())
//!     .count("counts")
//!     .collect("results");
//! let ledger = topology.start(JobOptions::new())?.wait()?;
//!
//! assert_eq!((ledger.records_in, ledger.records_out), (2, 6));
//! assert!(counts.take().contains(&("to".to_owned(), 2)));
//! # Ok::<(), millstream::Error>(())
//! ```
//!
//! # The layers, from what you write to what runs
//!
//! * [`Topology`], [`Stream`] and [`KeyedStream`] are the builder. Everything stateful takes its *uid* first: the stable
//!   name under which its state lies in checkpoints. [`prelude`] has what a topology is written with.
//! * [`plan`] is the topology as a value, printable as text, JSON and Mermaid. Every mistake of a topology is a
//!   [`plan::PlanError`], found before anything runs.
//! * [`JobOptions`] says how a job runs, by the options of [`config`], [`JobHandle`] waits for it, [`JobWatch`] shows it, stops it and lets its actors
//!   die, and [`Ledger`] says what it did.
//! * [`io`] has the sources and sinks, and the traits for your own.
//! * [`operator`] has the operators that streams are made of, and what sources and sinks need of them.
//! * [`state`] keeps the rows of keyed operators: in memory, in a changelog, and folded in redb.
//! * [`model`] has records, keys and key groups.
//! * [`metrics`] has what operators count, by uid, subtask and name.
//! * [`ops`] runs a topology as a program: [`main`] gives it a command line, progress and signals.
//! * [`actors`] is the crate below: it moves batches, keeps subtasks alive and agrees on checkpoints. Tests use its
//!   [`kill`](actors::kill) and [`observe`](actors::observe).
//!
//! # Further reading
//!
//! In the repository: `docs/semantics.md` states what is promised, as numbered laws, `docs/state.md` shows what functions can remember, `docs/testing.md` how to test
//! recovery and lists all crash points, `docs/architecture.md` tells how it works inside.

pub mod config;
pub mod error;
pub mod io;
pub mod metrics;
pub mod model;
pub mod operator;
pub mod ops;
pub mod plan;
pub mod state;
pub mod testing;

mod api;
#[cfg(doctest)]
mod doctests;
mod runtime;

pub use api::{
    Broadcast, ConnectedStreams, ConnectedWindows, IntervalJoined, KeyedBroadcast, KeyedStream, LookedUp, Stream,
    TemporalJoined, Topology, WindowedStream,
};
pub use error::{Error, Result};
pub use millstream_actors as actors;
pub use ops::main;
pub use runtime::{JobHandle, JobOptions, JobWatch, Ledger};

/// What a topology is written with.
pub mod prelude {
    pub use millstream_actors::protocol::RestartPolicy;
    pub use millstream_actors::time::{Timespan, TimespanUnits, Timestamp};

    pub use crate::api::{KeyedStream, Stream, Topology, WindowedStream};
    pub use crate::error::{Error, Result};
    pub use crate::io::{
        Collect, Collected, Collection, DeadLetter, Discard, FileSink, FileSource, ForEach, Generator, Print,
        RateLimit, from_iter,
    };
    pub use crate::operator::aggregate::{
        ApproximateDistinct, Average, Count, DistinctCount, First, Last, Max, MaxBy, Min, MinBy, Percentiles, Sum, TopN,
    };
    pub use crate::operator::event_time::Watermarks;
    pub use crate::operator::window::{Global, Session, Sliding, Tumbling, evictor, trigger};
    pub use crate::operator::{AsyncMap, Bounds, Chain, Change, SideOutput};
    pub use crate::plan::{Plan, PlanError};
    pub use crate::runtime::{JobHandle, JobOptions, JobWatch, Ledger};
}
