//! Functions of users: over the records of a key, over those of a stream, with states, timers and broadcast rules.

mod broadcast;
mod cells;
mod clockwork;
mod co_process;
mod handles;
mod key_context;
mod keyed;
mod keyed_broadcast;
mod keyed_part;
mod names;
mod operator_states;
mod states;
mod stream_context;
mod stream_process;
mod subtask_cells;
mod subtask_part;
#[cfg(test)]
mod tests;

pub use broadcast::{BroadcastProcess, ProcessBroadcast};
pub use clockwork::{TimeKind, Timer};
pub use co_process::{CoProcess, OfEither};
pub use handles::{
    Aggregating, AggregatingState, KeyedState, List, ListState, Map, MapState, Reducing, ReducingState, Value,
    ValueState,
};
pub use key_context::KeyContext;
pub use keyed::{KeyedProcess, Process};
pub use keyed_broadcast::{BroadcastStates, KeyedBroadcastContext, KeyedBroadcastProcess, ProcessKeyedBroadcast};
pub use operator_states::OperatorStates;
pub use states::States;
pub use stream_context::{ReadOnlyContext, StreamContext};
pub use stream_process::{ProcessStream, StreamProcess};
pub use subtask_cells::{BroadcastState, OperatorList, UnionList};
