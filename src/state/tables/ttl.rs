//! Decides when a value has lived long enough.

use std::time::Duration;

use millstream_actors::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long values live, in processing time: a value is over when its time-to-live has passed since it was created or
/// written, or read, if that counts.
///
/// Each value has its own time, and so have each entry of a map and each element of a list. Values that are over leave
/// without being asked for: with each access some rows are looked at, those in memory first of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// The time-to-live. What is less than a millisecond of it does not count.
    pub duration: Duration,
    /// What makes it begin anew. Default: creating and writing.
    pub update: TtlUpdate,
    /// What is seen of values that are over. Default: nothing.
    pub visibility: TtlVisibility,
}

/// What makes a time-to-live begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TtlUpdate {
    /// Creating and writing.
    OnCreateAndWrite,
    /// Reading, too. A read is then a change, which the next checkpoint holds.
    OnReadAndWrite,
}

/// What is seen of a value that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TtlVisibility {
    /// Nothing.
    NeverReturnExpired,
    /// The value, as long as it is there.
    ReturnExpiredIfNotCleanedUp,
}

impl Ttl {
    /// The time-to-live of `duration`, with the defaults.
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        Self { duration, update: TtlUpdate::OnCreateAndWrite, visibility: TtlVisibility::NeverReturnExpired }
    }

    /// The same, but it begins anew as `update` says.
    #[must_use]
    pub fn updated(self, update: TtlUpdate) -> Self {
        Self { update, ..self }
    }

    /// The same, but values that are over are seen as `visibility` says.
    #[must_use]
    pub fn visible(self, visibility: TtlVisibility) -> Self {
        Self { visibility, ..self }
    }

    /// Whether a time-to-live that began at `since` is over.
    pub(super) fn is_over(&self, since: Timestamp, now: Timestamp) -> bool {
        let millis = i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX);
        since.as_millis().saturating_add(millis) <= now.as_millis()
    }

    /// Whether a value with a time-to-live that began at `since` is not to be seen any more.
    pub(super) fn is_hidden(&self, since: Timestamp, now: Timestamp) -> bool {
        self.visibility == TtlVisibility::NeverReturnExpired && self.is_over(since, now)
    }

    /// Whether reading a value with a time-to-live that began at `since` makes it begin anew.
    pub(super) fn is_renewed(&self, since: Timestamp, now: Timestamp) -> bool {
        self.update == TtlUpdate::OnReadAndWrite && since != now && !self.is_over(since, now)
    }
}

/// A value and when its time-to-live began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timed<V> {
    pub(super) since: Timestamp,
    pub(super) value: V,
}

impl<V> Timed<V> {
    /// The value, whose time-to-live begins anew.
    pub(super) fn renew(&mut self, now: Timestamp) -> &mut V {
        self.since = now;
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_over_when_its_time_has_passed_and_not_before() {
        let ttl = Ttl::of(Duration::from_millis(10));
        let at = Timestamp::from_millis;
        assert!(!ttl.is_over(at(0), at(9)));
        assert!(ttl.is_over(at(0), at(10)));
        assert!(!ttl.is_over(at(-3), at(6)));
        assert!(!Ttl::of(Duration::MAX).is_over(at(1), Timestamp::from_millis(i64::MAX - 1)));
    }
}
