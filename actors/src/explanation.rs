//! Decides why a watermark stands where it stands: goes from subtask to subtask, up to the split that holds it back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{BlockId, SubtaskId};
use crate::time::Timestamp;
use crate::time_view::{HeldBy, NextFiring, NextWindow, Origin, SplitTime, SplitView, TimeReading, TimeView};

/// Why the watermark of an operator stands where it stands. Its text form is made of sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatermarkExplanation {
    /// The subtasks on the way up, beginning with the slowest one of the operator's block.
    pub steps: Vec<HeldSubtask>,
    /// What is found at the end of the way.
    pub root: HeldRoot,
    /// What the clock showed.
    pub processing_time: Timestamp,
}

/// One subtask on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldSubtask {
    /// The subtask.
    pub subtask: SubtaskId,
    /// The name of its block.
    pub block: String,
    /// The last watermark that it sent; [`Timestamp::NONE`] before the first.
    pub watermark: Timestamp,
    /// For how long this has been its watermark.
    pub stands_for: Duration,
    /// Whether it is idle, and holds nobody back.
    pub is_idle: bool,
    /// The channel that holds it back.
    pub held_by: Option<HeldBy>,
    /// The window in it that fires next, and what it waits for.
    pub next_window: Option<NextWindow>,
    /// For how long it can take no input, because there is no room for what follows from it.
    pub blocked_for: Option<Duration>,
}

/// What is found at the end of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldRoot {
    /// A split that has come no further, and is not idle.
    Split {
        /// What is known of it; `None` for all input of a block that reads no splits.
        split: Option<SplitView>,
        /// What it has reached.
        watermark: Timestamp,
        /// How long its last record is ago; `None` if there was none.
        quiet_for: Option<Duration>,
    },
    /// A reader that runs ahead and waits for its group.
    Group {
        /// The name of the group.
        name: Arc<str>,
        /// What the slowest reader of the group has reached.
        slowest: Timestamp,
    },
    /// A source whose records are given no event time.
    NoWatermarks {
        /// Its uid.
        uid: Arc<str>,
    },
    /// A watermark that was sent and not taken yet: records before it are still to be worked on.
    OnTheWay {
        /// The watermark.
        watermark: Timestamp,
        /// Who sent it.
        sender: SubtaskId,
    },
    /// A watermark that was taken, and whose results are not all emitted yet.
    InWork {
        /// The watermark.
        watermark: Timestamp,
    },
    /// The clock, which goes on.
    Clock,
    /// Nothing: all inputs are idle.
    Idle,
    /// Nothing: all inputs have ended.
    Ended,
    /// The subtasks do not run yet, or no more.
    Unknown,
}

impl WatermarkExplanation {
    /// Why the watermark of `block` stands where it stands; `block_names` has the names of all blocks.
    #[must_use]
    pub fn of(block: BlockId, reading: &TimeReading, block_names: &[String]) -> Self {
        let of_block = reading.views.iter().filter(|(subtask, _)| subtask.block == block);
        let holds_back = |view: &TimeView| (view.drained, view.task.is_idle, view.task.watermark);
        // Of those that are equally slow, one with a window that waits says more.
        let ends_at = |view: &TimeView| view.task.next_window.as_ref().map_or(Timestamp::MAX, |window| window.ends_at);
        let slowest = of_block.min_by_key(|(_, view)| (holds_back(view), ends_at(view))).map(|(subtask, _)| *subtask);
        let mut steps = Vec::new();
        let mut next = slowest;
        let root = loop {
            let Some((subtask, view)) = next.and_then(|next| reading.views.get_key_value(&next)) else {
                break HeldRoot::Unknown;
            };
            steps.push(HeldSubtask::of(*subtask, view, reading, block_names));
            match step_up(view, reading) {
                Ok(sender) => next = Some(sender),
                Err(root) => break root,
            }
        };
        Self { steps, root, processing_time: reading.processing_time }
    }

    /// Whether somebody can do something about it: not if time is over, or nobody holds it back.
    pub(crate) fn is_a_standstill(&self) -> bool {
        !matches!(self.root, HeldRoot::Clock | HeldRoot::Idle | HeldRoot::Ended | HeldRoot::Unknown)
    }
}

