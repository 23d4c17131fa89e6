//! The laws of the watermark valve as tables, and a model that derives every answer from the whole history.

use proptest::prelude::*;

use super::TimeSignal::{Active, Idle};
use super::*;

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn at(millis: i64, channel: u32) -> ValveEvent {
    ValveEvent::Watermark { channel: ChannelId(channel), at: time(millis) }
}

fn max(channel: u32) -> ValveEvent {
    ValveEvent::Watermark { channel: ChannelId(channel), at: Timestamp::MAX }
}

fn idle(channel: u32) -> ValveEvent {
    ValveEvent::Idle { channel: ChannelId(channel) }
}

fn active(channel: u32) -> ValveEvent {
    ValveEvent::Active { channel: ChannelId(channel) }
}

fn end(channel: u32) -> ValveEvent {
    ValveEvent::End { channel: ChannelId(channel) }
}

fn wm(millis: i64) -> TimeSignal {
    TimeSignal::Watermark(time(millis))
}

fn play(channels: usize, steps: &[(ValveEvent, &[TimeSignal])]) -> WatermarkValve {
    let mut valve = WatermarkValve::new(channels);
    for (step, (event, outputs)) in steps.iter().enumerate() {
        assert_eq!(valve.step(*event), *outputs, "step {step}, {event:?}");
    }
    valve
}

#[test]
fn m1_watermark_is_the_lowest_of_all_channels() {
    play(
        3,
        &[
            (at(0, 0), &[]),
            (at(0, 1), &[]),
            (at(0, 2), &[wm(0)]),
            (at(12, 0), &[]),
            (at(8, 2), &[]),
            (at(10, 2), &[]),
            (at(15, 1), &[wm(10)]),
            (at(17, 2), &[wm(12)]),
            (at(20, 0), &[wm(15)]),
        ],
    );
}

#[test]
fn m2_watermark_that_goes_back_is_ignored() {
    play(1, &[(at(25, 0), &[wm(25)]), (at(18, 0), &[]), (at(25, 0), &[]), (at(42, 0), &[wm(42)])]);
}

#[test]
fn earliest_watermark_is_a_watermark_and_the_absence_of_time_is_none() {
    let none = ValveEvent::Watermark { channel: ChannelId(0), at: Timestamp::NONE };
    let earliest = ValveEvent::Watermark { channel: ChannelId(0), at: Timestamp::MIN };
    play(1, &[(none, &[]), (earliest, &[TimeSignal::Watermark(Timestamp::MIN)])]);
}

#[test]
fn m3_idle_channel_does_not_hold_the_watermark_back() {
    play(
        3,
        &[(at(15, 0), &[]), (at(10, 1), &[]), (idle(2), &[wm(10)]), (at(18, 1), &[wm(15)]), (at(20, 0), &[wm(18)])],
    );
}

#[test]
fn m6_watermark_of_an_idle_channel_is_ignored() {
    play(
        1,
        &[(at(25, 0), &[wm(25)]), (idle(0), &[Idle]), (at(50, 0), &[]), (active(0), &[Active]), (at(50, 0), &[wm(50)])],
    );
}

#[test]
fn m7_subtask_is_idle_when_all_channels_are_and_active_when_one_is() {
    play(
        2,
        &[
            (idle(0), &[]),
            (idle(1), &[Idle]),
            (idle(1), &[]),
            (active(0), &[Active]),
            (active(1), &[]),
            (active(1), &[]),
        ],
    );
}

#[test]
fn m5_last_channel_to_fall_idle_lets_the_watermark_rise_to_the_highest() {
    play(
        3,
        &[
            (at(25, 0), &[]),
            (at(18, 1), &[]),
            (at(10, 2), &[wm(10)]),
            (idle(0), &[]),
            (idle(1), &[]),
            (idle(2), &[wm(25), Idle]),
        ],
    );
}

#[test]
fn falling_idle_one_by_one_raises_the_watermark_step_by_step() {
    play(
        3,
        &[
            (at(5, 0), &[]),
            (at(10, 1), &[]),
            (at(20, 2), &[wm(5)]),
            (idle(0), &[wm(10)]),
            (idle(1), &[wm(20)]),
            (idle(2), &[Idle]),
        ],
    );
}

