//! Decides when a subtask takes the snapshot of a checkpoint, and which of its input channels wait for that.

use std::collections::BTreeSet;

use crate::ids::{ChannelId, CheckpointId};
use crate::protocol::invariant::{Invariant, check};

/// What a subtask hears that concerns its alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignmentEvent {
    /// A barrier was taken from a channel.
    Barrier {
        /// The channel it came through.
        channel: ChannelId,
        /// The round it belongs to.
        checkpoint: CheckpointId,
    },
    /// The end of a channel was taken from it.
    End {
        /// The channel that ended.
        channel: ChannelId,
    },
    /// The coordinator opened a round. It tells every subtask; the news matters to one without open channels.
    Triggered {
        /// The round that opened.
        checkpoint: CheckpointId,
    },
    /// The coordinator gave a round up.
    Abandoned {
        /// The round that was given up.
        checkpoint: CheckpointId,
    },
}

/// What the subtask must do, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignmentAction {
    /// The alignment of this round begins: its first barrier has come and others are missing.
    Align {
        /// The round that aligns.
        checkpoint: CheckpointId,
    },
    /// The round is aligned: snapshot now and send its barrier on. Blocked channels are free again.
    Snapshot {
        /// The round to snapshot.
        checkpoint: CheckpointId,
    },
    /// A barrier of a newer round came first: this round can no longer be completed here.
    Subsumed {
        /// The round that is given up.
        checkpoint: CheckpointId,
    },
    /// The last open channel has ended; said once.
    AllEnded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    /// Nothing of the pending round has come.
    Open,
    /// The barrier of the pending round has come; the channel waits.
    Blocked,
    /// Nothing will come any more, which counts as every barrier to come.
    Ended,
}

/// Aligns the barriers of one subtask in one attempt.
///
/// # State
/// One word per channel, and the numbers of rounds that were triggered or abandoned but not yet overtaken here.
///
/// # Source
/// Carbone et al., "Lightweight Asynchronous Snapshots for Distributed Dataflows", 2015; `docs/semantics.md`,
/// section 5, for channels and subtasks that have ended.
#[derive(Debug, Clone)]
pub struct Alignment {
    channels: Vec<Channel>,
    pending: Option<CheckpointId>,
    /// The newest round that was snapshotted, subsumed, or abandoned while pending: it and all before it are over.
    settled: Option<CheckpointId>,
    /// Rounds above `settled` that were abandoned before their first barrier came.
    abandoned: BTreeSet<CheckpointId>,
    /// Rounds above `settled` that were opened; they are snapshotted here if the channels end without a barrier.
    triggered: BTreeSet<CheckpointId>,
}