/// The subtask that holds `view` back, or what does at the end of the way.
fn step_up(view: &TimeView, reading: &TimeReading) -> Result<SubtaskId, HeldRoot> {
    if view.drained {
        return Err(HeldRoot::Ended);
    }
    if view.task.is_idle {
        return Err(HeldRoot::Idle);
    }
    match &view.task.origin {
        Some(Origin::Source { uid }) => return Err(HeldRoot::NoWatermarks { uid: Arc::clone(uid) }),
        Some(Origin::Clock) => return Err(HeldRoot::Clock),
        Some(Origin::Records { waits_for: Some(group), .. }) => {
            return Err(HeldRoot::Group { name: Arc::clone(&group.name), slowest: group.slowest });
        }
        Some(Origin::Records { held_by: Some(SplitTime { split, watermark, last_record }), .. }) => {
            let now = reading.processing_time.as_millis();
            let ago = |last: Timestamp| u64::try_from(now.saturating_sub(last.as_millis())).unwrap_or(0);
            let quiet_for = last_record.map(|last| Duration::from_millis(ago(last)));
            return Err(HeldRoot::Split { split: split.clone(), watermark: *watermark, quiet_for });
        }
        Some(Origin::Records { .. }) => return Err(HeldRoot::Idle),
        None => {}
    }
    if view.heard > view.task.watermark {
        return Err(HeldRoot::InWork { watermark: view.heard });
    }
    let Some(held_by) = view.held_by else { return Err(HeldRoot::Idle) };
    match reading.views.get(&held_by.sender) {
        Some(sender) if sender.task.watermark > held_by.watermark => {
            Err(HeldRoot::OnTheWay { watermark: sender.task.watermark, sender: held_by.sender })
        }
        _ => Ok(held_by.sender),
    }
}

impl HeldSubtask {
    fn of(subtask: SubtaskId, view: &TimeView, reading: &TimeReading, block_names: &[String]) -> Self {
        Self {
            subtask,
            block: block_names.get(subtask.block.0 as usize).cloned().unwrap_or_default(),
            watermark: view.task.watermark,
            stands_for: reading.now.since(view.since),
            is_idle: view.task.is_idle,
            held_by: if view.task.origin.is_some() { None } else { view.held_by },
            next_window: view.task.next_window.clone(),
            blocked_for: view.blocked_since.map(|since| reading.now.since(since)),
        }
    }
}

/// A length of time as people say it.
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..10_000 => write!(f, "{millis} ms"),
            millis => write!(f, "{} s", millis / 1_000),
        }
    }
}

impl fmt::Display for WatermarkExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            let HeldSubtask { subtask, block, watermark, stands_for, .. } = step;
            let line = if number == 0 { "" } else { "\n" };
            write!(
                f,
                "{line}the watermark of subtask {subtask} ({block}) is {watermark}, for {}",
                Spoken(*stands_for)
            )?;
            if step.is_idle {
                write!(f, "; the subtask is idle")?;
            }
            if let Some(NextWindow { uid, ends_at, grows, waits_for }) = &step.next_window {
                let later = if *grows { " or later" } else { "" };
                write!(f, "; the next window of '{uid}' ends at {ends_at}{later}: {waits_for}")?;
                if matches!(waits_for, NextFiring::AtClock(_) | NextFiring::ByTrigger { clock: Some(_), .. }) {
                    write!(f, " (it shows {})", self.processing_time)?;
                }
            }
            if let Some(blocked) = step.blocked_for.filter(|blocked| *blocked >= Duration::from_secs(1)) {
                write!(f, "; it has had no room for its results for {}", Spoken(blocked))?;
            }
            if let Some(HeldBy { channel, sender, watermark }) = step.held_by {
                let channel = channel.0;
                write!(f, "; channel {channel} holds it back, from subtask {sender}, with watermark {watermark}")?;
            }
        }
        if !self.steps.is_empty() {
            f.write_str("\n")?;
        }
        fmt::Display::fmt(&self.root, f)
    }
}

impl fmt::Display for NextFiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AtWatermark(Timestamp::MAX) => f.write_str("it fires when all inputs have ended"),
            Self::AtWatermark(at) => write!(f, "it fires when the watermark reaches {at}"),
            Self::AtClock(at) => write!(f, "it fires when the clock reaches {at}"),
            Self::ByTrigger { watermark: None, clock: None } => {
                f.write_str("time does not fire it, for its trigger has set no timer and decides with each record")
            }
            Self::ByTrigger { watermark: Some(at), clock: None } => {
                write!(f, "its trigger decides with each record, and when the watermark reaches {at}")
            }
            Self::ByTrigger { watermark: None, clock: Some(at) } => {
                write!(f, "its trigger decides with each record, and when the clock reaches {at}")
            }
            Self::ByTrigger { watermark: Some(event), clock: Some(at) } => {
                write!(
                    f,
                    "its trigger decides with each record, when the watermark reaches {event}, and when the clock \
                           reaches {at}"
                )
            }
            Self::Never => f.write_str("its trigger never fires"),
        }
    }
}

