//! Decides when a window fires that needs no trigger to be asked, and when a window is over.

use millstream_actors::time::{Timespan, Timestamp};
use millstream_actors::time_view::NextFiring;

use crate::operator::window::present::Present;
use crate::operator::window::trigger::FiringRule;
use crate::operator::window::{TimeDomain, TimeWindow};

/// When windows of one operator fire, and when they are over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The time that windows lie in.
    pub(crate) domain: TimeDomain,
    lateness: Timespan,
    fires: Fires,
}

/// When windows fire, if that is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fires {
    /// At their end, and with each record that comes later.
    AtWindowEnd {
        /// Whether they forget what they hold.
        purges: bool,
    },
    /// At the end of event time, if they are not over before.
    AtEndOfStream,
    /// Not at all.
    Never,
    /// When the trigger says so.
    WhenAsked,
}

impl Rule {
    /// The rule of windows that lie in `domain`, and fire by `rule`. What lies in processing time is never late.
    pub(crate) fn new(domain: TimeDomain, rule: FiringRule, allowed_lateness: Timespan) -> Self {
        let lateness = if domain == TimeDomain::Event { allowed_lateness } else { Timespan::ZERO };
        Self { domain, lateness, fires: Self::fires_by(domain, rule) }
    }

    /// When windows fire that lie in `domain`, by `rule`.
    pub(crate) const fn fires_by(domain: TimeDomain, rule: FiringRule) -> Fires {
        let is_event = matches!(domain, TimeDomain::Event);
        match rule {
            FiringRule::AtWindowEnd { domain: of, result } if matches!(of, TimeDomain::Event) == is_event => {
                Fires::AtWindowEnd { purges: result.purges() }
            }
            FiringRule::AtEndOfStream { .. } if is_event => Fires::AtEndOfStream,
            FiringRule::Never => Fires::Never,
            _ => Fires::WhenAsked,
        }
    }

    #[inline]
    pub(crate) fn fires(self) -> Fires {
        self.fires
    }

    /// Whether records may come into windows that have fired.
    pub(crate) fn allows_late(self) -> bool {
        self.lateness.is_positive()
    }

    /// When a window fires first; `None` if it does not fire by itself before it is over.
    #[inline]
    pub(crate) fn fires_at(self, window: TimeWindow) -> Option<Timestamp> {
        match self.fires {
            Fires::AtWindowEnd { .. } => Some(window.max_timestamp()),
            Fires::AtEndOfStream if self.over_at(window) == Timestamp::MAX => Some(Timestamp::MAX),
            Fires::AtEndOfStream | Fires::Never | Fires::WhenAsked => None,
        }
    }

    /// The time that cannot be told before everything is known of a window.
    #[inline]
    pub(crate) fn needed_at(self, window: TimeWindow) -> Timestamp {
        self.fires_at(window).unwrap_or_else(|| self.over_at(window))
    }

    /// What a window waits for that fires by this rule.
    pub(crate) fn waits_for(self, window: TimeWindow) -> NextFiring {
        match (self.fires_at(window), self.domain) {
            (Some(at), TimeDomain::Event) => NextFiring::AtWatermark(at),
            (Some(at), TimeDomain::Processing) => NextFiring::AtClock(at),
            (None, _) => NextFiring::Never,
        }
    }

    /// When everything that is kept for a window is let go.
    #[inline]
    pub(crate) fn over_at(self, window: TimeWindow) -> Timestamp {
        window.cleanup_time(self.lateness)
    }

    /// A window that is over at `time`.
    pub(crate) fn window_over_at(self, time: Timestamp) -> TimeWindow {
        let last = time - self.lateness;
        TimeWindow::new(last, last + Timespan::from_millis(1))
    }

    /// Until when windows have fired when an operator opens. Processing time begins anew.
    pub(crate) fn fired_before(self, time: &Present) -> Timestamp {
        match self.domain {
            TimeDomain::Event => time.fired_before(),
            TimeDomain::Processing => Timestamp::MIN,
        }
    }

    /// What the clock shows, if it has come to the end of a window of processing time that a record is put into: such a
    /// window must end before another record comes.
    #[inline]
    pub(crate) fn end_at_once(self, window: TimeWindow, time: &Present) -> Option<Timestamp> {
        let is_processing = self.domain == TimeDomain::Processing;
        is_processing.then(|| time.now()).filter(|now| window.max_timestamp() <= *now)
    }

    /// Whether a window is over for records that come now.
    #[inline]
    pub(crate) fn is_late(self, window: TimeWindow, watermark: Timestamp) -> bool {
        self.domain == TimeDomain::Event && self.over_at(window) <= watermark
    }

    /// Whether a record that is in no window is there because it is late.
    pub(crate) fn is_too_late(self, time: Timestamp, watermark: Timestamp) -> bool {
        self.domain == TimeDomain::Event && time + self.lateness <= watermark
    }
}
