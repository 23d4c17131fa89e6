//! Stays with a running job until it ends: says what it starts from, shows progress, passes signals on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use millstream_actors::observe::{JobEventKind, JobStatus};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::runtime::{JobHandle, Ledger};

/// How often the bar moves and signals are looked for.
const GLANCE: Duration = Duration::from_millis(100);
/// The length of the bar, in steps.
const BAR: u64 = 1000;

/// Waits for `job` to end, as [`main`](super::main) does, and gives its ledger.
///
/// Says on standard error what the job starts from and how it ends, shows a progress bar on a terminal if the input has
/// a known end. SIGINT and SIGTERM stop the job behind a final checkpoint; a second one ends the process at once.
///
/// # Errors
/// If signals cannot be listened to, or the job fails for good.
pub fn attend(mut job: JobHandle) -> Result<Ledger> {
    let name = job.plan().name.clone();
    if job.had_finished() {
        eprintln!("'{name}' has finished already; --fresh runs it anew");
        return job.wait();
    }
    match job.resumed_from() {
        Some(checkpoint) => eprintln!("'{name}' resumes from checkpoint {checkpoint}"),
        None => eprintln!("'{name}' starts from nothing"),
    }
    let told_to_stop = listen()?;
    let mut stopping = false;
    let bar = ProgressBar::new(BAR);
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}").unwrap_or(ProgressStyle::default_bar()),
    );
    let (mut seen, mut failed) = (0, None);
    while !job.wait_for(GLANCE) {
        let events = job.events_since(seen);
        seen = events.next;
        for event in events.events {
            match &event.kind {
                JobEventKind::AttemptFailed { failure, .. } => failed = Some(failure.clone()),
                JobEventKind::RestartScheduled { .. } => {
                    if let Some(failure) = failed.take() {
                        bar.suspend(|| eprintln!("'{name}' restarts: {failure}"));
                    }
                }
                _ => {}
            }
        }
        if told_to_stop.load(Ordering::Relaxed) && !std::mem::replace(&mut stopping, true) {
            bar.suspend(|| eprintln!("'{name}' stops behind a final checkpoint"));
            job.stop();
        }
        if let Some(progress) = job.progress() {
            bar.set_message(format!("{} records in", job.ledger().records_in));
            bar.set_position((progress * BAR as f64) as u64);
        }
    }
    bar.finish_and_clear();
    let ledger = job.wait()?;
    match job.status() {
        JobStatus::Stopped(checkpoint) => eprintln!("'{name}' has stopped behind checkpoint {checkpoint}"),
        JobStatus::Finished => eprintln!("'{name}' has finished"),
        _ => eprintln!("'{name}' was cancelled"),
    }
    Ok(ledger)
}

/// Sets the returned flag at the first signal; the second ends the process with the shell's code for an interrupt.
fn listen() -> Result<Arc<AtomicBool>> {
    let told_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the second signal finds the flag that the first one set.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&told_to_stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&told_to_stop)))
            .map_err(|error| Error::other(format!("signals cannot be listened to: {error}")))?;
    }
    Ok(told_to_stop)
}
