//! A model of checkpoint rounds that keeps nothing but the whole history and derives every answer from it.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Heard(RoundEvent),
    Did(RoundAction),
}

/// Everything heard and done, in order, with its second; the model keeps nothing else and searches for the rest.
struct History {
    config: RoundsConfig,
    subtasks: u32,
    facts: Vec<(Moment, Fact)>,
}

impl History {
    fn dids(&self) -> impl DoubleEndedIterator<Item = (usize, Moment, &RoundAction)> {
        self.facts.iter().enumerate().filter_map(|(index, (moment, fact))| match fact {
            Fact::Did(action) => Some((index, *moment, action)),
            Fact::Heard(_) => None,
        })
    }

    /// Where and when a round opened, and its kind.
    fn opened(&self, id: CheckpointId) -> Option<(usize, Moment, RoundKind)> {
        self.dids().find_map(|(index, moment, action)| match action {
            Trigger { checkpoint, kind } if *checkpoint == id => Some((index, moment, *kind)),
            _ => None,
        })
    }

    fn newest(&self) -> CheckpointId {
        cp(self.dids().filter(|(_, _, action)| matches!(action, Trigger { .. })).count() as u64)
    }

    fn running(&self) -> Vec<CheckpointId> {
        let is_over = |id| {
            self.dids().any(|(_, _, action)| match action {
                Announce { checkpoint } | Abandon { checkpoint, .. } => *checkpoint == id,
                _ => false,
            })
        };
        (1..=self.newest().0).map(cp).filter(|id| !is_over(*id)).collect()
    }

    fn missing(&self, id: CheckpointId) -> Vec<SubtaskId> {
        let (start, ..) = self.opened(id).unwrap();
        let acked = |subtask| (Fact::Heard(Acked { checkpoint: id, subtask }), start);
        let is_missing = |subtask: &SubtaskId| {
            let (ack, start) = acked(*subtask);
            !self.facts[start..].iter().any(|(_, fact)| *fact == ack)
        };
        (0..self.subtasks).map(subtask).filter(is_missing).collect()
    }

    fn is_publishing(&self, id: CheckpointId) -> bool {
        self.running().contains(&id) && self.dids().any(|(_, _, action)| *action == Publish { checkpoint: id })
    }

    fn stopped(&self) -> Option<usize> {
        self.dids().find(|(_, _, action)| matches!(action, Trigger { kind: Stop, .. })).map(|(index, ..)| index)
    }

    fn gave_up(&self) -> bool {
        self.dids().any(|(_, _, action)| matches!(action, GiveUp { .. }))
    }

    fn failures(&self) -> u32 {
        let since = self.dids().rev().take_while(|(_, _, action)| !matches!(action, Announce { .. }));
        let failed = |action: &RoundAction| match action {
            Abandon { reason, .. } => !matches!(reason, AbandonReason::Subsumed { .. }),
            _ => false,
        };
        since.filter(|(_, _, action)| failed(action)).count() as u32
    }

    /// Whether the pause behind the last failure is over, if nothing has completed since.
    fn may_retry(&self, now: Moment) -> bool {
        let is_failure = |action: &RoundAction| match action {
            Abandon { reason, .. } => !matches!(reason, AbandonReason::Subsumed { .. }),
            _ => false,
        };
        let Some((_, failed_at, _)) = self.dids().rev().find(|(_, _, action)| is_failure(action)) else { return true };
        let pause = match self.failures() {
            0 => 0,
            1 => 10,
            2 => 20,
            3 => 40,
            _ => 80,
        };
        now.since(failed_at) >= Duration::from_millis(pause)
    }

    /// The most pressing of what was asked for, or failed and must be repeated, since a round last opened.
    fn wanted(&self) -> Option<RoundKind> {
        let is_trigger = |fact: &Fact| matches!(fact, Fact::Did(Trigger { .. }));
        let start = self.facts.iter().rposition(|(_, fact)| is_trigger(fact)).unwrap_or(0);
        let asks = self.facts[start..].iter().filter_map(|(_, fact)| match fact {
            Fact::Heard(Requested { kind }) if self.stopped().is_none() => Some(*kind),
            Fact::Did(Abandon { checkpoint, reason, .. }) => {
                let (_, _, kind) = self.opened(*checkpoint).unwrap();
                let is_subsumed = matches!(reason, AbandonReason::Subsumed { .. });
                let is_repeated = if is_subsumed { kind == Final } else { kind != Periodic };
                is_repeated.then_some(kind)
            }
            _ => None,
        });
        asks.max()
    }

