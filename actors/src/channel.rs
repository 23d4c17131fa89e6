//! The sending side of channels: credits bound what is in flight, a backlog keeps the order.
//!
//! A batch needs a credit. The credit travels inside the batch and comes back when the receiver has processed it, so a
//! channel never holds more batches than it has credits, and delivery itself never blocks. Signals need none.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::ids::ChannelId;
use crate::kill::KillSwitch;
use crate::packet::{Batch, Item, Packet, Rows, Signal};
use crate::protocol::invariant::{Grammar, Symbol};
use crate::time::{TimeSignal, Timestamp};

/// Hands a packet to the receiver's mailbox. Never blocks; a packet for an actor that is gone is dropped.
pub type Deliver = Arc<dyn Fn(Packet) + Send + Sync>;

/// The credits of one channel.
#[derive(Clone)]
pub struct Credits {
    pool: Arc<CreditPool>,
}

struct CreditPool {
    total: usize,
    free: AtomicUsize,
    waited_for: AtomicBool,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Credits {
    /// A channel with `batches` credits.
    #[must_use]
    pub fn new(batches: usize) -> Self {
        let free = AtomicUsize::new(batches);
        let pool = CreditPool { total: batches, free, waited_for: AtomicBool::new(false), wake: OnceLock::new() };
        Self { pool: Arc::new(pool) }
    }

    /// Sets, once, what is called when a credit comes back to a sender that waits for one.
    pub fn on_release(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.pool.wake.set(Box::new(wake));
    }

    /// The credits that are free now. Only the sender takes any, so for it the number can only grow.
    #[must_use]
    pub fn free(&self) -> usize {
        self.pool.free.load(Ordering::Acquire)
    }

    /// The batches on their way: sent, and not processed yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pool.total - self.free()
    }

    fn take(&self) -> Option<Permit> {
        let taken = self.pool.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.ok().map(|_| Permit { pool: Arc::clone(&self.pool) })
    }
}

/// A taken credit; dropping it gives it back and wakes a waiting sender.
pub struct Permit {
    pool: Arc<CreditPool>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.free.fetch_add(1, Ordering::SeqCst);
        if self.pool.waited_for.load(Ordering::SeqCst)
            && self.pool.waited_for.swap(false, Ordering::SeqCst)
            && let Some(wake) = self.pool.wake.get()
        {
            wake();
        }
    }
}

/// The sending end of one channel.
pub struct Sender {
    channel: ChannelId,
    credits: Credits,
    deliver: Deliver,
    backlog: VecDeque<Queued>,
    /// A watermark that follows all of that, and waits for the end of the run slice, or for what comes behind it: most
    /// have a later one behind them by then, and need not travel.
    held: Option<Timestamp>,
    grammar: Grammar,
}

enum Queued {
    Rows(Rows),
    Signal(Signal),
}

impl Sender {
    /// A sender into `channel` of the receiver behind `deliver`.
    pub fn new(channel: ChannelId, credits: Credits, deliver: Deliver) -> Self {
        Self { channel, credits, deliver, backlog: VecDeque::new(), held: None, grammar: Grammar::default() }
    }

    /// How many batches would leave at once.
    #[inline]
    #[must_use]
    pub fn free(&self) -> usize {
        if self.backlog.is_empty() { self.credits.free() } else { 0 }
    }

    /// Sends rows, now if there is a credit, else as soon as [`Self::drain`] finds one.
    pub fn send(&mut self, rows: Rows) {
        self.queue_held();
        self.backlog.push_back(Queued::Rows(rows));
        self.drain();
    }

    /// Sends a signal behind everything sent before. A watermark is held until something follows it, or until
    /// [`Self::release`] is called; a later one takes its place.
    pub fn signal(&mut self, signal: Signal) {
        if let Signal::Time(TimeSignal::Watermark(at)) = signal {
            self.held = Some(at);
            return;
        }
        self.queue_held();
        self.backlog.push_back(Queued::Signal(signal));
        self.drain();
    }

    /// Sends the watermark that is held, if one is.
    pub fn release(&mut self) {
        if self.held.is_some() {
            self.queue_held();
            self.drain();
        }
    }

    fn queue_held(&mut self) {
        let held = self.held.take().map(|at| Queued::Signal(Signal::Time(TimeSignal::Watermark(at))));
        self.backlog.extend(held);
    }

    /// Delivers what waits, as far as credits allow. True if nothing waits any more.
    pub fn drain(&mut self) -> bool {
        while let Some(next) = self.backlog.front() {
            let permit = match next {
                Queued::Rows(_) => match self.credits.take() {
                    Some(permit) => Some(permit),
                    None => return false,
                },
                Queued::Signal(_) => None,
            };
            let item = match (self.backlog.pop_front(), permit) {
                (Some(Queued::Rows(rows)), Some(permit)) => Item::Batch(Batch { rows, permit }),
                (Some(Queued::Signal(signal)), _) => Item::Signal(signal),
                _ => return false,
            };
            if cfg!(debug_assertions) {
                self.check(&item);
            }
            (self.deliver)(Packet { channel: self.channel, item });
        }
        true
    }

    /// CH: what is delivered keeps the grammar of channels. A violation is a defect of the engine, hence a panic.
    fn check(&mut self, item: &Item) {
        let symbol = match *item {
            Item::Batch(_) => Symbol::Batch,
            Item::Signal(Signal::Time(TimeSignal::Watermark(at))) => Symbol::Watermark(at),
            Item::Signal(Signal::Time(TimeSignal::Idle)) => Symbol::Idle,
            Item::Signal(Signal::Time(TimeSignal::Active)) => Symbol::Active,
            Item::Signal(Signal::Barrier(checkpoint)) => Symbol::Barrier(checkpoint),
            Item::Signal(Signal::End) => Symbol::End,
        };
        let admitted = self.grammar.admit(symbol);
        debug_assert!(admitted.is_ok(), "channel {}: {admitted:?}", self.channel.0);
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("channel", &self.channel).field("waiting", &self.backlog.len()).finish()
    }
}