impl fmt::Display for HeldRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split { split, watermark, quiet_for } => {
                match split {
                    Some(split) => write!(f, "split {split} holds it back: its watermark is {watermark}")?,
                    None => write!(f, "the records of its input hold it back: their watermark is {watermark}")?,
                }
                match quiet_for {
                    Some(quiet) => write!(f, ", the last record came {} ago", Spoken(*quiet))?,
                    None => f.write_str(", no record has come")?,
                }
                f.write_str(", and it is not idle; `idle_after` says after which time it may be left out")
            }
            Self::Group { name, slowest } => {
                write!(f, "the reader waits for the slowest of group '{name}', which has reached {slowest}")
            }
            Self::NoWatermarks { uid } => {
                write!(f, "source '{uid}' says no watermarks: give its stream `event_time` or `ingestion_time`")
            }
            Self::OnTheWay { watermark, sender } => {
                write!(f, "watermark {watermark} of subtask {sender} is on its way, behind records to be worked on")
            }
            Self::InWork { watermark } => {
                write!(f, "watermark {watermark} has come, and what follows from it is being emitted")
            }
            Self::Clock => f.write_str("the watermark follows the clock"),
            Self::Idle => f.write_str("nothing holds it back: all inputs are idle"),
            Self::Ended => f.write_str("nothing holds it back: all inputs have ended"),
            Self::Unknown => f.write_str("the subtasks have said nothing: they do not run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::ChannelId;
    use crate::time::Moment;
    use crate::time_view::{GroupTime, TaskTime};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A subtask that has sent `watermark` since the start of the clock.
    fn view(watermark: Timestamp) -> TimeView {
        TimeView {
            task: TaskTime { watermark, ..TaskTime::SILENT },
            since: Moment::ZERO,
            heard: watermark,
            held_by: None,
            blocked_since: None,
            drained: false,
        }
    }

    fn source(watermark: Timestamp, origin: Origin) -> TimeView {
        let view = view(watermark);
        TimeView { task: TaskTime { origin: Some(origin), ..view.task }, ..view }
    }

    fn split(watermark: Timestamp, last_record: Option<Timestamp>) -> Origin {
        let split = SplitView { name: "rides/b.json".into(), position: None, lag: None };
        let held_by = Some(SplitTime { split: Some(split), watermark, last_record });
        Origin::Records { held_by, waits_for: None }
    }

    fn held(view: TimeView, channel: u32, sender: SubtaskId, watermark: Timestamp) -> TimeView {
        TimeView { held_by: Some(HeldBy { channel: ChannelId(channel), sender, watermark }), ..view }
    }

    /// Explains block 1 after 65 seconds.
    fn explain(views: impl IntoIterator<Item = ((u32, u32), TimeView)>) -> WatermarkExplanation {
        let views = views.into_iter().map(|((block, index), view)| (SubtaskId::new(block, index), view));
        let now = Moment::after_start(Duration::from_secs(65));
        let reading = TimeReading { now, processing_time: at(1_065_000), views: views.collect::<BTreeMap<_, _>>() };
        WatermarkExplanation::of(BlockId(1), &reading, &["rides → event_time".to_owned(), "fares".to_owned()])
    }

    #[test]
    fn way_leads_through_the_slowest_channel_to_the_split_that_holds_back() {
        let slow = SubtaskId::new(0, 1);
        let explanation = explain([
            ((0, 0), source(at(9_000), split(at(9_000), Some(at(1_065_000))))),
            ((0, 1), source(at(500), split(at(500), Some(at(1_025_000))))),
            ((1, 0), held(view(at(500)), 1, slow, at(500))),
            ((1, 1), held(view(at(700)), 1, slow, at(700))),
        ]);
        assert_eq!(explanation.steps.iter().map(|step| step.subtask).collect::<Vec<_>>(), [SubtaskId::new(1, 0), slow]);
        assert_eq!(
            explanation.to_string(),
            "the watermark of subtask 1.0 (fares) is 500, for 65 s; channel 1 holds it back, from subtask 0.1, with watermark \
             500\n\
             the watermark of subtask 0.1 (rides → event_time) is 500, for 65 s\n\
             split 'rides/b.json' holds it back: its watermark is 500, the last record came 40 s ago, and it is not idle; \
             `idle_after` says after which time it may be left out"
        );
    }

    #[test]
    fn split_is_named_with_how_far_its_reader_is_in_it_and_how_much_is_left() {
        let split = |position: Option<&str>, lag: Option<&str>| SplitView {
            name: "rides-3".into(),
            position: position.map(Into::into),
            lag: lag.map(Into::into),
        };
        assert_eq!(split(None, None).to_string(), "'rides-3'");
        assert_eq!(split(Some("offset 17"), None).to_string(), "'rides-3' (at offset 17)");
        assert_eq!(split(None, Some("9 records")).to_string(), "'rides-3' (9 records left)");
        assert_eq!(split(Some("offset 17"), Some("9 records")).to_string(), "'rides-3' (at offset 17, 9 records left)");
    }

    #[test]
    fn window_that_waits_is_named_with_its_end_and_with_what_it_waits_for() {
        let by_trigger = |watermark, clock| NextFiring::ByTrigger { watermark, clock };
        let table = [
            (NextFiring::AtWatermark(at(59_999)), "it fires when the watermark reaches 59999"),
            (NextFiring::AtWatermark(Timestamp::MAX), "it fires when all inputs have ended"),
            (NextFiring::AtClock(at(59_999)), "it fires when the clock reaches 59999 (it shows 1065000)"),
            (
                by_trigger(None, None),
                "time does not fire it, for its trigger has set no timer and decides with each record",
            ),
            (by_trigger(Some(at(7)), None), "its trigger decides with each record, and when the watermark reaches 7"),
            (
                by_trigger(None, Some(at(8))),
                "its trigger decides with each record, and when the clock reaches 8 (it shows 1065000)",
            ),
            (by_trigger(Some(at(7)), Some(at(8))), "when the watermark reaches 7, and when the clock reaches 8 (it"),
            (NextFiring::Never, "its trigger never fires"),
        ];
        for (waits_for, expected) in table {
            let next_window = Some(NextWindow::new("fares per minute".into(), at(60_000), waits_for));
            let waiting = view(at(500));
            let waiting = TimeView { task: TaskTime { next_window, ..waiting.task }, ..waiting };
            let told = explain([((1, 0), view(at(500))), ((1, 1), waiting)]).to_string();
            assert!(told.contains("is 500, for 65 s; the next window of 'fares per minute' ends at 60000: "), "{told}");
            assert!(told.contains(expected), "expected '{expected}' in: {told}");
        }
    }

    #[test]
    fn session_that_waits_may_end_later() {
        let session = NextWindow::new("visits".into(), at(3_000), NextFiring::AtWatermark(at(2_999))).growing();
        let waiting = TimeView { task: TaskTime { next_window: Some(session), ..view(at(0)).task }, ..view(at(0)) };
        let told = explain([((1, 0), waiting)]).to_string();
        assert!(told.contains("ends at 3000 or later: it fires when the watermark reaches 2999"), "{told}");
    }

    #[test]
    fn every_root_is_found_and_told() {
        let sender = SubtaskId::new(0, 0);
        let receiver = || held(view(at(500)), 0, sender, at(500));
        let group = Some(GroupTime { name: "fleet".into(), slowest: at(7) });
        let ahead = Origin::Records { held_by: None, waits_for: group };
        let idle = || TimeView { task: TaskTime { is_idle: true, ..view(at(500)).task }, ..view(at(500)) };
        let ended = || TimeView { drained: true, ..view(Timestamp::MAX) };
        let table = [
            (vec![((0, 0), source(at(500), split(at(500), None)))], "no record has come, and it is not idle"),
            (vec![((0, 0), source(at(500), ahead))], "the slowest of group 'fleet', which has reached 7"),
            (
                vec![((0, 0), source(at(500), Origin::Source { uid: "rides".into() }))],
                "source 'rides' says no watermarks",
            ),
            (vec![((0, 0), source(at(500), Origin::Clock))], "the watermark follows the clock"),
            (vec![((0, 0), source(at(501), split(at(501), None)))], "watermark 501 of subtask 0.0 is on its way"),
            (vec![((1, 0), TimeView { heard: at(600), ..receiver() })], "watermark 600 has come, and what follows"),
            (vec![((1, 0), idle())], "all inputs are idle"),
            (vec![((1, 0), ended())], "all inputs have ended"),
        ];
        for (views, expected) in table {
            let explanation = explain([((1, 0), receiver())].into_iter().chain(views));
            assert!(explanation.to_string().contains(expected), "expected '{expected}' in: {explanation}");
        }
        assert_eq!(explain([]).root, HeldRoot::Unknown);
    }

    #[test]
    fn subtask_without_room_for_its_results_says_so() {
        let blocked = TimeView { blocked_since: Some(Moment::after_start(Duration::from_secs(25))), ..view(at(500)) };
        let explanation = explain([((1, 0), blocked)]);
        assert!(explanation.to_string().contains("it has had no room for its results for 40 s"), "{explanation}");
    }
}
