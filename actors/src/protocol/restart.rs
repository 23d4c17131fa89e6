//! Decides how long a failed job waits before its next attempt, or that there is no next attempt.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::time::Moment;

/// When and how often a failed job is started again.
///
/// # Units
/// Every `Duration` is machine time. The default is [`RestartPolicy::ExponentialDelay`] with `initial` 1 s, `max`
/// 1 min, `multiplier` 1.5, `jitter` 0.1, `reset_after` 1 h, no limit on the attempts, and an immediate first restart.
#[derive(Debug, Clone, PartialEq)]
pub enum RestartPolicy {
    /// The first failure is final.
    None,
    /// The same delay before each restart.
    FixedDelay {
        /// How many restarts there are in all; `None` is without limit.
        attempts: Option<u32>,
        /// The wait before each restart.
        delay: Duration,
    },
    /// The same delay before each restart, until failures come too fast.
    FailureRate {
        /// How many failures within `per` are survived; one more is final.
        max_failures: u32,
        /// The span of time in which failures are counted; a failure exactly this old still counts.
        per: Duration,
        /// The wait before each restart.
        delay: Duration,
    },
    /// A delay that grows with each restart and starts over once the job has run for long enough.
    ExponentialDelay {
        /// The shortest delay, and the first that grows.
        initial: Duration,
        /// The longest delay.
        max: Duration,
        /// The factor from one delay to the next; at least 1.
        multiplier: f64,
        /// The largest part of a delay, from 0 to 1, that chance adds to it or takes from it.
        jitter: f64,
        /// How long after its last restart the job must have run for the delays to start over.
        reset_after: Duration,
        /// How many restarts there are before the delays start over; `None` is without limit.
        attempts: Option<u32>,
        /// Whether the first restart, and the first after the delays started over, waits for nothing. The one after it
        /// then waits for `initial`.
        immediate_first: bool,
    },
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::ExponentialDelay {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            multiplier: 1.5,
            jitter: 0.1,
            reset_after: Duration::from_secs(60 * 60),
            attempts: None,
            immediate_first: true,
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no restart"),
            Self::FixedDelay { attempts, delay } => {
                write!(f, "fixed delay of {delay:?}, {}", Limit(*attempts))
            }
            Self::FailureRate { max_failures, per, delay } => {
                write!(f, "failure rate of at most {max_failures} per {per:?}, delay of {delay:?}")
            }
            Self::ExponentialDelay { initial, max, attempts, .. } => {
                write!(f, "exponential delay of {initial:?} to {max:?}, {}", Limit(*attempts))
            }
        }
    }
}

/// A limit on restarts, as [`RestartPolicy`] displays it.
struct Limit(Option<u32>);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(attempts) => write!(f, "restart limit {attempts}"),
            None => f.write_str("no restart limit"),
        }
    }
}

/// The answer to a failure.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start the next attempt this long from now.
    RestartAfter(Duration),
    /// The failure came before a restart that is already scheduled, which answers it as well.
    AlreadyScheduled,
    /// There is no next attempt, now or later.
    GiveUp {
        /// Which policy suppressed it.
        reason: String,
    },
}

/// Follows the failures of one job and applies its [`RestartPolicy`] to them.
///
/// # State
/// The last scheduled restart, how many there have been, and for a failure rate at most `max_failures` moments.
///
/// # Source
/// `docs/semantics.md`, section 7.
#[derive(Debug, Clone)]
pub struct RestartDecider {
    policy: RestartPolicy,
    /// When the last restart takes or took place.
    scheduled: Option<Moment>,
    /// Restarts decided, since the delays last started over where they do.
    restarts: u32,
    /// The failures that a failure rate still counts, oldest first.
    failures: VecDeque<Moment>,
    gave_up: bool,
}

