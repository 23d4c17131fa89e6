//! Collects latencies of all subtasks in one histogram.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Microseconds per nanosecond.
const MICROS: f64 = 1.0 / 1000.0;

/// A minute: what is slower counts as that.
const SLOWEST_NANOS: u64 = 60_000_000_000;

/// A histogram of nanoseconds, and the one of all clones, which it is added to when it goes.
pub(crate) struct Latencies {
    own: Histogram<u64>,
    all: AllLatencies,
}

/// The histogram of all clones that are gone.
#[derive(Clone)]
pub(crate) struct AllLatencies(Arc<Mutex<Histogram<u64>>>);

impl Latencies {
    /// An empty histogram, with three significant digits, and the place where its clones meet.
    pub(crate) fn new() -> Result<(Self, AllLatencies), String> {
        let own = Histogram::new_with_max(SLOWEST_NANOS, 3).map_err(|error| error.to_string())?;
        let all = AllLatencies(Arc::new(Mutex::new(own.clone())));
        Ok((Self { own, all: all.clone() }, all))
    }

    #[inline]
    pub(crate) fn add(&mut self, nanos: u64) {
        self.own.saturating_record(nanos);
    }
}

impl Clone for Latencies {
    fn clone(&self) -> Self {
        Self { own: Histogram::new_from(&self.own), all: self.all.clone() }
    }
}

impl Drop for Latencies {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.add(&self.own).expect("all of them have the same bounds");
    }
}

impl AllLatencies {
    /// Percentiles in microseconds.
    pub(crate) fn summary(&self) -> Value {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| all.value_at_quantile(quantile) as f64 * MICROS;
        json!({
            "p50": at(0.5),
            "p99": at(0.99),
            "p99.9": at(0.999),
            "p99.99": at(0.9999),
            "max": all.max() as f64 * MICROS,
            "measured": all.len(),
        })
    }
}
