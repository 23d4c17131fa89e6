//! When a subtask has its turn: its run slices, and what wakes it for the next one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as PollContext, Poll};
use std::time::Duration;

use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::alarms::Alarms;
use crate::fine_timer::FineTimer;
use crate::processor_time::ProcessorTime;
use crate::subtask::Subtask;

/// Alarms of the runtime are no finer than this.
const TICK: Duration = Duration::from_millis(1);

/// Turns of other actors that chance may put before a slice.
const MOST_TURNS: usize = 3;

/// Milliseconds that chance may put between two slices of a subtask, at most.
const LONGEST_NAP: usize = 20;

/// What follows a slice.
pub(crate) enum Next {
    Again,
    Sleep,
    SleepFor(Duration),
}

/// What will wake the actor.
#[derive(Default)]
pub(crate) struct Turns {
    /// Whether its next slice is certain.
    is_scheduled: bool,
    alarms: Alarms,
    nap: Nap,
    processor: ProcessorTime,
}

/// Sleep for less than [`TICK`].
#[derive(Default)]
enum Nap {
    /// There was none yet.
    #[default]
    Never,
    /// There is no timer: the actor looks again at once.
    Impossible,
    Over(FineTimer),
    /// Until the timer rings.
    Asleep,
}

/// Gives other actors of the thread their turn, `turns` times.
struct Yield {
    turns: usize,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<()> {
        match self.turns.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.turns = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Subtask {
    /// Sees to it that the actor has its turn, behind the other actors of its thread.
    pub(crate) fn schedule(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.turns.is_scheduled, true) {
            // A letter to oneself would be handled in the same poll of the mailbox, and starve the thread's other actors.
            let turns = 1 + self.setup.environment.choose(MOST_TURNS);
            let turn = Yield { turns }.into_actor(self).map(|(), this: &mut Self, ctx| this.slice(ctx));
            ctx.spawn(turn);
        }
    }

    fn slice(&mut self, ctx: &mut Context<Self>) {
        self.turns.is_scheduled = false;
        if self.setup.kill.is_killed() {
            return ctx.terminate();
        }
        let began = self.setup.environment.clock.now();
        self.setup.watch.begin(began);
        let is_real = self.setup.environment.chance.is_none();
        if is_real {
            self.turns.processor.begin(began);
        }
        let mut next = Next::Sleep;
        self.guarded(ctx, |this| {
            next = this.work(began)?;
            this.setup.outputs.release();
            Ok(())
        });
        let ended = self.setup.environment.clock.now();
        let took = ended.since(began);
        self.setup.meter.slice(took);
        if is_real {
            self.setup.meter.work(self.turns.processor.end(took, self.setup.meter.longest_work()));
        }
        if self.setup.watch.end(ended, self.setup.run_slice) {
            std::thread::yield_now();
        }
        self.show_time(ended);
        if matches!(next, Next::Again) && self.setup.environment.choose(2) == 1 {
            // Chance may let a subtask be slow.
            next = Next::SleepFor(Duration::from_millis(self.setup.environment.choose(LONGEST_NAP) as u64));
        }
        match next {
            Next::Again => self.schedule(ctx),
            Next::Sleep => {}
            // Where chance rules, time is virtual.
            Next::SleepFor(time) if time < TICK && self.setup.environment.chance.is_none() => self.nap(time, ctx),
            Next::SleepFor(time) => self.sleep_for(time, ctx),
        }
    }

    /// Sees to it that the actor is awake after `time`. A slice too many changes nothing.
    fn sleep_for(&mut self, time: Duration, ctx: &mut Context<Self>) {
        let at = self.setup.environment.clock.now() + time;
        if self.turns.alarms.needs(at) {
            ctx.run_later(time, move |this, ctx| {
                this.turns.alarms.rang(at);
                this.schedule(ctx);
            });
        }
    }

    /// Sees to it that the actor is awake after `time`, for which an alarm would come too late, or less than [`TICK`] later.
    fn nap(&mut self, time: Duration, ctx: &mut Context<Self>) {
        let timer = match std::mem::replace(&mut self.turns.nap, Nap::Asleep) {
            Nap::Never => FineTimer::new(),
            Nap::Impossible => None,
            Nap::Over(timer) => Some(timer),
            Nap::Asleep => return,
        };
        let Some(timer) = timer else {
            self.turns.nap = Nap::Impossible;
            return self.schedule(ctx);
        };
        let nap = timer.clone().ring_after(time).into_actor(self).map(move |outcome, this: &mut Self, ctx| {
            this.turns.nap = if outcome.is_ok() { Nap::Over(timer) } else { Nap::Impossible };
            this.schedule(ctx);
        });
        ctx.spawn(nap);
    }
}
