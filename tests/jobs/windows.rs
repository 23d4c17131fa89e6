//! Windows in whole jobs: exact under kills, for every way of keeping them, with late records and with functions that
//! remember things.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::io::SplitMix64;
use millstream::metrics::LATE;
use millstream::model::Record;
use millstream::operator::window::{TimeWindow, WindowContext, WindowFunction};
use millstream::prelude::*;
use millstream::testing::{Exploration, Line, Mismatch, Run, Script, Simulation};

use crate::rig::effort::seeds;

/// A key, and a number of its own.
type Event = (u64, u64);

const KEYS: u64 = 12;
const RECORDS: u64 = 240;
/// How far a record may lie behind one that came before it.
const DISORDER: i64 = 60;

/// Records out of order, and watermarks that lag behind the latest of them, with pauses for checkpoints.
fn history(seed: u64, lag: i64) -> Script<Event> {
    let (mut chance, mut latest, mut lines) = (SplitMix64::new(seed), 0, Vec::new());
    for number in 0..RECORDS {
        latest += chance.below(20) as i64;
        let time = latest - chance.below(DISORDER as u64) as i64;
        let event = (chance.below(KEYS), number);
        lines.push(Line::Record(Record::at(event, Timestamp::from_millis(time))));
        if number % 7 == 0 {
            let watermark = Timestamp::from_millis(latest - lag);
            lines.push(Line::Signal(millstream::actors::time::TimeSignal::Watermark(watermark)));
        }
        if number % 20 == 0 {
            lines.push(Line::Pause(Duration::from_millis(5)));
        }
    }
    Script::of(lines)
}

/// The events of a script, with their times.
fn events(script: &Script<Event>) -> Vec<(Event, i64)> {
    let event = |line: &Line<Event>| match line {
        Line::Record(record) => Some((record.value, record.time.as_millis())),
        _ => None,
    };
    script.lines().filter_map(event).collect()
}

/// The sums of windows in which nothing is late: per key and window.
fn sums(script: &Script<Event>, windows_of: impl Fn(i64) -> Vec<i64>) -> Vec<(u64, u64)> {
    let mut windows = BTreeMap::<(i64, u64), u64>::new();
    for ((key, number), time) in events(script) {
        windows_of(time).into_iter().for_each(|window| *windows.entry((window, key)).or_default() += number);
    }
    windows.into_iter().map(|((_, key), sum)| (key, sum)).collect()
}

fn number(event: &Event) -> u64 {
    event.1
}

/// Runs with random kills, and proves that they took place.
fn explore(simulation: &Simulation, check: impl Fn(&Run) -> Result<(), Mismatch>) {
    let explored: Exploration = simulation.clone().kill_randomly(3).explore(seeds(0..40), check);
    explored.assert_holds();
    assert!(explored.kills() > 40 && explored.restores() > 20, "{explored:?}");
}

/// The end of the tumbling window of 50 ms that holds `time`.
fn tumbling(time: i64) -> i64 {
    time - time.rem_euclid(50) + 50
}

#[test]
fn windows_of_every_kind_are_exact_under_kills() {
    let topology = Topology::new("every kind");
    let [tumbled, slid, joined, counted, together] = topology.source("events", Script::<Event>::new()).split();
    let keyed = |event: &Event| event.0;
    tumbled
        .key_by(keyed)
        .window("tumbling", Tumbling::of(50.millis()))
        .aggregate(Sum::of(number))
        .collect("tumbling sums");
    slid.key_by(keyed)
        .window("sliding", Sliding::of(70.millis(), 20.millis()))
        .aggregate(Sum::of(number))
        .collect("sliding sums");
    joined
        .key_by(keyed)
        .window("sessions", Session::with_gap(30.millis()))
        .aggregate(Sum::of(number))
        .collect("session sums");
    counted.key_by(keyed).count_window("fours", 4).aggregate(Sum::of(number)).collect("sums of four");
    together
        .window_all("all", Tumbling::of(50.millis()))
        .apply(|_, window, events| [(window.end().as_millis(), events.iter().map(|event| event.value.1).sum::<u64>())])
        .collect("sums of all");

    let script = history(1, DISORDER + 1);
    let tumbling_sums = sums(&script, |time| vec![tumbling(time)]);
    let sliding_sums = sums(&script, |time| (time - 69..=time).filter(|start| start.rem_euclid(20) == 0).collect());
    let session_sums = session_sums(&script);
    let mut fours = BTreeMap::<u64, Vec<u64>>::new();
    events(&script).into_iter().for_each(|((key, number), _)| fours.entry(key).or_default().push(number));
    let sum_of_four = |key: u64, four: &[u64]| (key, four.iter().sum::<u64>());
    let fours: Vec<(u64, u64)> =
        fours.iter().flat_map(|(key, all)| all.chunks_exact(4).map(|four| sum_of_four(*key, four))).collect();
    let mut all = BTreeMap::<i64, u64>::new();
    events(&script).into_iter().for_each(|((_, number), time)| *all.entry(tumbling(time)).or_default() += number);
    let all = all.into_iter().collect::<Vec<_>>();

    explore(&Simulation::new(topology, 0).input("events", script), |run| {
        run.check_output("tumbling sums", &tumbling_sums)?;
        run.check_output("sliding sums", &sliding_sums)?;
        run.check_output("session sums", &session_sums)?;
        run.check_output("sums of four", &fours)?;
        run.check_output("sums of all", &all)
    });
}

