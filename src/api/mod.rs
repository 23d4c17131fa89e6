//! The typed builder that users write against.

mod broadcast;
mod connected_streams;
mod event_time;
mod exchange;
mod keyed_stream;
mod sinks;
mod stream;
mod topology;
mod window_results;
mod windowed_stream;

pub use broadcast::{Broadcast, KeyedBroadcast};
pub use connected_streams::{ConnectedStreams, IntervalJoined};
pub use keyed_stream::KeyedStream;
pub use stream::Stream;
pub use topology::Topology;
pub use windowed_stream::WindowedStream;
