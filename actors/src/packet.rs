//! What travels through a channel: `((Batch | Watermark | Idle | Active | Barrier)* End)`.

use std::any::Any;
use std::fmt;

use crate::channel::Permit;
use crate::ids::{ChannelId, CheckpointId};
use crate::time::TimeSignal;

/// Records of one type, which only the tasks at both ends of the channel know.
pub type Rows = Box<dyn Any + Send>;

/// One element of a channel, addressed to its receiver.
#[derive(Debug)]
pub struct Packet {
    /// The channel, as its receiver numbers it.
    pub channel: ChannelId,
    /// What arrives.
    pub item: Item,
}

/// One element of a channel.
#[derive(Debug)]
pub enum Item {
    /// Records that travel together.
    Batch(Batch),
    /// Anything else.
    Signal(Signal),
}

/// Records that travel together, with the credit that they hold until they are processed.
pub struct Batch {
    /// The records.
    pub rows: Rows,
    /// Gives the credit back when it is dropped.
    pub permit: Permit,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

/// An element of a channel that is no record. It needs no credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// What is said about event time.
    Time(TimeSignal),
    /// Records before it belong to the checkpoint, records after it do not.
    Barrier(CheckpointId),
    /// Nothing follows.
    End,
}
