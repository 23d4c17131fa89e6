//! The laws of alignment as tables, and a model that derives every answer from the whole history.

use proptest::prelude::*;

use super::AlignmentAction::{Align, AllEnded, Snapshot, Subsumed};
use super::*;

fn cp(n: u64) -> CheckpointId {
    CheckpointId(n)
}

fn barrier(n: u64, channel: u32) -> AlignmentEvent {
    AlignmentEvent::Barrier { channel: ChannelId(channel), checkpoint: cp(n) }
}

fn end(channel: u32) -> AlignmentEvent {
    AlignmentEvent::End { channel: ChannelId(channel) }
}

fn triggered(n: u64) -> AlignmentEvent {
    AlignmentEvent::Triggered { checkpoint: cp(n) }
}

fn abandoned(n: u64) -> AlignmentEvent {
    AlignmentEvent::Abandoned { checkpoint: cp(n) }
}

fn align(n: u64) -> AlignmentAction {
    Align { checkpoint: cp(n) }
}

fn snapshot(n: u64) -> AlignmentAction {
    Snapshot { checkpoint: cp(n) }
}

fn subsumed(n: u64) -> AlignmentAction {
    Subsumed { checkpoint: cp(n) }
}

/// Plays events and compares after each: the actions, and the channels that are blocked.
fn play(channels: usize, steps: &[(AlignmentEvent, &[AlignmentAction], &[u32])]) -> Alignment {
    let mut alignment = Alignment::new(channels);
    for (at, (event, actions, blocked)) in steps.iter().enumerate() {
        assert_eq!(alignment.step(*event), *actions, "actions of step {at}, {event:?}");
        let found: Vec<u32> = (0..channels as u32).filter(|id| alignment.is_blocked(ChannelId(*id))).collect();
        assert_eq!(found, *blocked, "blocked channels after step {at}, {event:?}");
    }
    alignment
}

#[test]
fn single_channel_snapshots_at_every_barrier() {
    let steps: Vec<_> = (1..=6).map(|n| (barrier(n, 0), [snapshot(n)])).collect();
    let mut alignment = Alignment::new(1);
    for (event, actions) in steps {
        assert_eq!(alignment.step(event), actions);
        assert!(!alignment.is_blocked(ChannelId(0)));
    }
    assert_eq!(alignment.step(end(0)), [AllEnded]);
}

#[test]
fn channel_waits_from_its_barrier_until_the_last_barrier() {
    let alignment = play(
        3,
        &[
            (barrier(1, 1), &[align(1)], &[1]),
            (barrier(1, 2), &[], &[1, 2]),
            (barrier(1, 0), &[snapshot(1)], &[]),
            (barrier(2, 0), &[align(2)], &[0]),
            (barrier(2, 1), &[], &[0, 1]),
            (barrier(2, 2), &[snapshot(2)], &[]),
        ],
    );
    assert_eq!(alignment.pending(), None);
}

#[test]
fn end_of_the_last_missing_channel_completes_the_round() {
    let alignment = play(2, &[(barrier(1, 0), &[align(1)], &[0]), (end(1), &[snapshot(1)], &[])]);
    assert!(alignment.is_ended(ChannelId(1)));
    assert!(alignment.has_open_channels());
}

#[test]
fn ended_channel_counts_as_arrived_in_every_later_round() {
    play(2, &[(end(1), &[], &[]), (barrier(2, 0), &[snapshot(2)], &[]), (barrier(3, 0), &[snapshot(3)], &[])]);
}

#[test]
fn newer_barrier_gives_the_older_round_up() {
    play(
        3,
        &[
            (barrier(1, 0), &[align(1)], &[0]),
            (barrier(2, 1), &[subsumed(1), align(2)], &[1]),
            (barrier(1, 2), &[], &[1]),
            (barrier(2, 2), &[], &[1, 2]),
            (barrier(2, 0), &[snapshot(2)], &[]),
        ],
    );
}

#[test]
fn newer_barrier_that_completes_its_round_at_once_snapshots_after_giving_up_the_older() {
    play(
        3,
        &[
            (barrier(1, 0), &[align(1)], &[0]),
            (end(2), &[], &[0]),
            (barrier(3, 1), &[subsumed(1), align(3)], &[1]),
            (barrier(3, 0), &[snapshot(3)], &[]),
        ],
    );
}

