//! The laws of checkpoint rounds as tables.

use super::RoundAction::{Abandon, Announce, GiveUp, Publish, Trigger};
use super::RoundEvent::{Acked, Declined, PublishFailed, Published, Requested, Tick};
use super::RoundKind::{Early, Final, Periodic, Stop};
use super::*;
use crate::error::Cause;

#[path = "rounds_model.rs"]
mod model;

fn cp(n: u64) -> CheckpointId {
    CheckpointId(n)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Moment {
    Moment::after_start(secs(seconds))
}

fn subtask(index: u32) -> SubtaskId {
    SubtaskId::new(0, index)
}

fn acked(n: u64, index: u32) -> RoundEvent {
    Acked { checkpoint: cp(n), subtask: subtask(index) }
}

fn declined(n: u64, index: u32) -> RoundEvent {
    Declined { checkpoint: cp(n), subtask: subtask(index), reason: SeamError::transient("disk full") }
}

fn published(n: u64) -> RoundEvent {
    Published { checkpoint: cp(n) }
}

fn publish_failed(n: u64) -> RoundEvent {
    PublishFailed { checkpoint: cp(n), reason: SeamError::transient("no space") }
}

fn requested(kind: RoundKind) -> RoundEvent {
    Requested { kind }
}

fn trigger(n: u64, kind: RoundKind) -> RoundAction {
    Trigger { checkpoint: cp(n), kind }
}

fn publish(n: u64) -> RoundAction {
    Publish { checkpoint: cp(n) }
}

fn announce(n: u64) -> RoundAction {
    Announce { checkpoint: cp(n) }
}

fn abandon(n: u64, reason: AbandonReason, missing: &[u32]) -> RoundAction {
    Abandon { checkpoint: cp(n), reason, missing: missing.iter().copied().map(subtask).collect() }
}

fn abandon_declined(n: u64, by: u32, missing: &[u32]) -> RoundAction {
    abandon(n, AbandonReason::Declined { subtask: subtask(by), reason: SeamError::transient("disk full") }, missing)
}

fn on_request() -> RoundsConfig {
    RoundsConfig { interval: None, tolerable_failures: 9, ..RoundsConfig::default() }
}

/// Plays `(second, event, actions)` with `subtasks` subtasks and checkpoint 1 as the first.
fn play(config: RoundsConfig, subtasks: u32, steps: &[(u64, RoundEvent, &[RoundAction])]) -> Rounds {
    let mut rounds = Rounds::new(config, (0..subtasks).map(subtask), cp(1), Moment::ZERO);
    for (step, (second, event, actions)) in steps.iter().enumerate() {
        assert_eq!(rounds.step(event.clone(), at(*second)), *actions, "step {step}, {event:?} at {second} s");
    }
    rounds
}

#[test]
fn round_is_announced_after_all_have_answered_and_the_manifest_is_durable() {
    play(
        RoundsConfig::default(),
        2,
        &[
            (9, Tick, &[]),
            (10, Tick, &[trigger(1, Periodic)]),
            (11, acked(1, 0), &[]),
            (12, acked(1, 1), &[publish(1)]),
            (13, published(1), &[announce(1)]),
        ],
    );
}

#[test]
fn answers_that_no_round_waits_for_are_ignored() {
    play(
        RoundsConfig { tolerable_failures: 1, ..RoundsConfig::default() },
        2,
        &[
            (0, acked(1, 0), &[]),
            (10, Tick, &[trigger(1, Periodic)]),
            (10, acked(1, 0), &[]),
            (10, acked(1, 0), &[]),
            (10, acked(1, 7), &[]),
            (10, declined(1, 7), &[]),
            (10, declined(1, 0), &[]),
            (10, acked(2, 1), &[]),
            (10, published(1), &[]),
            (10, declined(1, 1), &[abandon_declined(1, 1, &[1])]),
            (11, acked(1, 1), &[]),
            (20, Tick, &[trigger(2, Periodic)]),
            (20, acked(1, 1), &[]),
            (20, acked(2, 0), &[]),
            (20, acked(2, 1), &[publish(2)]),
            (20, declined(2, 1), &[]),
            (20, published(1), &[]),
            (20, published(2), &[announce(2)]),
            (20, published(2), &[]),
        ],
    );
}

#[test]
fn interval_counts_from_the_start_of_the_round_before() {
    let mut rounds = play(
        RoundsConfig::default(),
        1,
        &[(10, Tick, &[trigger(1, Periodic)]), (14, acked(1, 0), &[publish(1)]), (15, published(1), &[announce(1)])],
    );
    assert_eq!(rounds.next_deadline(), Some(at(20)));
    assert_eq!(rounds.step(Tick, at(20)), [trigger(2, Periodic)]);
}

#[test]
fn round_that_outlasts_the_interval_is_followed_at_once() {
    play(
        RoundsConfig::default(),
        1,
        &[
            (10, Tick, &[trigger(1, Periodic)]),
            (25, Tick, &[]),
            (30, acked(1, 0), &[publish(1)]),
            (31, published(1), &[announce(1), trigger(2, Periodic)]),
        ],
    );
}

#[test]
fn minimum_pause_counts_from_the_end_of_the_round_before() {
    let config = RoundsConfig { min_pause: secs(8), ..RoundsConfig::default() };
    let mut rounds = play(
        config,
        1,
        &[(10, Tick, &[trigger(1, Periodic)]), (15, acked(1, 0), &[publish(1)]), (15, published(1), &[announce(1)])],
    );
    assert_eq!(rounds.next_deadline(), Some(at(23)));
    assert_eq!(rounds.step(requested(Early), at(16)), []);
    assert_eq!(rounds.next_deadline(), Some(at(23)));
    assert_eq!(rounds.step(Tick, at(22)), []);
    assert_eq!(rounds.step(Tick, at(23)), [trigger(2, Early)]);
}

#[test]
fn minimum_pause_keeps_rounds_from_running_side_by_side() {
    let config = RoundsConfig { min_pause: secs(1), max_concurrent: 3, ..on_request() };
    let steps: [(u64, RoundEvent, &[RoundAction]); 3] = [
        (1, requested(Periodic), &[trigger(1, Periodic)]),
        (2, requested(Early), &[]),
        (3, requested(Final), &[trigger(2, Final)]),
    ];
    play(config, 1, &steps);
}

#[test]
fn without_an_interval_rounds_open_only_on_request() {
    let mut rounds = play(on_request(), 1, &[(9_999, Tick, &[])]);
    assert_eq!(rounds.next_deadline(), None);
    assert_eq!(rounds.step(requested(Periodic), at(9_999)), [trigger(1, Periodic)]);
}

#[test]
fn waiting_requests_are_answered_by_one_round_of_the_most_pressing_kind() {
    play(
        on_request(),
        1,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (1, requested(Early), &[]),
            (1, requested(Final), &[]),
            (1, requested(Periodic), &[]),
            (2, acked(1, 0), &[publish(1)]),
            (3, published(1), &[announce(1), trigger(2, Final)]),
            (4, acked(2, 0), &[publish(2)]),
            (5, published(2), &[announce(2)]),
        ],
    );
}