#[test]
fn m4_channel_that_wakes_behind_is_not_counted_until_it_has_caught_up() {
    play(
        2,
        &[
            (at(10, 0), &[]),
            (at(5, 1), &[wm(5)]),
            (idle(1), &[wm(10)]),
            (active(1), &[]),
            (at(15, 0), &[wm(15)]),
            (at(14, 1), &[]),
            (at(16, 0), &[wm(16)]),
            (at(16, 1), &[]),
            (at(20, 0), &[]),
            (at(18, 1), &[wm(18)]),
        ],
    );
}

#[test]
fn channel_that_wakes_level_with_the_watermark_counts_at_once() {
    play(2, &[(at(10, 0), &[]), (at(10, 1), &[wm(10)]), (idle(1), &[]), (active(1), &[]), (at(20, 0), &[])]);
}

#[test]
fn channel_that_is_behind_alone_can_neither_raise_nor_lower_the_watermark() {
    play(
        2,
        &[
            (idle(1), &[]),
            (at(10, 0), &[wm(10)]),
            (active(1), &[]),
            (idle(0), &[]),
            (at(7, 1), &[]),
            (at(11, 1), &[wm(11)]),
        ],
    );
}

#[test]
fn highest_idle_watermark_is_reached_even_if_the_last_active_channel_was_behind() {
    play(
        3,
        &[
            (at(30, 0), &[]),
            (at(10, 1), &[]),
            (idle(2), &[wm(10)]),
            (active(2), &[]),
            (idle(0), &[]),
            (idle(1), &[]),
            (idle(2), &[wm(30), Idle]),
        ],
    );
}

#[test]
fn waking_channel_that_is_ahead_raises_the_watermark_when_nothing_else_counts() {
    play(
        3,
        &[
            (at(30, 0), &[]),
            (at(10, 1), &[]),
            (idle(2), &[wm(10)]),
            (active(2), &[]),
            (idle(0), &[]),
            (idle(1), &[]),
            (active(0), &[wm(30)]),
        ],
    );
}

#[test]
fn ended_channel_no_longer_holds_the_watermark_back() {
    play(3, &[(at(5, 0), &[]), (at(9, 1), &[]), (end(2), &[wm(5)]), (end(0), &[wm(9)]), (at(12, 1), &[wm(12)])]);
}

#[test]
fn end_of_all_channels_says_nothing_by_itself() {
    play(2, &[(at(5, 0), &[]), (at(5, 1), &[wm(5)]), (end(0), &[]), (end(1), &[])]);
    play(1, &[(idle(0), &[Idle]), (end(0), &[])]);
}

#[test]
fn end_of_time_is_reached_when_every_channel_has_reached_it() {
    let end_of_time = TimeSignal::Watermark(Timestamp::MAX);
    play(2, &[(max(0), &[]), (end(0), &[]), (max(1), &[end_of_time]), (end(1), &[])]);
}

#[test]
fn end_of_the_last_active_channel_leaves_an_idle_subtask() {
    play(2, &[(at(7, 0), &[]), (at(3, 1), &[wm(3)]), (idle(0), &[]), (end(1), &[wm(7), Idle]), (active(0), &[Active])]);
}

#[test]
fn ended_channel_does_not_lift_the_idle_ones_to_the_end_of_time() {
    play(2, &[(max(0), &[]), (at(3, 1), &[wm(3)]), (end(0), &[]), (idle(1), &[Idle])]);
}

#[test]
fn end_of_time_is_not_reached_while_an_idle_channel_may_wake() {
    play(
        2,
        &[
            (at(3, 0), &[]),
            (idle(0), &[]),
            (at(7, 1), &[wm(7)]),
            (max(1), &[Idle]),
            (end(1), &[]),
            (active(0), &[Active]),
            (at(9, 0), &[wm(9)]),
        ],
    );
}

#[test]
fn channel_at_the_end_of_time_is_left_out_like_one_that_has_ended() {
    play(3, &[(at(5, 0), &[]), (at(9, 1), &[]), (max(2), &[wm(5)]), (max(0), &[wm(9)]), (at(12, 1), &[wm(12)])]);
}