/// The sums of sessions in which nothing is late.
fn session_sums(script: &Script<Event>) -> Vec<(u64, u64)> {
    let mut by_key = BTreeMap::<u64, Vec<(i64, u64)>>::new();
    events(script).into_iter().for_each(|((key, number), time)| by_key.entry(key).or_default().push((time, number)));
    let mut sums = Vec::new();
    for (key, mut events) in by_key {
        events.sort_unstable();
        let sessions = events.chunk_by(|(earlier, _), (later, _)| later - earlier <= 30);
        sums.extend(sessions.map(|session| (key, session.iter().map(|(_, number)| number).sum())));
    }
    sums
}

#[test]
fn late_records_and_late_firings_are_exact_under_kills() {
    let topology = Topology::new("late");
    let late = SideOutput::new("late");
    topology
        .source("events", Script::<Event>::new())
        // What is late, and what fires at once, is decided by one watermark, not by which of two channels is ahead.
        .parallelism(1)
        .key_by(|event| event.0)
        .window("sums", Tumbling::of(50.millis()))
        .allowed_lateness(20.millis())
        .late_to(&late)
        .aggregate(Sum::of(number))
        .collect("fired");
    topology.side_output(&late).collect("late");

    let script = history(2, 5);
    let (mut watermark, mut windows) = (i64::MIN, BTreeMap::<(i64, u64), u64>::new());
    let (mut fired, mut turned_away) = (Vec::new(), Vec::new());
    for line in script.lines() {
        match line {
            Line::Record(Record { value: (key, number), time }) => {
                let end = tumbling(time.as_millis());
                if end - 1 + 20 <= watermark {
                    turned_away.push((*key, *number));
                    continue;
                }
                let sum = windows.entry((end, *key)).or_default();
                *sum += number;
                if end - 1 <= watermark {
                    fired.push((*key, *sum));
                }
            }
            Line::Signal(millstream::actors::time::TimeSignal::Watermark(at)) => {
                let until = at.as_millis().max(watermark);
                let ended = windows.iter().filter(|((end, _), _)| watermark < end - 1 && end - 1 <= until);
                fired.extend(ended.map(|((_, key), sum)| (*key, *sum)));
                windows.retain(|(end, _), _| end - 1 + 20 > until);
                watermark = until;
            }
            _ => {}
        }
    }
    fired.extend(windows.iter().filter(|((end, _), _)| end - 1 > watermark).map(|((_, key), sum)| (*key, *sum)));
    assert!(turned_away.len() > 5, "the script has few late records: {turned_away:?}");

    explore(&Simulation::new(topology, 0).input("events", script), |run| {
        run.check_output("fired", &fired)?;
        run.check_output("late", &turned_away)?;
        let counted = run.counters().total(LATE);
        if counted == turned_away.len() as u64 { Ok(()) } else { Err(Mismatch::new(format!("{counted} are late"))) }
    });
}

/// Numbers the windows of each key, and says how many records each has.
#[derive(Clone)]
struct Numbered;

impl WindowFunction<u64, [Record<Event>]> for Numbered {
    type Out = (u64, u64, usize);
    type KeyState = u64;
    type WindowState = u64;

    fn process(
        &mut self,
        key: &u64,
        events: &[Record<Event>],
        context: &mut WindowContext<'_, u64, u64>,
        out: &mut Vec<(u64, u64, usize)>,
    ) -> Result<()> {
        *context.window_state += 1;
        assert_eq!(*context.window_state, 1, "each window fires once");
        *context.key_state += 1;
        out.push((*key, *context.key_state, events.len()));
        Ok(())
    }
}

