//! The typed builder that users write against.

mod broadcast;
mod connected_streams;
mod connected_windows;
mod event_time;
mod exchange;
mod keyed_stream;
mod sinks;
mod stream;
mod table_joins;
mod topology;
mod window_results;
mod windowed_stream;

pub use broadcast::{Broadcast, KeyedBroadcast};
pub use connected_streams::{ConnectedStreams, IntervalJoined};
pub use connected_windows::ConnectedWindows;
pub use keyed_stream::KeyedStream;
pub use stream::Stream;
pub use table_joins::{LookedUp, TemporalJoined};
pub use topology::Topology;
pub use windowed_stream::WindowedStream;