#[test]
fn input_that_is_opened_later_holds_the_watermark_back_from_then_on() {
    let mut valve = WatermarkValve::new(0);
    let first = valve.open();
    assert_eq!(valve.step(at(5, first.0)), [wm(5)]);
    let second = valve.open();
    assert_eq!((first, second), (ChannelId(0), ChannelId(1)));
    assert_eq!(valve.step(at(8, first.0)), []);
    assert_eq!(valve.holds_back(), Some(second));
    assert_eq!(valve.step(at(7, second.0)), [wm(7)]);
    assert_eq!((valve.watermark(), valve.watermark_of(first)), (time(7), time(8)));
}

#[test]
fn input_takes_the_place_of_one_that_has_ended_and_the_watermark_does_not_go_back() {
    let mut valve = WatermarkValve::new(1);
    assert_eq!(valve.step(at(5, 0)), [wm(5)]);
    assert_eq!(valve.step(end(0)), []);
    assert_eq!(valve.open(), ChannelId(0));
    assert_eq!(valve.step(at(3, 0)), []);
    assert_eq!(valve.step(at(6, 0)), [wm(6)]);
}

#[test]
fn input_that_is_opened_wakes_an_idle_subtask_with_its_next_word() {
    let mut valve = WatermarkValve::new(1);
    assert_eq!(valve.step(idle(0)), [Idle]);
    let opened = valve.open();
    assert!(valve.is_idle());
    assert_eq!(valve.step(active(opened.0)), [Active]);
    assert!(!valve.is_idle());
}

#[test]
fn channel_that_holds_the_watermark_back_is_named() {
    let mut valve = WatermarkValve::new(3);
    let table = [
        (at(5, 0), Some(1), "never sent one, and comes before channel 2"),
        (at(7, 1), Some(2), "never sent one"),
        (at(6, 2), Some(0), "lowest of three"),
        (idle(0), Some(2), "lowest of those that count"),
        (active(0), Some(2), "channel 0 is behind and does not count"),
        (idle(2), Some(1), "the only one that counts"),
        (end(1), None, "none counts"),
    ];
    for (event, expected, why) in table {
        let _ = valve.step(event);
        assert_eq!(valve.holds_back(), expected.map(ChannelId), "{why}");
    }
}

#[test]
fn straggler_has_said_less_than_another_that_counts() {
    let mut valve = WatermarkValve::new(3);
    let table = [
        (at(5, 0), None, "two have said nothing: nobody knows whether they are behind"),
        (at(5, 1), None, "one has said nothing"),
        (at(5, 2), None, "all are as far"),
        (at(6, 2), Some(0), "one is ahead; of the others the first"),
        (at(7, 0), Some(1), "the second"),
        (idle(1), Some(2), "an idle one does not count"),
        (end(0), None, "nor does one that has ended"),
        (active(1), None, "nor one that wakes behind what was said"),
        (at(8, 1), Some(2), "one that has caught up does"),
    ];
    for (event, expected, why) in table {
        let _ = valve.step(event);
        assert_eq!(valve.straggler(), expected.map(ChannelId), "{why}");
    }
}

/// Every past event with the outputs that the model gave for it; all facts are searched for in here.
struct History {
    channels: u32,
    past: Vec<(ValveEvent, Vec<TimeSignal>)>,
}

impl History {
    /// What is true of a channel just before the event at `until`.
    fn last_said(&self, channel: u32, until: usize) -> Option<(usize, ValveEvent)> {
        let says = [idle(channel), active(channel), end(channel)];
        (0..until).rev().map(|index| (index, self.past[index].0)).find(|(_, event)| says.contains(event))
    }

    fn is_ended(&self, channel: u32, until: usize) -> bool {
        self.past[..until].iter().any(|(event, _)| *event == end(channel))
    }

    fn is_idle(&self, channel: u32, until: usize) -> bool {
        self.last_said(channel, until).is_some_and(|(_, said)| said == idle(channel))
    }

