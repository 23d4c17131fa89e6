//! Decides when a thread that writes lets others have its core.
//!
//! A kernel may let a thread go on until its next tick, some milliseconds, before it asks whether another should run; a
//! subtask that the writer has interrupted in a run slice waits for as long. So writers offer their core between pieces of
//! some tens of microseconds of work. That helps whoever waits for this core, and an offer that nobody takes costs a
//! microsecond. But two subtasks may have to share another core meanwhile. So a writer that has gone on for a while sleeps:
//! a kernel looks for work elsewhere when a core falls idle.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread writes before it sleeps.
const TURN: Duration = Duration::from_micros(500);
/// How long it sleeps then, to which kernels add some tens of microseconds.
const NAP: Duration = Duration::from_micros(20);
/// A thread that has not offered its core for this long has slept anyway: between two jobs, or while it waited for the disk.
const AWAY: Duration = Duration::from_millis(4);

thread_local! {
    /// When the turn of this thread began.
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Offers the core of this thread to others.
pub(super) fn offer_core() {
    let now = Instant::now();
    let turn = BEGAN.get().map(|began| now.duration_since(began)).filter(|turn| *turn < AWAY);
    match turn {
        None => BEGAN.set(Some(now)),
        Some(turn) if turn < TURN => thread::yield_now(),
        Some(_) => {
            thread::sleep(NAP);
            BEGAN.set(Some(Instant::now()));
        }
    }
}