    /// Whether a final round is complete.
    fn is_over(&self) -> bool {
        self.dids().any(|(_, _, action)| match action {
            Announce { checkpoint } => self.opened(*checkpoint).unwrap().2 == Final,
            _ => false,
        })
    }

    fn opens(&self, now: Moment) -> Option<RoundKind> {
        let running = self.running().len();
        let last_start = self.dids().rev().find(|(_, _, action)| matches!(action, Trigger { .. }));
        let last_end = self.dids().rev().find(|(_, _, action)| matches!(action, Announce { .. } | Abandon { .. }));
        let pause = self.config.min_pause;
        let is_rested =
            pause == Duration::ZERO || (running == 0 && last_end.is_none_or(|(_, end, _)| now.since(end) >= pause));
        let is_due = self
            .config
            .interval
            .is_some_and(|interval| now.since(last_start.map_or(Moment::ZERO, |(_, start, _)| start)) >= interval);
        let has_place = running == 0 || running < self.config.max_concurrent;
        match self.wanted() {
            _ if !has_place || self.gave_up() || self.is_over() || !self.may_retry(now) => None,
            Some(Stop) => (running == 0).then_some(Stop),
            Some(Final) => Some(Final),
            Some(kind) => is_rested.then_some(kind),
            None => (self.stopped().is_none() && is_due && is_rested).then_some(Periodic),
        }
    }

    fn fail(&mut self, now: Moment, id: CheckpointId, reason: AbandonReason) {
        let missing = self.missing(id);
        let last = format!("checkpoint {id} {reason}");
        let cause = match &reason {
            AbandonReason::Declined { reason, .. } | AbandonReason::PublishFailed { reason } => Some(reason.clone()),
            _ => None,
        };
        self.facts.push((now, Fact::Did(Abandon { checkpoint: id, reason, missing })));
        let (failures, tolerable) = (self.failures(), self.config.tolerable_failures);
        if failures > tolerable {
            let reason = format!("{last} (failed checkpoints in a row: {failures}, tolerable: {tolerable})");
            self.facts.push((now, Fact::Did(GiveUp { reason, failures, cause })));
        }
    }

    /// Adds what is heard and what must be done, and returns the latter.
    fn hear(&mut self, event: &RoundEvent, now: Moment) -> Vec<RoundAction> {
        if self.gave_up() {
            return Vec::new();
        }
        let before: Vec<_> =
            self.running().into_iter().map(|id| (id, self.missing(id), self.is_publishing(id))).collect();
        self.facts.push((now, Fact::Heard(event.clone())));
        let start = self.facts.len();
        for (id, missing, is_publishing) in before {
            if self.gave_up() || !self.running().contains(&id) {
                continue;
            }
            match event {
                Tick if !missing.is_empty() && now.since(self.opened(id).unwrap().1) >= self.config.timeout => {
                    self.fail(now, id, AbandonReason::Expired { timeout: self.config.timeout });
                }
                Declined { checkpoint, subtask, reason } if *checkpoint == id && missing.contains(subtask) => {
                    self.fail(now, id, AbandonReason::Declined { subtask: *subtask, reason: reason.clone() });
                }
                PublishFailed { checkpoint, reason } if *checkpoint == id && is_publishing => {
                    self.fail(now, id, AbandonReason::PublishFailed { reason: reason.clone() });
                }
                Published { checkpoint } if *checkpoint == id && is_publishing => {
                    self.facts.push((now, Fact::Did(announce(id.0))));
                    for older in self.running().into_iter().filter(|older| *older < id) {
                        let (reason, missing) = (AbandonReason::Subsumed { by: id }, self.missing(older));
                        self.facts.push((now, Fact::Did(Abandon { checkpoint: older, reason, missing })));
                    }
                }
                _ => {}
            }
        }
        if let Some(kind) = self.opens(now) {
            self.facts.push((now, Fact::Did(Trigger { checkpoint: self.newest().next(), kind })));
        }
        let running = self.running();
        if !self.gave_up() && !running.iter().any(|id| self.is_publishing(*id)) {
            let ready = running.into_iter().find(|id| self.missing(*id).is_empty());
            self.facts.extend(ready.map(|id| (now, Fact::Did(publish(id.0)))));
        }
        self.dids().filter(|(index, ..)| *index >= start).map(|(_, _, action)| action.clone()).collect()
    }

