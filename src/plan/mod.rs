//! The topology as a value: blocks, edges, parallelism. Every mistake of a user is found here, before any actor exists.

mod error;
mod render;
mod shape;

pub use error::PlanError;
pub use shape::{Block, Edge, Exchange, Node, Plan};

pub(crate) use shape::{BlockShape, Input, InputFrom, label_upstream, resolve};
