//! Decides what a trigger can answer, and what can be known of its answers beforehand.

use crate::operator::window::TimeDomain;

/// What is to become of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// It is evaluated, and keeps what it holds.
    Fire,
    /// It forgets what it holds, and goes on.
    Purge,
    /// It is evaluated, forgets what it holds, and goes on.
    FireAndPurge,
}

impl TriggerResult {
    /// Whether the window is evaluated.
    #[inline]
    #[must_use]
    pub const fn fires(self) -> bool {
        matches!(self, Self::Fire | Self::FireAndPurge)
    }

    /// Whether the window forgets what it holds.
    #[inline]
    #[must_use]
    pub const fn purges(self) -> bool {
        matches!(self, Self::Purge | Self::FireAndPurge)
    }

    /// The same, but who fires forgets.
    #[inline]
    #[must_use]
    pub const fn purging(self) -> Self {
        if self.fires() { Self::FireAndPurge } else { self }
    }
}

/// What may be known of a trigger without asking it.
///
/// The default triggers have such a rule, and it spares the operator a timer per key and window: it drains all keys of
/// a window at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiringRule {
    /// Nothing.
    Asked,
    /// The window fires once when the time has reached its last timestamp, and again with each record that comes later:
    /// in event time, as long as lateness is allowed; in processing time none comes.
    AtWindowEnd {
        /// Which time.
        domain: TimeDomain,
        /// What the trigger answers then: [`TriggerResult::Fire`] or [`TriggerResult::FireAndPurge`].
        result: TriggerResult,
    },
    /// The window fires once when the watermark has reached the end of time, which it does if the input ends.
    AtEndOfStream {
        /// What the trigger answers then.
        result: TriggerResult,
    },
    /// The window never fires.
    Never,
}

impl FiringRule {
    /// The rule of the same trigger if who fires forgets.
    #[must_use]
    pub const fn purging(self) -> Self {
        match self {
            Self::AtWindowEnd { domain, result } => Self::AtWindowEnd { domain, result: result.purging() },
            Self::AtEndOfStream { result } => Self::AtEndOfStream { result: result.purging() },
            Self::Asked | Self::Never => self,
        }
    }
}