    /// What a tick at `now` would do; the history stays as it is.
    fn tick(&mut self, now: Moment) -> Vec<RoundAction> {
        let length = self.facts.len();
        let actions = self.hear(&Tick, now);
        self.facts.truncate(length);
        actions
    }
}

/// Builds events about a round counted back from the one after the newest, so that most events hit a running round.
#[derive(Debug, Clone)]
enum Draw {
    Event(RoundEvent),
    AckOne { back: u64, index: u32 },
    AckAll { back: u64 },
    Decline { back: u64, index: u32 },
    Publish { back: u64, is_durable: bool },
}

impl Draw {
    fn events(self, newest: CheckpointId) -> Vec<RoundEvent> {
        let round = |back: u64| (newest.0 + 1).saturating_sub(back);
        match self {
            Self::Event(event) => vec![event],
            Self::AckOne { back, index } => vec![acked(round(back), index)],
            Self::AckAll { back } => (0..3).map(|index| acked(round(back), index)).collect(),
            Self::Decline { back, index } => vec![declined(round(back), index)],
            Self::Publish { back, is_durable: true } => vec![published(round(back))],
            Self::Publish { back, is_durable: false } => vec![publish_failed(round(back))],
        }
    }
}

fn draws() -> impl Strategy<Value = Draw> {
    let kinds = prop_oneof![4 => Just(Periodic), 4 => Just(Early), 2 => Just(Final), 1 => Just(Stop)];
    prop_oneof![
        6 => Just(Draw::Event(Tick)),
        4 => kinds.prop_map(|kind| Draw::Event(requested(kind))),
        4 => (0u64..4, 0u32..4).prop_map(|(back, index)| Draw::AckOne { back, index }),
        4 => (1u64..3).prop_map(|back| Draw::AckAll { back }),
        1 => (0u64..4, 0u32..4).prop_map(|(back, index)| Draw::Decline { back, index }),
        6 => (0u64..4, prop::bool::weighted(0.85))
            .prop_map(|(back, is_durable)| Draw::Publish { back, is_durable }),
    ]
}

fn configs() -> impl Strategy<Value = RoundsConfig> {
    let pauses = prop_oneof![Just(0u64), 1u64..8];
    (prop::option::of(1u64..20), pauses, 5u64..30, 0usize..4, 0u32..4).prop_map(
        |(interval, min_pause, timeout, max_concurrent, tolerable_failures)| RoundsConfig {
            interval: interval.map(secs),
            min_pause: secs(min_pause),
            timeout: secs(timeout),
            max_concurrent,
            tolerable_failures,
        },
    )
}

proptest! {
    #[test]
    fn rounds_equal_a_search_through_the_whole_history(
        config in configs(),
        subtasks in 0u32..4,
        draws in prop::collection::vec((0u64..6, draws()), 0..50),
    ) {
        let mut rounds = Rounds::new(config.clone(), (0..subtasks).map(subtask), cp(1), Moment::ZERO);
        let mut history = History { config, subtasks, facts: Vec::new() };
        let mut second = 0;
        for (gap, draw) in draws {
            second += gap;
            for event in draw.events(history.newest()) {
                let expected = history.hear(&event, at(second));
                prop_assert_eq!(rounds.step(event, at(second)), expected, "last of {:?}", history.facts);
            }
            // A tick does something at the deadline, and nothing a millisecond before it.
            match rounds.next_deadline() {
                None => prop_assert_eq!(history.tick(at(second + 100_000)), []),
                Some(deadline) => {
                    let due = deadline.max(at(second));
                    prop_assert_ne!(history.tick(due), [], "deadline {:?} after {:?}", due, history.facts);
                    if due > at(second) {
                        let before = Moment::after_start(due.since_start() - Duration::from_millis(1));
                        prop_assert_eq!(history.tick(before), [], "deadline {:?} after {:?}", due, history.facts);
                    }
                }
            }
        }
    }
}