#[test]
fn abandoned_round_frees_its_channels_and_its_late_barriers_are_ignored() {
    play(
        2,
        &[
            (barrier(1, 0), &[align(1)], &[0]),
            (abandoned(1), &[], &[]),
            (barrier(1, 1), &[], &[]),
            (barrier(2, 0), &[align(2)], &[0]),
            (barrier(2, 1), &[snapshot(2)], &[]),
        ],
    );
}

#[test]
fn round_abandoned_before_its_first_barrier_never_aligns() {
    play(
        2,
        &[
            (abandoned(2), &[], &[]),
            (barrier(1, 0), &[align(1)], &[0]),
            (barrier(1, 1), &[snapshot(1)], &[]),
            (barrier(2, 0), &[], &[]),
            (barrier(2, 1), &[], &[]),
            (barrier(3, 0), &[align(3)], &[0]),
        ],
    );
}

#[test]
fn abandoning_another_round_leaves_the_pending_one_alone() {
    play(
        2,
        &[
            (barrier(2, 0), &[align(2)], &[0]),
            (abandoned(1), &[], &[0]),
            (abandoned(3), &[], &[0]),
            (barrier(2, 1), &[snapshot(2)], &[]),
        ],
    );
}

#[test]
fn source_snapshots_each_round_when_it_is_triggered_and_only_once() {
    let alignment = play(
        0,
        &[
            (triggered(1), &[snapshot(1)], &[]),
            (triggered(1), &[], &[]),
            (abandoned(2), &[], &[]),
            (triggered(2), &[], &[]),
            (triggered(4), &[snapshot(4)], &[]),
            (triggered(3), &[], &[]),
        ],
    );
    assert!(!alignment.has_open_channels());
}

#[test]
fn trigger_says_nothing_to_a_subtask_with_open_channels() {
    play(1, &[(triggered(1), &[], &[]), (barrier(1, 0), &[snapshot(1)], &[]), (triggered(1), &[], &[])]);
}

#[test]
fn trigger_is_remembered_until_the_last_channel_ends_without_a_barrier() {
    play(2, &[(triggered(1), &[], &[]), (end(0), &[], &[]), (end(1), &[snapshot(1), AllEnded], &[])]);
}

#[test]
fn remembered_trigger_is_dropped_when_its_round_is_over() {
    let table: [(&str, AlignmentEvent); 3] = [
        ("its own barrier came", barrier(1, 0)),
        ("a newer barrier came", barrier(2, 0)),
        ("it was abandoned", abandoned(1)),
    ];
    for (case, event) in table {
        let mut alignment = Alignment::new(1);
        let _ = alignment.step(triggered(1));
        let _ = alignment.step(event);
        assert_eq!(alignment.step(end(0)), [AllEnded], "{case}");
    }
}

#[test]
fn last_end_completes_the_pending_round_and_then_the_triggered_ones_in_order() {
    play(
        2,
        &[
            (triggered(1), &[], &[]),
            (triggered(2), &[], &[]),
            (barrier(1, 0), &[align(1)], &[0]),
            (triggered(3), &[], &[0]),
            (abandoned(2), &[], &[0]),
            (end(1), &[snapshot(1)], &[]),
            (end(0), &[snapshot(3), AllEnded], &[]),
        ],
    );
}

#[test]
fn subtask_whose_channels_have_all_ended_snapshots_like_a_source() {
    play(1, &[(end(0), &[AllEnded], &[]), (triggered(5), &[snapshot(5)], &[]), (triggered(4), &[], &[])]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "CH-1")]
fn barrier_after_the_end_of_its_channel_is_a_broken_law() {
    let _ = play(2, &[(end(0), &[], &[])]).step(barrier(1, 0));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "CP-4")]
fn draining_a_blocked_channel_is_a_broken_law() {
    let _ = play(2, &[(barrier(1, 0), &[align(1)], &[0])]).step(end(0));
}

/// Every past event with the actions that the model gave for it; all facts are searched for in here.
struct History {
    channels: u32,
    past: Vec<(AlignmentEvent, Vec<AlignmentAction>)>,
}

impl History {
    fn heard(&self, event: AlignmentEvent) -> bool {
        self.past.iter().any(|(past, _)| *past == event)
    }

    fn did(&self, wanted: impl Fn(&AlignmentAction) -> bool) -> bool {
        self.past.iter().any(|(_, actions)| actions.iter().any(&wanted))
    }

    fn ended(&self, channel: u32) -> bool {
        self.heard(end(channel))
    }

