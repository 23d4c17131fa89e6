//! Decides the watermark and the idleness of a subtask from those of its input channels.

use crate::ids::ChannelId;
use crate::protocol::invariant::{Invariant, check};
use crate::time::{TimeSignal, Timestamp};

/// What a subtask takes from a channel that concerns its watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValveEvent {
    /// No record at or before `at` is still to come through the channel.
    Watermark {
        /// The channel it came through.
        channel: ChannelId,
        /// The watermark.
        at: Timestamp,
    },
    /// The channel stops holding back the watermark.
    Idle {
        /// The channel that fell idle.
        channel: ChannelId,
    },
    /// The channel speaks again.
    Active {
        /// The channel that woke.
        channel: ChannelId,
    },
    /// The channel has ended.
    End {
        /// The channel that ended.
        channel: ChannelId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Takes part in the minimum.
    Counted,
    /// Woke with a watermark behind the one already sent; takes part again once it has caught up.
    Behind,
    /// Has said that it is idle.
    Idle,
    /// Nothing will come any more.
    Ended,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    /// The highest watermark taken from the channel while it was not idle; `NONE` before the first.
    at: Timestamp,
    standing: Standing,
}

/// Combines the watermarks of the input channels of one subtask.
///
/// The watermark is the lowest among the channels that are active and not behind, and is said only when it rises.
/// When the last active channel falls idle or ends, and idle ones remain, it first rises to the highest of theirs.
///
/// # State
/// One watermark and one standing per channel. A step costs one pass over the channels.
///
/// # Source
/// `docs/semantics.md`, section 3; the rules are those of Flink's status watermark valve, except that an ended channel
/// is left out altogether.
#[derive(Debug, Clone)]
pub struct WatermarkValve {
    inputs: Vec<Input>,
    last: Timestamp,
    is_idle: bool,
}

impl WatermarkValve {
    /// Starts with `channels` active channels, none of which has sent a watermark.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            inputs: vec![Input { at: Timestamp::NONE, standing: Standing::Counted }; channels],
            last: Timestamp::NONE,
            is_idle: false,
        }
    }

    /// Advances by one event; gives what the subtask tells its operators and its outputs, in this order.
    ///
    /// A watermark that does not rise, or that comes through an idle channel, is ignored.
    ///
    /// # Panics
    /// If the event names a channel that does not exist; in debug builds also if that channel has ended (CH-1).
    #[must_use = "the outputs are not sent by the valve itself"]
    pub fn step(&mut self, event: ValveEvent) -> Vec<TimeSignal> {
        let (ValveEvent::Watermark { channel, .. }
        | ValveEvent::Idle { channel }
        | ValveEvent::Active { channel }
        | ValveEvent::End { channel }) = event;
        let input = &mut self.inputs[channel.index()];
        let (at, standing) = (input.at, input.standing);
        check!(Invariant::NothingFollowsEnd, standing != Standing::Ended, "{event:?}");

        match (event, standing) {
            (_, Standing::Ended) | (ValveEvent::Watermark { .. }, Standing::Idle) => return Vec::new(),
            (ValveEvent::Watermark { at: next, .. }, _) => {
                input.at = at.max(next);
                if input.at >= self.last {
                    input.standing = Standing::Counted;
                }
            }
            (ValveEvent::Idle { .. }, _) => input.standing = Standing::Idle,
            (ValveEvent::Active { .. }, Standing::Idle) => {
                input.standing = if at >= self.last { Standing::Counted } else { Standing::Behind };
            }
            (ValveEvent::Active { .. }, _) => {}
            (ValveEvent::End { .. }, _) => input.standing = Standing::Ended,
        }
        self.settle()
    }

    /// The channel with the lowest watermark among those that take part in the minimum: the one to look at when the
    /// watermark stands still. Of several the first; none if no channel takes part.
    #[must_use]
    pub fn holds_back(&self) -> Option<ChannelId> {
        let counted = (0..).map(ChannelId).zip(&self.inputs).filter(|(_, input)| input.standing == Standing::Counted);
        counted.min_by_key(|(_, input)| input.at).map(|(channel, _)| channel)
    }

    /// Says what changed for the subtask as a whole.
    fn settle(&mut self) -> Vec<TimeSignal> {
        let is_active = self.any(Standing::Counted) || self.any(Standing::Behind);
        let mut outputs = Vec::new();
        if is_active {
            if self.is_idle {
                self.is_idle = false;
                outputs.push(TimeSignal::Active);
            }
            let lowest = self.watermarks(Standing::Counted).min();
            outputs.extend(lowest.and_then(|at| self.rise(at)));
        } else if self.any(Standing::Idle) && !self.is_idle {
            // Nothing holds the watermark back any more, so it rises as far as any channel that is still open has seen.
            let highest = self.watermarks(Standing::Idle).max();
            outputs.extend(highest.and_then(|at| self.rise(at)));
            self.is_idle = true;
            outputs.push(TimeSignal::Idle);
        }
        outputs
    }

    /// Invariant WM-1: what is sent on rises, or is not sent.
    fn rise(&mut self, at: Timestamp) -> Option<TimeSignal> {
        (at > self.last).then(|| {
            self.last = at;
            TimeSignal::Watermark(at)
        })
    }

    fn any(&self, standing: Standing) -> bool {
        self.inputs.iter().any(|input| input.standing == standing)
    }

    fn watermarks(&self, standing: Standing) -> impl Iterator<Item = Timestamp> {
        self.inputs.iter().filter(move |input| input.standing == standing).map(|input| input.at)
    }
}

#[cfg(test)]
#[path = "valve_tests.rs"]
mod tests;
