//! Decides when a thread that writes lets others have its core.
//!
//! A kernel may let a thread go on until its next tick, some milliseconds, before it asks whether another should run; a
//! subtask that the writer has interrupted in a run slice waits for as long. So writers offer their core between pieces of
//! some tens of microseconds of work. That helps whoever waits for this core, and an offer that nobody takes costs a
//! microsecond. But two subtasks may have to share another core meanwhile. So now and then a writer rests: a kernel looks for
//! work elsewhere when a core falls idle.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

/// Offers between two rests: about half a millisecond of work.
const OFFERS_PER_REST: u32 = 12;
/// How long a rest is, to which kernels add some tens of microseconds. Nobody waits for it to end.
const REST: Duration = Duration::from_micros(20);

thread_local! {
    /// Offers of this thread since its last rest.
    static OFFERS: Cell<u32> = const { Cell::new(0) };
}

/// Offers the core of this thread to others.
pub(super) fn offer_core() {
    let offers = OFFERS.get() + 1;
    if offers < OFFERS_PER_REST {
        OFFERS.set(offers);
        thread::yield_now();
    } else {
        OFFERS.set(0);
        thread::park_timeout(REST);
    }
}