#[test]
fn final_round_waits_for_a_free_place_and_for_nothing_else() {
    let config = RoundsConfig { min_pause: secs(60), interval: Some(secs(3_600)), ..RoundsConfig::default() };
    play(
        config,
        1,
        &[
            (0, requested(Early), &[trigger(1, Early)]),
            (1, requested(Final), &[]),
            (2, acked(1, 0), &[publish(1)]),
            (3, published(1), &[announce(1), trigger(2, Final)]),
        ],
    );
}

#[test]
fn nothing_opens_after_the_stop_round() {
    let mut rounds = play(
        RoundsConfig { max_concurrent: 3, ..RoundsConfig::default() },
        1,
        &[
            (10, Tick, &[trigger(1, Periodic)]),
            (11, requested(Stop), &[]),
            (21, Tick, &[]),
            (22, acked(1, 0), &[publish(1)]),
            (23, published(1), &[announce(1), trigger(2, Stop)]),
            (24, requested(Early), &[]),
            (40, Tick, &[]),
            (41, acked(2, 0), &[publish(2)]),
            (42, published(2), &[announce(2)]),
            (43, requested(Final), &[]),
            (44, requested(Stop), &[]),
        ],
    );
    assert_eq!(rounds.next_deadline(), None);
    assert_eq!(rounds.step(Tick, at(9_999)), []);
}

#[test]
fn nothing_opens_after_a_final_round_is_complete() {
    let mut rounds = play(
        RoundsConfig::default(),
        1,
        &[
            (1, requested(Final), &[trigger(1, Final)]),
            (2, acked(1, 0), &[publish(1)]),
            (3, published(1), &[announce(1)]),
            (40, Tick, &[]),
            (41, requested(Early), &[]),
        ],
    );
    assert_eq!((rounds.next_deadline(), rounds.step(Tick, at(9_999))), (None, vec![]));
}

