//! Decides the watermark and the idleness of a subtask from those of its inputs: its channels, or the splits of a source.

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

impl Input {
    const NEW: Self = Self { at: Timestamp::NONE, standing: Standing::Counted };

    /// Whether nothing is still to come: it has ended, or has said that event time is over.
    fn is_done(&self) -> bool {
        self.standing == Standing::Ended || self.at == Timestamp::MAX
    }

    /// Whether it takes part in the minimum.
    fn counts(&self) -> bool {
        self.standing == Standing::Counted && !self.is_done()
    }
}

/// Combines the watermarks of the inputs of one subtask. Each is a channel, or a split of a source.
///
/// The watermark is the lowest among the inputs that are active and not behind, and is said only when it rises. When
/// the last active input falls idle or ends, and idle ones remain, it first rises to the highest of theirs. An input
/// that has reached the end of event time is left out like one that has ended, so the watermark reaches that end only
/// when all inputs have: idle ones still have something to say.
///
/// # State
/// One watermark and one standing per input. A step costs one pass over the inputs.
///
/// # Source
/// `docs/semantics.md`, laws ET-6 to ET-9; the rules are those of Flink's status watermark valve, except that an ended input is
/// left out altogether.
#[derive(Debug, Clone)]
pub struct WatermarkValve {
    inputs: Vec<Input>,
    last: Timestamp,
    is_idle: bool,
}

impl WatermarkValve {
    /// Starts with `channels` active inputs, none of which has sent a watermark.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self { inputs: vec![Input::NEW; channels], last: Timestamp::NONE, is_idle: false }
    }

    /// Adds an active input that has sent no watermark, in the place of one that has ended if there is any.
    pub fn open(&mut self) -> ChannelId {
        let free = self.inputs.iter().position(|input| input.standing == Standing::Ended);
        let index = free.unwrap_or_else(|| {
            self.inputs.push(Input::NEW);
            self.inputs.len() - 1
        });
        self.inputs[index] = Input::NEW;
        ChannelId(index as u32)
    }

    /// The last watermark that was said; [`Timestamp::NONE`] before the first.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.last
    }

    /// Whether the subtask was last said to be idle.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// The highest watermark taken from `channel`; [`Timestamp::NONE`] before the first.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn watermark_of(&self, channel: ChannelId) -> Timestamp {
        self.inputs[channel.index()].at
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
        let counted = (0..).map(ChannelId).zip(&self.inputs).filter(|(_, input)| input.counts());
        counted.min_by_key(|(_, input)| input.at).map(|(channel, _)| channel)
    }

    /// The channel that [`Self::holds_back`] names, if it has sent a watermark, and another one a higher.
    #[must_use]
    pub fn straggler(&self) -> Option<ChannelId> {
        let straggler = self.holds_back().filter(|channel| self.watermark_of(*channel).is_some())?;
        let is_ahead = |input: &Input| input.counts() && input.at > self.watermark_of(straggler);
        self.inputs.iter().any(is_ahead).then_some(straggler)
    }

    /// Says what changed for the subtask as a whole.
    fn settle(&mut self) -> Vec<TimeSignal> {
        let is_idle = |input: &Input| input.standing == Standing::Idle && !input.is_done();
        let mut outputs = Vec::new();
        if self.inputs.iter().all(Input::is_done) {
            // Inputs that have ended say nothing: their subtask hears of the end in another way.
            if self.inputs.iter().any(|input| input.standing != Standing::Ended) {
                self.wake(&mut outputs);
                outputs.extend(self.rise(Timestamp::MAX));
            }
        } else if self.inputs.iter().all(|input| is_idle(input) || input.is_done()) {
            // Nothing holds the watermark back any more, so it rises as far as any input that is still open has seen.
            if !self.is_idle {
                let highest = self.inputs.iter().filter(|input| is_idle(input)).map(|input| input.at).max();
                outputs.extend(highest.and_then(|at| self.rise(at)));
                self.is_idle = true;
                outputs.push(TimeSignal::Idle);
            }
        } else {
            self.wake(&mut outputs);
            let lowest = self.inputs.iter().filter(|input| input.counts()).map(|input| input.at).min();
            outputs.extend(lowest.and_then(|at| self.rise(at)));
        }
        outputs
    }

    fn wake(&mut self, outputs: &mut Vec<TimeSignal>) {
        if std::mem::take(&mut self.is_idle) {
            outputs.push(TimeSignal::Active);
        }
    }

    /// Invariant WM-1: what is sent on rises, or is not sent.
    fn rise(&mut self, at: Timestamp) -> Option<TimeSignal> {
        (at > self.last).then(|| {
            self.last = at;
            TimeSignal::Watermark(at)
        })
    }
}

#[cfg(test)]
#[path = "valve_tests.rs"]
mod tests;
