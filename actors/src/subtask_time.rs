//! What a subtask does for time: tells its task how far it has come, and shows what is known of it.

use std::time::Duration;

use crate::protocol::valve::ValveEvent;
use crate::subtask::{Ended, Subtask};
use crate::subtask_turns::Next;
use crate::task::TaskEvent;
use crate::time::Moment;
use crate::time_view::HeldBy;

/// For how long no input could be taken.
#[derive(Default)]
pub(crate) struct Stall {
    /// Since when, if it cannot be taken now.
    pub(crate) since: Option<Moment>,
    /// The time that the task has not been told of.
    pub(crate) untold: Duration,
}

impl Subtask {
    /// What follows a slice, if processing time is not to be missed.
    pub(crate) fn until_due(&mut self, next: Next) -> Next {
        if self.drained || matches!(next, Next::Again) {
            return next;
        }
        let Some(due) = self.setup.task.due() else { return next };
        let millis = due.as_millis().saturating_sub(self.setup.environment.clock.processing_time().as_millis());
        let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        match next {
            _ if wait.is_zero() => Next::Again,
            Next::SleepFor(time) => Next::SleepFor(time.min(wait)),
            _ => Next::SleepFor(wait),
        }
    }

    /// Tells the task that processing time has come as far as it waits for.
    pub(crate) fn pass_time(&mut self) -> Result<(), Ended> {
        if self.emission.comes_first() || self.drained {
            return Ok(());
        }
        let Some(due) = self.setup.task.due() else { return Ok(()) };
        let now = self.setup.environment.clock.processing_time();
        if due > now {
            return Ok(());
        }
        let stalled = std::mem::take(&mut self.stall.untold);
        if !stalled.is_zero() {
            self.tell(TaskEvent::Stalled(stalled))?;
        }
        self.tell(TaskEvent::ProcessingTime(now))
    }

    pub(crate) fn move_valve(&mut self, event: ValveEvent) -> Result<(), Ended> {
        self.signals.extend(self.valve.step(event));
        self.intake.straggler = self.valve.straggler();
        self.tell_signals()
    }

    /// Tells the task what is said about event time, as far as it has emitted everything that it had to for what was said
    /// before.
    pub(crate) fn tell_signals(&mut self) -> Result<(), Ended> {
        while !self.emission.comes_first()
            && let Some(signal) = self.signals.pop_front()
        {
            self.tell(TaskEvent::Time(signal))?;
        }
        Ok(())
    }

    /// No input can be taken before somebody makes room, and then wakes this actor.
    pub(crate) fn stall(&mut self) -> Next {
        self.stall.since.get_or_insert(self.setup.environment.clock.now());
        Next::Sleep
    }

    /// Shows what is known of event time to those who want to explain it.
    pub(crate) fn show_time(&mut self, now: Moment) {
        let task = self.setup.task.event_time();
        let held_by = self.valve.holds_back().map(|channel| HeldBy {
            channel,
            sender: self.setup.senders[channel.index()],
            watermark: self.valve.watermark_of(channel),
        });
        self.setup.time.update(now, |view| {
            (view.task, view.heard, view.held_by) = (task, self.valve.watermark(), held_by);
            (view.blocked_since, view.drained) = (self.stall.since, self.drained);
        });
    }
}