/// All senders of one subtask: per outgoing edge of its block, one per receiving subtask, in their order.
#[derive(Debug, Default)]
pub struct Outputs {
    edges: Vec<Vec<Sender>>,
    kill: KillSwitch,
}

impl Outputs {
    /// Outputs along `edges`.
    #[must_use]
    pub fn new(edges: Vec<Vec<Sender>>) -> Self {
        Self { edges, kill: KillSwitch::default() }
    }

    /// The same, of a subtask that `kill` ends.
    #[must_use]
    pub fn with_kill(self, kill: KillSwitch) -> Self {
        Self { kill, ..self }
    }

    /// Whether the subtask is to end at once: nothing that it emits from now on will be seen. Who may emit very much for one
    /// record looks at it now and then.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.kill.is_killed()
    }

    /// The senders of one edge.
    #[inline]
    pub fn edge(&mut self, edge: usize) -> &mut [Sender] {
        &mut self.edges[edge]
    }

    /// How many edges there are.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Sends `signal` into every channel.
    pub fn broadcast(&mut self, signal: Signal) {
        for sender in self.edges.iter_mut().flatten() {
            sender.signal(signal);
        }
    }

    /// Delivers what waits. True if nothing waits any more.
    pub fn drain(&mut self) -> bool {
        let mut empty = true;
        for sender in self.edges.iter_mut().flatten() {
            empty &= sender.drain();
        }
        empty
    }

    /// Sends the watermarks that are held: at the end of each run slice.
    pub fn release(&mut self) {
        for sender in self.edges.iter_mut().flatten() {
            sender.release();
        }
    }

    /// Asks to be woken, once, by the next release of each channel. Credits that came back before the call wake
    /// nobody: look for room once more before going to sleep.
    pub fn wait(&self) {
        for sender in self.edges.iter().flatten() {
            sender.credits.pool.waited_for.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::ids::CheckpointId;

    fn channel(credits: usize) -> (Sender, Credits, Arc<Mutex<Vec<Packet>>>) {
        let (mailbox, credits) = (Arc::new(Mutex::new(Vec::new())), Credits::new(credits));
        let into = Arc::clone(&mailbox);
        let deliver: Deliver = Arc::new(move |packet| into.lock().unwrap().push(packet));
        (Sender::new(ChannelId(0), credits.clone(), deliver), credits, mailbox)
    }

    #[test]
    fn no_more_batches_are_in_flight_than_there_are_credits() {
        let (mut sender, credits, mailbox) = channel(2);
        for number in 0..5u32 {
            sender.send(Box::new(number));
        }
        assert_eq!((mailbox.lock().unwrap().len(), credits.in_flight(), sender.free()), (2, 2, 0));
        mailbox.lock().unwrap().clear(); // the receiver has processed both
        assert!(!sender.drain());
        assert_eq!(mailbox.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_signal_keeps_its_place_behind_batches_that_wait() {
        let (mut sender, _credits, mailbox) = channel(1);
        sender.send(Box::new(1u32));
        sender.send(Box::new(2u32));
        sender.signal(Signal::Barrier(CheckpointId(1)));
        assert_eq!(mailbox.lock().unwrap().len(), 1);
        mailbox.lock().unwrap().clear();
        sender.drain();
        let arrived =
            mailbox.lock().unwrap().iter().map(|packet| matches!(packet.item, Item::Batch(_))).collect::<Vec<_>>();
        assert_eq!(arrived, [true, false]);
    }

    #[test]
    fn a_watermark_waits_for_what_follows_it_and_gives_way_to_a_later_one() {
        let (mut sender, _credits, mailbox) = channel(2);
        let watermark = |millis| Signal::Time(TimeSignal::Watermark(Timestamp::from_millis(millis)));
        sender.signal(watermark(1));
        sender.signal(watermark(2));
        assert!(sender.drain() && mailbox.lock().unwrap().is_empty(), "it is held, and in nobody's way");
        assert_eq!(sender.free(), 2);
        sender.send(Box::new(1u32));
        sender.signal(watermark(3));
        sender.signal(Signal::Barrier(CheckpointId(1)));
        sender.signal(watermark(4));
        sender.release();
        sender.release();
        let seen = |packet: &Packet| match packet.item {
            Item::Batch(_) => None,
            Item::Signal(signal) => Some(signal),
        };
        let arrived = mailbox.lock().unwrap().iter().map(seen).collect::<Vec<_>>();
        let barrier = Signal::Barrier(CheckpointId(1));
        assert_eq!(arrived, [Some(watermark(2)), None, Some(watermark(3)), Some(barrier), Some(watermark(4))]);
    }

    #[test]
    fn a_waiting_sender_is_woken_once_per_wait() {
        let (mut sender, credits, mailbox) = channel(1);
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        credits.on_release(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        sender.send(Box::new(1u32));
        mailbox.lock().unwrap().clear();
        assert_eq!(woken.load(Ordering::SeqCst), 0, "nobody waited");
        sender.send(Box::new(2u32));
        let outputs = Outputs::new(vec![vec![sender]]);
        outputs.wait();
        mailbox.lock().unwrap().clear();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }
}