impl RestartDecider {
    /// Starts without any failure.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, scheduled: None, restarts: 0, failures: VecDeque::new(), gave_up: false }
    }

    /// Answers a failure at `now`. `random` is a number from 0 to below 1, drawn for this call; it decides the jitter.
    ///
    /// Once this gave up, it gives up for good.
    pub fn on_failure(&mut self, now: Moment, random: f64) -> RestartDecision {
        if self.scheduled.is_some_and(|at| now < at) {
            return RestartDecision::AlreadyScheduled;
        }
        let delay = if self.gave_up { None } else { self.next_delay(now, random) };
        let Some(delay) = delay else {
            self.gave_up = true;
            return RestartDecision::GiveUp { reason: format!("recovery is suppressed by {}", self.policy) };
        };
        self.restarts = self.restarts.saturating_add(1);
        self.scheduled = Some(now + delay);
        RestartDecision::RestartAfter(delay)
    }

    /// The wait before the restart that answers a failure at `now`, if the policy allows for one.
    fn next_delay(&mut self, now: Moment, random: f64) -> Option<Duration> {
        match self.policy {
            RestartPolicy::None => None,
            RestartPolicy::FixedDelay { attempts, delay } => self.is_within(attempts).then_some(delay),
            RestartPolicy::FailureRate { max_failures, per, delay } => {
                self.failures.retain(|failure| now.since(*failure) <= per);
                let is_rare = self.failures.len() < max_failures as usize;
                self.failures.push_back(now);
                is_rare.then_some(delay)
            }
            RestartPolicy::ExponentialDelay {
                initial,
                max,
                multiplier,
                jitter,
                reset_after,
                attempts,
                immediate_first,
            } => {
                if self.scheduled.is_some_and(|at| now.since(at) >= reset_after) {
                    self.restarts = 0;
                }
                if !self.is_within(attempts) {
                    return None;
                }
                if immediate_first && self.restarts == 0 {
                    return Some(Duration::ZERO);
                }
                let grown = self.restarts - u32::from(immediate_first);
                let sway = 1.0 + (2.0 * random - 1.0) * jitter;
                Some(grow(initial, max, multiplier, grown, sway))
            }
        }
    }

    fn is_within(&self, attempts: Option<u32>) -> bool {
        attempts.is_none_or(|attempts| self.restarts < attempts)
    }
}

