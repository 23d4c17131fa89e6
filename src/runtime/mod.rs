//! The bridge between topologies and actors: a block as a task, routing, checkpoints on disk, the hold on a job.

mod block;
mod checkpoints;
mod job;
mod routing;

pub(crate) use block::{BlockDeploy, BlockFactory, OpenChain, OpenSide, SourceDeploy, SourceSplits};
pub use job::{JobHandle, JobOptions, JobWatch, Ledger};
pub(crate) use job::{default_parallelism, deploy};
pub(crate) use routing::{Broadcaster, Fork, NoRouter, PartitionRouter, Router, SideRouter, TypedSide};
