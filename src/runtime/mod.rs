//! The bridge between topologies and actors: a block as a task, routing, checkpoints on disk, the hold on a job.

mod block;
mod block_deploy;
mod checkpoints;
mod deploy;
mod failures;
mod job;
mod key_routing;
mod options;
mod routing;
mod seams;
mod shares;
mod splits;

pub(crate) use block::{BlockFactory, OpenChain, OpenSide, StateQuestion};
pub(crate) use block_deploy::BlockDeploy;
pub(crate) use deploy::{Deployment, prepare};
pub use job::{JobHandle, JobWatch, Ledger};
pub(crate) use key_routing::BeforeExchange;
pub use options::JobOptions;
pub(crate) use routing::{Broadcaster, Fork, NoRouter, PartitionRouter, Router, SideRouter, TypedSide};
pub(crate) use shares::share_out_all;
pub(crate) use splits::{SourceDeploy, SourceSplits};
