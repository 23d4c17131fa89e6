//! The restart policy as options: which policy, and the numbers that each policy needs.

use millstream_actors::protocol::RestartPolicy;

use super::list::{
    RESTART_ATTEMPTS, RESTART_DELAY, RESTART_FAILURES, RESTART_GROWTH, RESTART_IMMEDIATE, RESTART_JITTER,
    RESTART_LIMIT, RESTART_POLICY, RESTART_RESET, RESTART_WITHIN,
};
use super::settings::{Origin, Settings};

/// The kinds of [`RestartPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restarts {
    Never,
    Fixed,
    Rate,
    Exponential,
}

impl Restarts {
    pub(super) const ALL: [Self; 4] = [Self::Never, Self::Fixed, Self::Rate, Self::Exponential];
    pub(super) const WORDS: &[&str] = &["none", "fixed", "rate", "exponential"];

    pub(super) fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl Settings {
    /// The restart policy that the options make.
    pub(crate) fn restart_policy(&self) -> RestartPolicy {
        let (attempts, delay) = (self.get(RESTART_ATTEMPTS), self.get(RESTART_DELAY));
        match self.get(RESTART_POLICY) {
            Restarts::Never => RestartPolicy::None,
            Restarts::Fixed => RestartPolicy::FixedDelay { attempts, delay },
            Restarts::Rate => RestartPolicy::FailureRate {
                max_failures: self.get(RESTART_FAILURES),
                per: self.get(RESTART_WITHIN),
                delay,
            },
            Restarts::Exponential => RestartPolicy::ExponentialDelay {
                initial: delay,
                max: self.get(RESTART_LIMIT),
                multiplier: self.get(RESTART_GROWTH),
                jitter: self.get(RESTART_JITTER),
                reset_after: self.get(RESTART_RESET),
                attempts,
                immediate_first: self.get(RESTART_IMMEDIATE),
            },
        }
    }

    /// Sets the options that make `policy`.
    pub(crate) fn put_restart_policy(&mut self, policy: &RestartPolicy, origin: Origin) {
        let restarts = match *policy {
            RestartPolicy::None => Restarts::Never,
            RestartPolicy::FixedDelay { attempts, delay } => {
                self.put(RESTART_ATTEMPTS, attempts, origin);
                self.put(RESTART_DELAY, delay, origin);
                Restarts::Fixed
            }
            RestartPolicy::FailureRate { max_failures, per, delay } => {
                self.put(RESTART_FAILURES, max_failures, origin);
                self.put(RESTART_WITHIN, per, origin);
                self.put(RESTART_DELAY, delay, origin);
                Restarts::Rate
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
                self.put(RESTART_DELAY, initial, origin);
                self.put(RESTART_LIMIT, max, origin);
                self.put(RESTART_GROWTH, multiplier, origin);
                self.put(RESTART_JITTER, jitter, origin);
                self.put(RESTART_RESET, reset_after, origin);
                self.put(RESTART_ATTEMPTS, attempts, origin);
                self.put(RESTART_IMMEDIATE, immediate_first, origin);
                Restarts::Exponential
            }
        };
        self.put(RESTART_POLICY, restarts, origin);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn policies() -> impl Strategy<Value = RestartPolicy> {
        let attempts = || proptest::option::of(0..=u32::MAX);
        let time = || (0..86_400_000_000u64).prop_map(Duration::from_micros);
        prop_oneof![
            Just(RestartPolicy::None),
            (attempts(), time()).prop_map(|(attempts, delay)| RestartPolicy::FixedDelay { attempts, delay }),
            (any::<u32>(), time(), time()).prop_map(|(max_failures, per, delay)| RestartPolicy::FailureRate {
                max_failures,
                per,
                delay
            }),
            (time(), time(), 1.0..100.0, 0.0..=1.0, time(), attempts(), any::<bool>()).prop_map(
                |(initial, max, multiplier, jitter, reset_after, attempts, immediate_first)| {
                    RestartPolicy::ExponentialDelay {
                        initial,
                        max,
                        multiplier,
                        jitter,
                        reset_after,
                        attempts,
                        immediate_first,
                    }
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn policy_survives_being_written_as_options_and_read_again(policy in policies()) {
            let mut settings = Settings::default();
            settings.put_restart_policy(&policy, Origin::Code);
            prop_assert_eq!(settings.restart_policy(), policy.clone());

            let mut read = Settings::default();
            for setting in settings.all().filter(|setting| setting.origin != Origin::Default) {
                read.read(setting.field.name(), &setting.value, Origin::CommandLine).expect("it was written");
            }
            prop_assert_eq!(read.restart_policy(), policy);
        }
    }

    #[test]
    fn without_settings_the_policy_is_that_of_the_protocol() {
        assert_eq!(Settings::default().restart_policy(), RestartPolicy::default());
    }
}