#[test]
fn failed_round_that_somebody_waits_for_is_tried_again() {
    for (kind, again) in [(Periodic, None), (Early, Some(Early)), (Final, Some(Final)), (Stop, Some(Stop))] {
        let mut rounds = play(on_request(), 1, &[(0, requested(kind), &[trigger(1, kind)])]);
        assert_eq!(rounds.step(declined(1, 0), at(1)), [abandon_declined(1, 0, &[0])], "{kind}");
        assert_eq!(rounds.step(Tick, at(2)), again.map(|kind| trigger(2, kind)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn pause_behind_failures_doubles_up_to_a_second_and_is_forgotten_after_a_success() {
    let mut rounds = play(on_request(), 1, &[(0, requested(Early), &[trigger(1, Early)])]);
    let mut now = at(0);
    for (round, pause) in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000].into_iter().enumerate() {
        let _ = rounds.step(declined(round as u64 + 1, 0), now);
        assert_eq!(rounds.next_deadline(), Some(now + Duration::from_millis(pause)));
        now = now + Duration::from_millis(pause);
        assert_eq!(rounds.step(Tick, now), [trigger(round as u64 + 2, Early)]);
    }
    let _ = (rounds.step(acked(10, 0), now), rounds.step(published(10), now));
    assert_eq!(rounds.step(requested(Early), now), [trigger(11, Early)]);
}

#[test]
fn round_expires_when_it_is_out_of_time() {
    let config = RoundsConfig { timeout: secs(30), ..on_request() };
    let mut rounds =
        play(config, 3, &[(5, requested(Periodic), &[trigger(1, Periodic)]), (6, acked(1, 1), &[]), (34, Tick, &[])]);
    assert_eq!(rounds.next_deadline(), Some(at(35)));
    let expired = AbandonReason::Expired { timeout: secs(30) };
    assert_eq!(rounds.step(Tick, at(35)), [abandon(1, expired, &[0, 2])]);
    assert_eq!(rounds.step(acked(1, 0), at(36)), [], "a late answer");
    assert_eq!(rounds.next_deadline(), None);
}

#[test]
fn round_no_longer_expires_once_it_is_being_published() {
    let rounds = play(
        on_request(),
        1,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (599, acked(1, 0), &[publish(1)]),
            (700, Tick, &[]),
            (701, published(1), &[announce(1)]),
        ],
    );
    assert_eq!(rounds.next_deadline(), None);
}

#[test]
fn answer_that_is_heard_before_the_tick_still_counts() {
    play(
        on_request(),
        1,
        &[(0, requested(Periodic), &[trigger(1, Periodic)]), (601, acked(1, 0), &[publish(1)]), (602, Tick, &[])],
    );
}

#[test]
fn failure_to_publish_fails_the_round() {
    let reason = AbandonReason::PublishFailed { reason: SeamError::transient("no space") };
    play(
        on_request(),
        1,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (1, publish_failed(1), &[]),
            (1, acked(1, 0), &[publish(1)]),
            (2, publish_failed(1), &[abandon(1, reason, &[])]),
            (3, published(1), &[]),
        ],
    );
}

#[test]
fn error_that_no_other_round_can_mend_gives_up_at_once() {
    let broken = || Cause::from(Box::from("checksum"));
    let gives_up = |event: &dyn Fn(SeamError) -> RoundEvent, expected: &dyn Fn(SeamError) -> AbandonReason| {
        for cause in [SeamError::Untrusted(broken()), SeamError::Mistake(broken())] {
            let mut rounds = Rounds::new(on_request(), [subtask(0)], cp(1), at(0));
            assert_eq!(rounds.step(requested(Periodic), at(0)), [trigger(1, Periodic)]);
            let missing = match event(cause.clone()) {
                PublishFailed { .. } => {
                    assert_eq!(rounds.step(acked(1, 0), at(1)), [publish(1)]);
                    &[][..]
                }
                _ => &[0],
            };
            let reason = expected(cause.clone());
            let words = format!("checkpoint 1 {reason}");
            let give_up = GiveUp { reason: words, failures: 1, cause: Some(cause.clone()) };
            assert_eq!(rounds.step(event(cause), at(2)), [abandon(1, reason, missing), give_up]);
            assert_eq!(rounds.step(requested(Periodic), at(3)), []);
        }
    };
    gives_up(&|reason| PublishFailed { checkpoint: cp(1), reason }, &|reason| AbandonReason::PublishFailed { reason });
    gives_up(&|reason| Declined { checkpoint: cp(1), subtask: subtask(0), reason }, &|reason| {
        AbandonReason::Declined { subtask: subtask(0), reason }
    });
}

#[test]
fn one_failure_more_in_a_row_than_tolerable_gives_up_once() {
    let give_up = GiveUp {
        reason: "checkpoint 3 declined by subtask 0.0: disk full (failed checkpoints in a row: 3, tolerable: 2)"
            .to_owned(),
        failures: 3,
        cause: Some(SeamError::transient("disk full")),
    };
    let mut rounds = play(
        RoundsConfig { tolerable_failures: 2, ..RoundsConfig::default() },
        1,
        &[
            (10, Tick, &[trigger(1, Periodic)]),
            (10, declined(1, 0), &[abandon_declined(1, 0, &[0])]),
            (20, Tick, &[trigger(2, Periodic)]),
            (20, declined(2, 0), &[abandon_declined(2, 0, &[0])]),
            (20, declined(2, 0), &[]),
            (30, Tick, &[trigger(3, Periodic)]),
            (30, declined(3, 0), &[abandon_declined(3, 0, &[0]), give_up]),
            (40, Tick, &[]),
            (40, requested(Stop), &[]),
        ],
    );
    assert_eq!(rounds.next_deadline(), None);
    assert_eq!(rounds.step(declined(4, 0), at(50)), []);
}

#[test]
fn completed_checkpoint_forgives_the_failures_before_it() {
    play(
        RoundsConfig { tolerable_failures: 1, ..on_request() },
        1,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (0, declined(1, 0), &[abandon_declined(1, 0, &[0])]),
            (1, requested(Periodic), &[trigger(2, Periodic)]),
            (1, acked(2, 0), &[publish(2)]),
            (1, published(2), &[announce(2)]),
            (2, requested(Periodic), &[trigger(3, Periodic)]),
            (2, declined(3, 0), &[abandon_declined(3, 0, &[0])]),
        ],
    );
}

