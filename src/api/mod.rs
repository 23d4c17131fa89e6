//! The typed builder that users write against.

mod event_time;
mod exchange;
mod keyed_stream;
mod sinks;
mod stream;
mod topology;

pub use keyed_stream::KeyedStream;
pub use stream::Stream;
pub use topology::Topology;