#[test]
fn functions_over_windows_remember_what_they_did_under_kills() {
    let topology = Topology::new("remembering");
    topology
        .source("events", Script::<Event>::new())
        .key_by(|event| event.0)
        .window("windows", Tumbling::of(50.millis()))
        .process(Numbered)
        .collect("numbered");

    let script = history(3, DISORDER + 1);
    let mut windows = BTreeMap::<(u64, i64), usize>::new();
    for ((key, _), time) in events(&script) {
        *windows.entry((key, tumbling(time))).or_default() += 1;
    }
    let mut counts = BTreeMap::<u64, u64>::new();
    let mut numbered = Vec::new();
    for ((key, _), records) in windows {
        let count = counts.entry(key).or_default();
        *count += 1;
        numbered.push((key, *count, records));
    }
    explore(&Simulation::new(topology, 0).input("events", script), |run| run.check_output("numbered", &numbered));
}

#[test]
fn windows_of_many_keys_fire_exactly_while_sources_end_one_after_the_other() {
    const MANY: u64 = 3_000;
    let topology = Topology::new("many keys");
    topology
        .source("events", Script::<Event>::new())
        .key_by(|event| event.0)
        .window("sums", Tumbling::of(1.seconds()))
        .allowed_lateness(1.seconds())
        .aggregate(Count)
        .collect("counts");
    let lane = |parity: u64, second: i64| {
        let script = (0..MANY).fold(Script::new(), |script, key| {
            let script = script.record_at((key, parity), key as i64 % 1_000);
            if key % 500 == 0 { script.pause(Duration::from_millis(3)) } else { script }
        });
        script.watermark(999).pause(Duration::from_millis(10)).record_at((0, 0), second)
    };
    let script = lane(0, 1_500).beside(lane(1, 2_500));
    let mut expected = (0..MANY).map(|key| (key, 2)).collect::<Vec<(u64, u64)>>();
    expected.extend([(0, 1), (0, 1)]);
    let explored = Simulation::new(topology, 0)
        .input("events", script)
        .kill_randomly(2)
        .explore(seeds(0..10), |run| run.check_output("counts", &expected));
    explored.assert_holds();
    assert!(explored.kills() > 5 && explored.restores() > 2, "{explored:?}");
}

/// The whole message of the mistake in what `build` makes.
fn mistake(build: impl FnOnce(KeyedStream<u64, Event>)) -> String {
    let topology = Topology::new("wrong");
    build(topology.source("events", Collection::of([(1, 1)])).key_by(|event| event.0));
    topology.plan().expect_err("it is a mistake").to_string()
}

#[test]
fn windows_that_cannot_be_are_mistakes_of_the_plan() {
    let found = [
        mistake(|events| events.window("sums", Tumbling::of(0.millis())).aggregate(Count).discard("nowhere")),
        mistake(|events| {
            let windows = Tumbling::of(5.seconds()).offset(5.seconds());
            events.window("sums", windows).aggregate(Count).discard("nowhere");
        }),
        mistake(|events| {
            let windows = events.window("sums", Tumbling::of(5.seconds()).processing_time());
            windows.allowed_lateness(1.seconds()).aggregate(Count).discard("nowhere");
        }),
        mistake(|events| {
            let windows = events.window("sums", Session::with_gap(5.seconds()).processing_time());
            windows.late_to(&SideOutput::new("late")).aggregate(Count).discard("nowhere");
        }),
        mistake(|events| {
            let windows = events.window("sums", Sliding::of(5.seconds(), 1.seconds()));
            windows.allowed_lateness(-1.seconds()).aggregate(Count).discard("nowhere");
        }),
        mistake(|events| events.count_window("sums", 0).aggregate(Count).discard("nowhere")),
        mistake(|events| events.count_window_sliding("sums", 5, 0).aggregate(Count).discard("nowhere")),
        mistake(|events| {
            events.window("sums", Session::with_gap(5.seconds())).process(Numbered).discard("nowhere");
        }),
    ];
    let nothing_is_late = "'sums': the windows are of processing time, in which no record is late: leave out \
                           `.allowed_lateness(..)` and `.late_to(..)`, or use windows of event time";
    let expected = [
        "'sums': windows are 0 ms long: they must be at least 1 ms",
        "'sums': windows that begin every 5000 ms have an offset of 5000 ms: it must be shorter",
        nothing_is_late,
        nothing_is_late,
        "'sums': the allowed lateness is -1000 ms: it must not be negative",
        "'sums': windows of 0 records: there must be at least 1",
        "'sums': windows of 0 records: there must be at least 1",
        "'sums': the windows merge, and the function remembers something of each of them: let it remember that of the \
         key, and make its `WindowState` `()`",
    ];
    assert_eq!(found, expected);
}

