//! What the operators mean, said in loops over vectors. The order of records means nothing here.

use std::collections::{BTreeMap, BTreeSet};

/// A key and a number.
pub(crate) type Event = (u64, u64);

/// An event with its event time.
pub(crate) type Timed = (Event, i64);

/// Each event with the number of those of its key up to it.
pub(crate) fn counts(events: &[Timed]) -> Vec<Timed> {
    let mut counts = BTreeMap::<u64, u64>::new();
    let count = |((key, _), time): &Timed| {
        let count = counts.entry(*key).or_default();
        *count += 1;
        ((*key, *count), *time)
    };
    events.iter().map(count).collect()
}

/// The start of the last window that holds `time`, if one begins at each multiple of `slide`.
fn last_start(time: i64, slide: i64) -> i64 {
    time - time.rem_euclid(slide)
}

/// The sum of each key in each window, at the window's last timestamp.
pub(crate) fn window_sums(events: &[Timed], size: i64, slide: i64) -> Vec<Timed> {
    let mut sums = BTreeMap::<(u64, i64), u64>::new();
    for ((key, number), time) in events {
        let mut start = last_start(*time, slide);
        while start > time - size {
            *sums.entry((*key, start)).or_default() += number;
            start -= slide;
        }
    }
    sums.into_iter().map(|((key, start), sum)| ((key, sum), start + size - 1)).collect()
}

/// The events of each key, by time.
fn by_key(events: &[Timed]) -> BTreeMap<u64, Vec<(i64, u64)>> {
    let mut by_key = BTreeMap::<u64, Vec<(i64, u64)>>::new();
    events.iter().for_each(|((key, number), time)| by_key.entry(*key).or_default().push((*time, *number)));
    by_key.values_mut().for_each(|events| events.sort_unstable());
    by_key
}

/// Whether an event of a key comes exactly `gap` behind the one before it. What the sessions are is open then: they touch,
/// and are one if the second event comes before the watermark that ends the first session, which it need not.
pub(crate) fn touches(events: &[Timed], gap: i64) -> bool {
    let touches = |events: &Vec<(i64, u64)>| events.windows(2).any(|two| two[1].0 - two[0].0 == gap);
    by_key(events).values().any(touches)
}

/// The sum of each key in each session.
pub(crate) fn session_sums(events: &[Timed], gap: i64) -> Vec<Timed> {
    let mut sums = Vec::new();
    for (key, events) in by_key(events) {
        for session in events.chunk_by(|(earlier, _), (later, _)| later - earlier < gap) {
            let last = session.last().map_or(0, |(time, _)| time + gap - 1);
            sums.push(((key, session.iter().map(|(_, number)| number).sum()), last));
        }
    }
    sums
}

/// The number that a pair of numbers becomes.
pub(crate) fn paired(left: u64, right: u64) -> u64 {
    left.wrapping_mul(1_000_003).wrapping_add(right) % 1_000_000_007
}

/// Each pair of a key whose times lie at most `reach` apart.
pub(crate) fn interval_pairs(left: &[Timed], right: &[Timed], reach: i64) -> Vec<Timed> {
    let mut pairs = Vec::new();
    for ((key, one), at) in left {
        for ((other_key, other), other_at) in right {
            if key == other_key && (other_at - at).abs() <= reach {
                pairs.push(((*key, paired(*one, *other)), *at.max(other_at)));
            }
        }
    }
    pairs
}

/// The time at which an alarm rings for an event of `time`.
pub(crate) fn alarm_time(time: i64, interval: i64) -> i64 {
    last_start(time + interval - 1, interval)
}

/// The number that a time becomes.
pub(crate) fn number_of(time: i64) -> u64 {
    time.rem_euclid(100_000) as u64
}

/// Each key with each of its alarms.
pub(crate) fn alarms(events: &[Timed], interval: i64) -> Vec<Timed> {
    let alarms = events.iter().map(|((key, _), time)| (*key, alarm_time(*time, interval))).collect::<BTreeSet<_>>();
    alarms.into_iter().map(|(key, time)| ((key, number_of(time)), time)).collect()
}
