//! The names of counters and gauges: declared once, as constants, with what they mean.

/// The name of a counter.
///
/// # Example
/// ```
/// use millstream::metrics::CounterName;
///
/// const RETRIES: CounterName = CounterName::new("shop.retries", "Calls of the shop that were tried again.");
/// assert!(RETRIES.is_durable());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterName {
    name: &'static str,
    doc: &'static str,
    is_durable: bool,
}

impl CounterName {
    /// A counter that is part of checkpoints: after a restart it goes back with the records, so that a record which is
    /// processed twice is counted once.
    #[must_use]
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, is_durable: true }
    }

    /// The same, but counting what the present attempt does: it begins with zero at each restart.
    #[must_use]
    pub const fn of_attempt(self) -> Self {
        Self { is_durable: false, ..self }
    }

    /// The name: words with dots between them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What is counted.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        self.doc
    }

    /// Whether it is part of checkpoints.
    #[must_use]
    pub const fn is_durable(self) -> bool {
        self.is_durable
    }
}

/// The name of a gauge: a number that rises and falls. It is part of no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GaugeName {
    name: &'static str,
    doc: &'static str,
}

impl GaugeName {
    /// A gauge.
    #[must_use]
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc }
    }

    /// The name: words with dots between them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What it shows.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        self.doc
    }
}