impl Alignment {
    /// Starts with `channels` open input channels; a source has none.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            channels: vec![Channel::Open; channels],
            pending: None,
            settled: None,
            abandoned: BTreeSet::new(),
            triggered: BTreeSet::new(),
        }
    }

    /// Advances by one event.
    ///
    /// Barriers and triggers of rounds that are over are ignored, so a snapshot of a round is asked for at most once.
    ///
    /// # Panics
    /// If the event names a channel that does not exist. In debug builds also if an element was taken from a channel
    /// that is blocked or has ended (CP-4, CH-1); release builds ignore what follows an end.
    #[must_use = "the actions are not performed by the alignment itself"]
    pub fn step(&mut self, event: AlignmentEvent) -> Vec<AlignmentAction> {
        match event {
            AlignmentEvent::Barrier { channel, checkpoint } => self.barrier(channel, checkpoint),
            AlignmentEvent::End { channel } => self.end(channel),
            AlignmentEvent::Triggered { checkpoint } => self.trigger(checkpoint),
            AlignmentEvent::Abandoned { checkpoint } => {
                self.abandon(checkpoint);
                Vec::new()
            }
        }
    }

    /// Whether the channel must not be drained: its barrier of the pending round has come.
    #[must_use]
    pub fn is_blocked(&self, channel: ChannelId) -> bool {
        self.channels[channel.index()] == Channel::Blocked
    }

    /// Whether the channel has ended.
    #[must_use]
    pub fn is_ended(&self, channel: ChannelId) -> bool {
        self.channels[channel.index()] == Channel::Ended
    }

    /// The round that is aligning.
    #[must_use]
    pub fn pending(&self) -> Option<CheckpointId> {
        self.pending
    }

    /// Whether any channel has not ended. A source never has one.
    #[must_use]
    pub fn has_open_channels(&self) -> bool {
        self.channels.iter().any(|channel| *channel != Channel::Ended)
    }

    fn barrier(&mut self, channel: ChannelId, checkpoint: CheckpointId) -> Vec<AlignmentAction> {
        if !self.may_drain(channel) || self.is_over(checkpoint) {
            return Vec::new();
        }
        let mut actions = Vec::new();
        let is_first = self.pending != Some(checkpoint);
        if is_first {
            if let Some(older) = self.pending {
                self.settle(older);
                actions.push(AlignmentAction::Subsumed { checkpoint: older });
            }
            self.pending = Some(checkpoint);
        }
        self.channels[channel.index()] = Channel::Blocked;
        if self.is_aligned() {
            actions.push(self.snapshot(checkpoint));
        } else if is_first {
            actions.push(AlignmentAction::Align { checkpoint });
        }
        actions
    }

    fn end(&mut self, channel: ChannelId) -> Vec<AlignmentAction> {
        if !self.may_drain(channel) {
            return Vec::new();
        }
        self.channels[channel.index()] = Channel::Ended;
        let mut actions = Vec::new();
        if let Some(checkpoint) = self.pending.filter(|_| self.is_aligned()) {
            actions.push(self.snapshot(checkpoint));
        }
        if !self.has_open_channels() {
            // No barrier will come for the rounds already opened; from now on the trigger itself is the barrier.
            while let Some(checkpoint) = self.triggered.pop_first() {
                actions.push(self.snapshot(checkpoint));
            }
            actions.push(AlignmentAction::AllEnded);
        }
        actions
    }

    fn trigger(&mut self, checkpoint: CheckpointId) -> Vec<AlignmentAction> {
        if self.is_over(checkpoint) {
            return Vec::new();
        }
        if self.has_open_channels() {
            self.triggered.insert(checkpoint);
            return Vec::new();
        }
        vec![self.snapshot(checkpoint)]
    }

    fn abandon(&mut self, checkpoint: CheckpointId) {
        if self.pending == Some(checkpoint) {
            self.settle(checkpoint);
        } else if !self.is_over(checkpoint) {
            self.triggered.remove(&checkpoint);
            self.abandoned.insert(checkpoint);
        }
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> AlignmentAction {
        check!(Invariant::SnapshotOnce, self.settled < Some(checkpoint), "{checkpoint} after {:?}", self.settled);
        check!(Invariant::SnapshotWhenAligned, self.is_aligned(), "{checkpoint} with {:?}", self.channels);
        self.settle(checkpoint);
        AlignmentAction::Snapshot { checkpoint }
    }

    /// Closes this round and all before it, and frees the channels that waited for it.
    fn settle(&mut self, checkpoint: CheckpointId) {
        self.pending = None;
        self.settled = Some(checkpoint);
        self.abandoned.retain(|round| *round > checkpoint);
        self.triggered.retain(|round| *round > checkpoint);
        for channel in &mut self.channels {
            if *channel == Channel::Blocked {
                *channel = Channel::Open;
            }
        }
    }

    fn is_over(&self, checkpoint: CheckpointId) -> bool {
        self.settled >= Some(checkpoint) || self.pending > Some(checkpoint) || self.abandoned.contains(&checkpoint)
    }

    /// Whether every channel has delivered the barrier or ended.
    fn is_aligned(&self) -> bool {
        !self.channels.contains(&Channel::Open)
    }

    fn may_drain(&self, channel: ChannelId) -> bool {
        check!(Invariant::NothingFollowsEnd, !self.is_ended(channel), "channel {}", channel.0);
        check!(Invariant::BlockedWhileAligning, !self.is_blocked(channel), "channel {}", channel.0);
        !self.is_ended(channel)
    }
}

#[cfg(test)]
#[path = "alignment_tests.rs"]
mod tests;