#[test]
fn windows_over_all_records_have_one_subtask() {
    let topology = Topology::new("all");
    let events = topology.source("events", Collection::of([1, 2])).parallelism(4);
    events.window_all("counts", Global).trigger(trigger::EndOfStream).aggregate(Count).collect("results");
    let plan = topology.plan_with(4).unwrap().to_string();
    assert!(plan.contains("block 1 ×1: window_all 'counts'"), "{plan}");

    let topology = Topology::new("wrong");
    let events = topology.source("events", Collection::of([1, 2]));
    events.window_all("counts", Global).aggregate(Count).parallelism(3).discard("nowhere");
    let mistake = topology.plan().expect_err("all records meet in one subtask").to_string();
    assert_eq!(mistake, "'counts' has parallelism 3: it works on all records together, so leave it at 1");
}

#[test]
fn windows_are_printed_by_the_verbs_they_are_written_with() {
    let topology = Topology::new("verbs");
    let [windows, counts] = topology.source("events", Collection::of([1u64, 2])).split();
    windows
        .key_by(|event| *event)
        .window("sums", Tumbling::of(1.seconds()))
        .trigger(trigger::Count::of(2))
        .aggregate_with(Sum::of(|event: &u64| *event), |key, _: TimeWindow, sum| [(*key, sum)])
        .discard("nowhere");
    counts.key_by(|event| *event).count_window("pairs", 2).reduce(|sum, event| *sum += event).discard("elsewhere");
    let plan = topology.plan_with(1).unwrap().to_string();
    assert!(plan.contains("window 'sums' → discard 'nowhere'"), "{plan}");
    assert!(plan.contains("count_window 'pairs' → discard 'elsewhere'"), "{plan}");
}

#[test]
fn window_that_has_not_fired_says_what_it_waits_for() {
    let topology = Topology::new("waiting");
    let hour = Duration::from_secs(3_600);
    // The second lane says nothing, and holds the watermark back.
    let lanes = Script::new().record(10_000i64).record(12_500).pause(hour).beside(Script::new().pause(hour));
    let readings = topology.source("readings", lanes).event_time(Watermarks::monotonic(), |millis| *millis);
    let [tumbled, slid, session, ends, counted, clocked, patient, never] = readings.split();
    let zero = |_: &i64| 0u8;
    let seconds = || Tumbling::of(5.seconds());
    tumbled.key_by(zero).window("tumbling", seconds()).aggregate(Count).discard("1");
    slid.key_by(zero).window("sliding", Sliding::of(10.seconds(), 5.seconds())).aggregate(Count).discard("2");
    session.key_by(zero).window("sessions", Session::with_gap(2.seconds())).aggregate(Count).discard("3");
    ends.key_by(zero).window("all", Global).trigger(trigger::EndOfStream).aggregate(Count).discard("4");
    counted.key_by(zero).window("fives", seconds()).trigger(trigger::Count::of(5)).aggregate(Count).discard("5");
    clocked.key_by(zero).window("days", Tumbling::of(9_999.days()).processing_time()).aggregate(Count).discard("6");
    let timeout = trigger::Timeout::of(trigger::EventTime, 1.hours());
    patient.key_by(zero).window("patient", seconds()).trigger(timeout).aggregate(Count).discard("7");
    never.key_by(zero).window("never", seconds()).trigger(trigger::Never).aggregate(Count).discard("8");

    let options = JobOptions::new().parallelism(2).checkpoint_interval(Duration::from_millis(5));
    let job = topology.start(options).expect("the plan is right");
    let expected = [
        ("tumbling", "the next window of 'tumbling' ends at 15000: it fires when the watermark reaches 14999"),
        ("tumbling", "split 'lane 1 of the script' holds it back"),
        ("sliding", "the next window of 'sliding' ends at 15000: it fires when the watermark reaches 14999"),
        ("sessions", "the next window of 'sessions' ends at 12000 or later: it fires when the watermark reaches 11999"),
        ("all", "the next window of 'all' ends at max: it fires when all inputs have ended"),
        ("fives", "the next window of 'fives' ends at 15000: time does not fire it, for its trigger has set no timer"),
        ("days", "ends at 2591740800000: it fires when the clock reaches 2591740799999"),
        (
            "patient",
            "its trigger decides with each record, when the watermark reaches 14999, and when the clock reaches",
        ),
        ("never", "the next window of 'never' ends at 15000: its trigger never fires"),
    ];
    for (uid, sentence) in expected {
        let explained = job.wait_until(|view| {
            let why = job.explain_watermark(uid).expect("there is such a window").to_string();
            (view.status.is_final() || why.contains(sentence)).then_some(why)
        });
        let explained = explained.expect("the job had not finished before");
        assert!(explained.contains(sentence), "expected '{sentence}' in: {explained}");
    }
    job.cancel();
}