    fn watermark(&self, channel: u32, until: usize) -> Timestamp {
        let heard =
            (0..until).filter(|index| !self.is_idle(channel, *index)).filter_map(|index| match self.past[index].0 {
                ValveEvent::Watermark { channel: ChannelId(from), at } if from == channel => Some(at),
                _ => None,
            });
        heard.max().unwrap_or(Timestamp::NONE)
    }

    fn output(&self, until: usize) -> Timestamp {
        let sent = self.past[..until].iter().flat_map(|(_, outputs)| outputs).filter_map(|output| match output {
            TimeSignal::Watermark(at) => Some(*at),
            _ => None,
        });
        sent.max().unwrap_or(Timestamp::NONE)
    }

    /// Whether nothing is still to come through a channel.
    fn is_done(&self, channel: u32, until: usize) -> bool {
        self.is_ended(channel, until) || self.watermark(channel, until) == Timestamp::MAX
    }

    /// A channel counts if, at some moment since it last woke, it was level with what had been sent by then.
    fn counts(&self, channel: u32, until: usize) -> bool {
        let is_open = !self.is_done(channel, until) && !self.is_idle(channel, until);
        let mut since = 0;
        for index in 0..until {
            if self.past[index].0 == active(channel) && self.is_idle(channel, index) {
                since = index;
            }
        }
        is_open && (since..until).any(|index| self.watermark(channel, index + 1) >= self.output(index))
    }

    /// What the last event of the history, whose outputs are not filled in yet, should lead to.
    fn expect(&self) -> Vec<TimeSignal> {
        let until = self.past.len();
        let open: Vec<u32> = (0..self.channels).filter(|channel| !self.is_done(*channel, until)).collect();
        let is_idle = !open.is_empty() && open.iter().all(|channel| self.is_idle(*channel, until));
        let is_over = open.is_empty() && (0..self.channels).any(|channel| !self.is_ended(channel, until));
        let mut said =
            self.past.iter().flat_map(|(_, outputs)| outputs).filter(|output| matches!(output, Idle | Active));
        let was_idle = said.next_back() == Some(&Idle);
        let mut outputs = Vec::new();
        if was_idle && (is_over || open.iter().any(|channel| !self.is_idle(*channel, until))) {
            outputs.push(Active);
        }
        let reached = if is_over {
            Some(Timestamp::MAX)
        } else if is_idle {
            open.iter().map(|channel| self.watermark(*channel, until)).max()
        } else {
            let counted = open.iter().filter(|channel| self.counts(**channel, until));
            counted.map(|channel| self.watermark(*channel, until)).min()
        };
        outputs.extend(reached.filter(|at| *at > self.output(until)).map(TimeSignal::Watermark));
        if is_idle && !was_idle {
            outputs.push(Idle);
        }
        outputs
    }
}

fn events() -> impl Strategy<Value = ValveEvent> {
    prop_oneof![
        10 => (0i64..30, 0u32..4).prop_map(|(millis, channel)| at(millis, channel)),
        1 => (0u32..4).prop_map(max),
        4 => (0u32..4).prop_map(idle),
        4 => (0u32..4).prop_map(active),
        1 => (0u32..4).prop_map(end),
    ]
}

proptest! {
    #[test]
    fn valve_equals_a_search_through_the_whole_history(
        channels in 0u32..4,
        events in prop::collection::vec(events(), 0..40),
    ) {
        let mut valve = WatermarkValve::new(channels as usize);
        let mut history = History { channels, past: Vec::new() };
        for event in events {
            let (ValveEvent::Watermark { channel, .. }
            | ValveEvent::Idle { channel }
            | ValveEvent::Active { channel }
            | ValveEvent::End { channel }) = event;
            if channel.0 >= channels || history.is_ended(channel.0, history.past.len()) {
                continue;
            }
            history.past.push((event, Vec::new()));
            let expected = history.expect();
            prop_assert_eq!(valve.step(event), expected.clone(), "after {:?}", history.past);
            history.past.last_mut().unwrap().1 = expected;

            let now = history.past.len();
            let lowest = (0..channels)
                .filter(|channel| history.counts(*channel, now))
                .min_by_key(|channel| history.watermark(*channel, now));
            prop_assert_eq!(valve.holds_back(), lowest.map(ChannelId), "after {:?}", history.past);
        }
    }
}