#[test]
fn default_gives_up_at_the_first_failure() {
    let mut rounds = play(RoundsConfig::default(), 1, &[(10, Tick, &[trigger(1, Periodic)])]);
    let actions = rounds.step(declined(1, 0), at(11));
    assert!(matches!(actions.as_slice(), [Abandon { .. }, GiveUp { failures: 1, .. }]), "{actions:?}");
}

#[test]
fn newer_checkpoint_subsumes_older_rounds_and_that_is_no_failure() {
    play(
        RoundsConfig { max_concurrent: 2, tolerable_failures: 0, ..on_request() },
        2,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (1, requested(Periodic), &[trigger(2, Periodic)]),
            (2, requested(Periodic), &[]),
            (3, acked(1, 1), &[]),
            (3, acked(2, 0), &[]),
            (3, acked(2, 1), &[publish(2)]),
            (
                4,
                published(2),
                &[announce(2), abandon(1, AbandonReason::Subsumed { by: cp(2) }, &[0]), trigger(3, Periodic)],
            ),
            (5, acked(1, 0), &[]),
        ],
    );
}

#[test]
fn rounds_are_published_one_at_a_time_in_their_order() {
    play(
        RoundsConfig { max_concurrent: 2, ..on_request() },
        1,
        &[
            (0, requested(Periodic), &[trigger(1, Periodic)]),
            (0, requested(Periodic), &[trigger(2, Periodic)]),
            (1, acked(1, 0), &[publish(1)]),
            (1, acked(2, 0), &[]),
            (2, published(2), &[]),
            (3, published(1), &[announce(1), publish(2)]),
            (4, published(2), &[announce(2)]),
        ],
    );
}

#[test]
fn subsumed_final_round_is_opened_again() {
    play(
        RoundsConfig { max_concurrent: 2, ..on_request() },
        2,
        &[
            (0, requested(Final), &[trigger(1, Final)]),
            (0, requested(Early), &[trigger(2, Early)]),
            (1, acked(2, 0), &[]),
            (1, acked(2, 1), &[publish(2)]),
            (
                2,
                published(2),
                &[announce(2), abandon(1, AbandonReason::Subsumed { by: cp(2) }, &[0, 1]), trigger(3, Final)],
            ),
        ],
    );
}

#[test]
fn round_of_no_subtasks_is_complete_at_once() {
    play(on_request(), 0, &[(0, requested(Periodic), &[trigger(1, Periodic), publish(1)])]);
}

#[test]
fn reasons_read_as_sentences() {
    let table = [
        (AbandonReason::Expired { timeout: secs(600) }, "expired after 600s"),
        (AbandonReason::PublishFailed { reason: SeamError::transient("no space") }, "could not be published: no space"),
        (AbandonReason::Subsumed { by: cp(9) }, "subsumed by checkpoint 9"),
    ];
    for (reason, text) in table {
        assert_eq!(reason.to_string(), text);
    }
}