    /// A round is over once it or a newer one was snapshotted, it was subsumed or abandoned, or a newer one began.
    fn over(&self, round: CheckpointId) -> bool {
        self.heard(AlignmentEvent::Abandoned { checkpoint: round })
            || self.did(|action| match action {
                Snapshot { checkpoint } => *checkpoint >= round,
                Align { checkpoint } => *checkpoint > round,
                Subsumed { checkpoint } => *checkpoint == round,
                AllEnded => false,
            })
    }

    fn pending(&self) -> Option<CheckpointId> {
        (0..20).map(cp).find(|round| self.did(|action| *action == Align { checkpoint: *round }) && !self.over(*round))
    }

    fn blocked(&self, channel: u32) -> bool {
        let barrier = |checkpoint| AlignmentEvent::Barrier { channel: ChannelId(channel), checkpoint };
        self.pending().is_some_and(|round| self.heard(barrier(round)))
    }

    /// Whether `channel` has delivered `round` or ended, if `now` happens as well.
    fn delivered(&self, channel: u32, round: u64, now: AlignmentEvent) -> bool {
        [barrier(round, channel), end(channel)].into_iter().any(|event| now == event || self.heard(event))
    }

    fn expect(&self, now: AlignmentEvent) -> Vec<AlignmentAction> {
        let all_ended = (0..self.channels).all(|channel| now == end(channel) || self.ended(channel));
        let mut actions = Vec::new();
        let mut began = None;
        if let AlignmentEvent::Barrier { checkpoint, .. } = now
            && !self.over(checkpoint)
            && self.pending() != Some(checkpoint)
        {
            actions.extend(self.pending().map(|checkpoint| Subsumed { checkpoint }));
            began = Some(checkpoint);
        }
        for round in 0..20 {
            let is_known = began.or(self.pending()) == Some(cp(round))
                || (all_ended && (now == triggered(round) || self.heard(triggered(round))));
            let is_alive = !self.over(cp(round)) && began.is_none_or(|began| began <= cp(round));
            if is_known
                && is_alive
                && (0..self.channels).all(|channel| self.delivered(channel, round, now) || all_ended)
            {
                actions.push(snapshot(round));
                began = None;
            }
        }
        actions.extend(began.map(|checkpoint| Align { checkpoint }));
        if all_ended && matches!(now, AlignmentEvent::End { .. }) {
            actions.push(AllEnded);
        }
        actions
    }
}

fn events() -> impl Strategy<Value = AlignmentEvent> {
    prop_oneof![
        8 => (1u64..7, 0u32..4).prop_map(|(n, channel)| barrier(n, channel)),
        1 => (0u32..4).prop_map(end),
        2 => (1u64..7).prop_map(triggered),
        1 => (1u64..7).prop_map(abandoned),
    ]
}

proptest! {
    #[test]
    fn alignment_equals_a_search_through_the_whole_history(
        channels in 0u32..4,
        events in prop::collection::vec(events(), 0..60),
    ) {
        let mut alignment = Alignment::new(channels as usize);
        let mut history = History { channels, past: Vec::new() };
        for event in events {
            if let AlignmentEvent::Barrier { channel, .. } | AlignmentEvent::End { channel } = event {
                // A subtask takes nothing from a channel that is missing, has ended or is blocked.
                if channel.0 >= channels || history.ended(channel.0) || history.blocked(channel.0) {
                    continue;
                }
            }
            let expected = history.expect(event);
            prop_assert_eq!(alignment.step(event), expected.clone(), "{:?} after {:?}", event, history.past);
            history.past.push((event, expected));
            prop_assert_eq!(alignment.pending(), history.pending());
            prop_assert_eq!(alignment.has_open_channels(), !(0..channels).all(|channel| history.ended(channel)));
            for channel in 0..channels {
                prop_assert_eq!(alignment.is_blocked(ChannelId(channel)), history.blocked(channel));
                prop_assert_eq!(alignment.is_ended(ChannelId(channel)), history.ended(channel));
            }
        }
        let mut snapshots: Vec<_> = history
            .past
            .iter()
            .flat_map(|(_, actions)| actions)
            .filter_map(|action| match action { Snapshot { checkpoint } => Some(*checkpoint), _ => None })
            .collect();
        let taken = snapshots.clone();
        snapshots.sort_unstable();
        snapshots.dedup();
        prop_assert_eq!(taken, snapshots, "each round at most once, in order");
    }
}