/// `initial`, multiplied `times` times and then by `sway`, but never below `initial` and never above `max`.
///
/// The sway applies before the bounds, so that a delay far above the longest is the longest, whatever chance says.
fn grow(initial: Duration, max: Duration, multiplier: f64, times: u32, sway: f64) -> Duration {
    // A product that leaves the range of numbers stays at its end: infinity times zero would not be a number.
    let growth = multiplier.powf(f64::from(times)).min(f64::MAX);
    let seconds = (initial.as_secs_f64() * growth).min(f64::MAX) * sway;
    let delay = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(max);
    delay.max(initial).min(max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A draw that leaves a delay as it is.
    const EVEN: f64 = 0.5;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn moment(millis: u64) -> Moment {
        Moment::after_start(ms(millis))
    }

    fn exponential(initial: u64, max: u64, multiplier: f64, jitter: f64) -> RestartPolicy {
        RestartPolicy::ExponentialDelay {
            initial: ms(initial),
            max: ms(max),
            multiplier,
            jitter,
            reset_after: ms(100_000),
            attempts: None,
            immediate_first: false,
        }
    }

    fn gave_up(policy: &str) -> RestartDecision {
        RestartDecision::GiveUp { reason: format!("recovery is suppressed by {policy}") }
    }

    /// The delays of failures that each come when the restart before has just taken place.
    fn delays(policy: RestartPolicy, draws: &[f64]) -> Vec<Duration> {
        let mut decider = RestartDecider::new(policy);
        let mut now = Moment::ZERO;
        let mut delays = Vec::new();
        for draw in draws {
            if let RestartDecision::RestartAfter(delay) = decider.on_failure(now, *draw) {
                now = now + delay;
                delays.push(delay);
            }
        }
        assert_eq!(delays.len(), draws.len(), "every failure is followed by a restart");
        delays
    }

    #[test]
    fn delay_grows_by_its_multiplier() {
        let millis: Vec<_> =
            delays(exponential(4, 300, 2.3, 0.0), &[EVEN; 3]).iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [4, 9, 21]);
    }

    #[test]
    fn jitter_stays_between_the_shortest_and_the_longest_delay() {
        let table = [
            (0.0, [ms(2), ms(3), ms(6), ms(7)]),
            (EVEN, [ms(2), ms(4), ms(7), ms(7)]),
            (0.75, [Duration::from_micros(2_250), Duration::from_micros(4_500), ms(7), ms(7)]),
        ];
        for (draw, expected) in table {
            assert_eq!(delays(exponential(2, 7, 2.0, 0.25), &[draw; 4]), expected, "draw {draw}");
        }
    }

    #[test]
    fn first_restart_of_the_default_policy_is_immediate_and_the_second_waits_a_second() {
        let expected = [Duration::ZERO, ms(1_000), ms(1_500), ms(2_250)];
        assert_eq!(delays(RestartPolicy::default(), &[EVEN; 4]), expected);
    }

    #[test]
    fn fixed_delay_restarts_as_often_as_it_says() {
        let mut decider = RestartDecider::new(RestartPolicy::FixedDelay { attempts: Some(3), delay: ms(10_000) });
        for attempt in 0..3 {
            let decision = decider.on_failure(moment(attempt * 20_000), EVEN);
            assert_eq!(decision, RestartDecision::RestartAfter(ms(10_000)));
        }
        let reason = gave_up("fixed delay of 10s, restart limit 3");
        assert_eq!(decider.on_failure(moment(60_000), EVEN), reason);
        assert_eq!(decider.on_failure(moment(900_000), EVEN), reason, "for good");
    }

    #[test]
    fn no_restart_gives_up_at_the_first_failure() {
        let mut decider = RestartDecider::new(RestartPolicy::None);
        assert_eq!(decider.on_failure(Moment::ZERO, EVEN), gave_up("no restart"));
    }

    #[test]
    fn failure_before_the_scheduled_restart_is_merged_into_it() {
        let mut decider = RestartDecider::new(RestartPolicy::FixedDelay { attempts: Some(1), delay: ms(10) });
        let table = [
            (0, RestartDecision::RestartAfter(ms(10))),
            (0, RestartDecision::AlreadyScheduled),
            (9, RestartDecision::AlreadyScheduled),
            (10, gave_up("fixed delay of 10ms, restart limit 1")),
        ];
        for (at, expected) in table {
            assert_eq!(decider.on_failure(moment(at), EVEN), expected, "failure at {at} ms");
        }
    }

    #[test]
    fn delays_start_over_after_a_long_enough_run() {
        for (immediate_first, first) in [(false, ms(4)), (true, Duration::ZERO)] {
            let policy = RestartPolicy::ExponentialDelay {
                initial: ms(4),
                max: ms(100),
                multiplier: 2.0,
                jitter: 0.0,
                reset_after: ms(1_000),
                attempts: Some(3),
                immediate_first,
            };
            let mut decider = RestartDecider::new(policy);
            assert_eq!(decider.on_failure(moment(0), EVEN), RestartDecision::RestartAfter(first));
            let second = if immediate_first { ms(4) } else { ms(8) };
            assert_eq!(decider.on_failure(moment(100), EVEN), RestartDecision::RestartAfter(second));
            let ran_since = moment(100) + second;
            let almost = ran_since + ms(999);
            let third = if immediate_first { ms(8) } else { ms(16) };
            assert_eq!(decider.clone().on_failure(almost, EVEN), RestartDecision::RestartAfter(third));
            assert_eq!(decider.on_failure(ran_since + ms(1_000), EVEN), RestartDecision::RestartAfter(first));
            let again = decider.on_failure(ran_since + ms(1_500), EVEN);
            assert_eq!(again, RestartDecision::RestartAfter(second), "and the count of restarts as well");
        }
    }

    #[test]
    fn failure_rate_gives_up_when_failures_come_too_fast() {
        let policy = RestartPolicy::FailureRate { max_failures: 2, per: ms(100), delay: ms(1) };
        let table: [(&str, &[u64], bool); 4] = [
            ("as many as allowed", &[0, 50], false),
            ("one more within the span", &[0, 50, 100], true),
            ("one more after the span", &[0, 50, 101, 151], false),
            ("slow and then fast", &[0, 500, 510, 520], true),
        ];
        for (case, failures, is_final) in table {
            let mut decider = RestartDecider::new(policy.clone());
            let last = failures.iter().map(|at| decider.on_failure(moment(*at), EVEN)).last();
            let gave_up = gave_up("failure rate of at most 2 per 100ms, delay of 1ms");
            let expected = if is_final { gave_up } else { RestartDecision::RestartAfter(ms(1)) };
            assert_eq!(last, Some(expected), "{case}");
        }
    }

    #[test]
    fn delay_without_bounds_does_not_overflow() {
        let policy = RestartPolicy::ExponentialDelay {
            initial: ms(1),
            max: Duration::MAX,
            multiplier: 1e300,
            jitter: 1.0,
            reset_after: Duration::MAX,
            attempts: None,
            immediate_first: false,
        };
        for draw in [0.0, EVEN, 0.999] {
            let mut decider = RestartDecider::new(policy.clone());
            let first = decider.on_failure(Moment::ZERO, EVEN);
            assert_eq!(first, RestartDecision::RestartAfter(ms(1)));
            let expected = if draw == 0.0 { ms(1) } else { Duration::MAX };
            assert_eq!(decider.on_failure(moment(1), draw), RestartDecision::RestartAfter(expected), "draw {draw}");
        }
    }

    /// What the model says of one failure: nothing new, a restart at a delay between two bounds, or the end.
    #[derive(Debug)]
    enum Expected {
        Merged,
        Between(f64, f64),
        End,
    }

    /// Decides about the last of `failures`, given all earlier ones and the restarts `(at, of)` that they led to.
    fn expect(policy: &RestartPolicy, earlier: &[u64], restarts: &[(u64, Duration)], now: u64) -> Expected {
        let last_restart = restarts.last().map(|(at, delay)| ms(*at) + *delay);
        if last_restart.is_some_and(|at| ms(now) < at) {
            return Expected::Merged;
        }
        match policy {
            RestartPolicy::None => Expected::End,
            RestartPolicy::FixedDelay { attempts, delay } => match attempts {
                Some(attempts) if restarts.len() >= *attempts as usize => Expected::End,
                _ => Expected::Between(delay.as_millis() as f64, delay.as_millis() as f64),
            },
            RestartPolicy::FailureRate { max_failures, per, delay } => {
                let recent = earlier.iter().filter(|at| u128::from(now - **at) <= per.as_millis()).count();
                let delay = delay.as_millis() as f64;
                if recent >= *max_failures as usize { Expected::End } else { Expected::Between(delay, delay) }
            }
            RestartPolicy::ExponentialDelay {
                initial,
                max,
                multiplier,
                jitter,
                reset_after,
                attempts,
                immediate_first,
            } => {
                let (initial, max) = (initial.as_millis() as f64, max.as_millis() as f64);
                let mut streak = 0;
                let starts = restarts.iter().map(|(at, _)| *at).skip(1).chain([now]);
                for ((at, delay), next_failure) in restarts.iter().zip(starts) {
                    let restarted = ms(*at) + *delay;
                    streak = if restarted + *reset_after <= ms(next_failure) { 0 } else { streak + 1 };
                }
                if attempts.is_some_and(|attempts| streak >= attempts) {
                    return Expected::End;
                }
                if *immediate_first && streak == 0 {
                    return Expected::Between(0.0, 0.0);
                }
                let mut delay = initial;
                for _ in u32::from(*immediate_first)..streak {
                    delay *= multiplier;
                }
                let bound = |delay: f64| delay.max(initial).min(max);
                Expected::Between(bound(delay * (1.0 - jitter)), bound(delay * (1.0 + jitter)))
            }
        }
    }

    fn policies() -> impl Strategy<Value = RestartPolicy> {
        let attempts = || prop::option::of(0u32..5);
        prop_oneof![
            Just(RestartPolicy::None),
            (attempts(), 0u64..50).prop_map(|(attempts, d)| RestartPolicy::FixedDelay { attempts, delay: ms(d) }),
            (0u32..4, 0u64..200, 0u64..50).prop_map(|(max_failures, per, delay)| RestartPolicy::FailureRate {
                max_failures,
                per: ms(per),
                delay: ms(delay),
            }),
            (1u64..20, 20u64..90, 1u32..5, 0u32..5, 0u64..120, attempts(), any::<bool>()).prop_map(
                |(initial, max, multiplier, jitter, reset_after, attempts, immediate_first)| {
                    RestartPolicy::ExponentialDelay {
                        initial: ms(initial),
                        max: ms(max),
                        multiplier: f64::from(multiplier),
                        jitter: f64::from(jitter) / 4.0,
                        reset_after: ms(reset_after),
                        attempts,
                        immediate_first,
                    }
                }
            ),
        ]
    }

    proptest! {
        /// The model counts again from the first failure each time. It does not draw: it gives the bounds of a delay.
        #[test]
        fn decider_equals_a_count_over_all_failures(
            policy in policies(),
            gaps in prop::collection::vec((0u64..150, 0usize..3), 0..30),
        ) {
            let mut decider = RestartDecider::new(policy.clone());
            let (mut now, mut earlier, mut restarts) = (0, Vec::new(), Vec::new());
            for (gap, draw) in gaps {
                now += gap;
                let decision = decider.on_failure(moment(now), [0.0, EVEN, 0.999][draw]);
                match (expect(&policy, &earlier, &restarts, now), decision) {
                    (Expected::Merged, RestartDecision::AlreadyScheduled) => continue,
                    (Expected::End, RestartDecision::GiveUp { .. }) => break,
                    (Expected::Between(low, high), RestartDecision::RestartAfter(delay)) => {
                        let found = delay.as_secs_f64() * 1e3;
                        prop_assert!(low - 1e-3 <= found && found <= high + 1e-3, "{} in {}..{}", found, low, high);
                        restarts.push((now, delay));
                    }
                    (expected, found) => prop_assert!(false, "expected {:?}, found {:?}", expected, found),
                }
                earlier.push(now);
            }
        }
    }
}
