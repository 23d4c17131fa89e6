//! Event time through whole jobs: watermarks of splits, idleness, groups, and the explanation of a standstill.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::actors::error::FailureKind;
use millstream::actors::ids::CheckpointId;
use millstream::actors::time::{Clock, TimeSignal, Timestamp};
use millstream::io::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber, SplitSignal};
use millstream::metrics::RECORDS_IN;
use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, SubtaskContext, Timer};
use millstream::prelude::*;
use millstream::testing::{Run, Script, Simulation, TopologyDriver};
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};

use crate::rig::effort::seeds;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A record is its own event time.
fn itself(millis: &i64) -> i64 {
    *millis
}

/// The watermarks that reached the only subtask of the sink "results". The end of event time comes through the channels,
/// and with the end of the input once more.
fn watermarks(run: &Run) -> Vec<Timestamp> {
    assert_eq!(run.failure(), None);
    let mut watermarks = run.watermarks("results").into_iter().map(|(_, at)| at).collect::<Vec<_>>();
    watermarks.dedup();
    watermarks
}

fn run(topology: Topology) -> Run {
    Simulation::new(topology, 1).options(|options| options.without_checkpoints()).run()
}

#[test]
fn m8_watermark_is_the_highest_time_less_the_bound_and_one() {
    let topology = Topology::new("m8");
    topology
        .source("readings", Script::<i64>::new())
        .event_time(Watermarks::bounded_out_of_order(3_500.millis()), itself)
        .collect("results");
    let mut driver = TopologyDriver::new(&topology).expect("the plan is right");
    for reading in [10_000, 8_000, 12_000] {
        driver.push::<i64>("readings", reading).expect("nothing fails");
    }
    assert_eq!(driver.watermark_at("results"), None);
    driver.advance(Duration::from_millis(200)).expect("nothing fails");
    assert_eq!(driver.watermark_at("results"), Some(at(8_499)));
    let times = driver.records::<i64>("results").into_iter().map(|record| record.time).collect::<Vec<_>>();
    assert_eq!(times, [at(10_000), at(8_000), at(12_000)]);
}

/// A run with one subtask per block.
fn single(topology: Topology) -> Run {
    Simulation::new(topology, 1).options(|options| options.parallelism(1).without_checkpoints()).run()
}

/// Two splits, of which one never has a record, and which may be idle after some time.
fn half_silent(idle_after: Option<Timespan>) -> Topology {
    let topology = Topology::new("half silent");
    let (talks, is_silent) = (Script::new().record(10_000).pause(HOUR), Script::new().pause(HOUR));
    let mut watermarks = Watermarks::monotonic();
    if let Some(quiet) = idle_after {
        watermarks = watermarks.idle_after(quiet);
    }
    topology
        .source("readings", talks.beside(is_silent))
        .event_time(watermarks, itself)
        .global()
        .parallelism(1)
        .collect("results");
    topology
}

#[test]
fn m9_split_without_records_stalls_event_time_unless_it_may_be_idle() {
    let mut stalled = Vec::new();
    let log = log_of(|| stalled = watermarks(&run(half_silent(None))));
    // Both splits end after an hour, at the same time: what was said before is the end of time, or nothing.
    assert!(stalled.iter().all(|at| [self::at(9_999), Timestamp::MAX].contains(at)), "{stalled:?}");
    assert_eq!(log.matches("event time stands still").count(), 1, "one standstill, one warning: {log}");

    let mut goes_on = Vec::new();
    let log = log_of(|| goes_on = watermarks(&run(half_silent(Some(5.seconds())))));
    assert_eq!(goes_on, [at(9_999), Timestamp::MAX]);
    assert_eq!(log, "");
}

#[test]
fn m9_window_fires_when_the_silent_split_has_been_idle_for_its_time() {
    let topology = Topology::new("m9");
    topology
        .source("readings", Script::<i64>::new())
        .event_time(Watermarks::monotonic().idle_after(5.seconds()), itself)
        .window_all("sums", Tumbling::of(10.seconds()))
        .aggregate(Sum::of(|millis: &i64| *millis))
        .collect("results");
    let mut driver = TopologyDriver::with_parallelism(&topology, 2).expect("the plan is right");
    let advance = |driver: &mut TopologyDriver, millis| {
        driver.advance(Duration::from_millis(millis)).expect("nothing fails");
        driver.output::<i64>("results")
    };
    // Lines go to the two splits in turn: the second one hears nothing but words that mean nothing here.
    for reading in [5_000, 10_000] {
        driver.push::<i64>("readings", reading).expect("nothing fails");
        driver.signal::<i64>("readings", TimeSignal::Active).expect("nothing fails");
    }
    assert_eq!(advance(&mut driver, 5_000), [0i64; 0]);
    assert_eq!(advance(&mut driver, 300), [5_000]);
}

#[test]
fn windows_are_exact_whatever_dies_while_one_of_two_sources_has_ended() {
    let topology = Topology::new("windows");
    let of = |n: u64| (n % 300, n as i64);
    let short = topology.source("short", Generator::new(600, of));
    let long = topology.source("long", Generator::new(1_200, of).at_rate(20_000));
    let time = |(_, millis): &(u64, i64)| *millis;
    let watermarks = || Watermarks::bounded_out_of_order(1.millis()).every(1.millis());
    short
        .event_time(watermarks(), time)
        .union(long.event_time(watermarks(), time))
        .key_by(|(key, _)| *key)
        .window("counts", Tumbling::of(400.millis()))
        .aggregate(Count)
        .collect("results");
    let mut expected = std::collections::BTreeMap::<(u64, i64), u64>::new();
    for n in (0..600).chain(0..1_200) {
        *expected.entry((n % 300, n as i64 / 400)).or_default() += 1;
    }
    let expected = expected.into_iter().map(|((key, _), count)| (key, count)).collect::<Vec<_>>();
    let options = |options: JobOptions| options.tolerable_failures(1_000);
    let explored = Simulation::new(topology, 0).options(options).kill_randomly(3).explore(seeds(0..100), |run| {
        // A restart mends much: nothing but kills may have been the reason for one.
        for failure in run.attempts().into_iter().filter_map(|attempt| attempt.failure) {
            assert_eq!(failure.kind, FailureKind::Killed, "seed {}: {failure}", run.seed());
        }
        run.check_output("results", &expected)
    });
    explored.assert_holds();
    assert!(explored.restores() > 20, "{explored:?}");
}

/// Collects the warnings of one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Message(&mut self.0.lock().expect("nobody panics with it")));
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            writeln!(self.0, "{value:?}").expect("a string takes everything");
        }
    }
}

fn log_of(work: impl FnOnce()) -> String {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), work);
    std::mem::take(&mut *log.0.lock().expect("nobody panics with it"))
}

#[test]
fn warning_names_the_channel_and_the_split_that_hold_event_time_back() {
    let log = log_of(|| drop(run(half_silent(None))));
    let expected = [
        "the watermark of subtask 1.0 (results) is none, for 6",
        "holds it back, from subtask 0.",
        "(readings → event_time) is none, for 6",
        "split 'lane 1 of the script' holds it back: its watermark is none, no record has come, and it is not idle",
    ];
    for sentence in expected {
        assert!(log.contains(sentence), "expected '{sentence}' in: {log}");
    }
}

#[test]
fn source_without_watermarks_is_named_as_what_stalls_a_union() {
    let topology = Topology::new("union");
    let timed = topology.source("timed", Script::new().record(10_000).pause(HOUR));
    let timed = timed.event_time(Watermarks::monotonic(), itself);
    timed.union(topology.source("plain", Script::new().record(5).pause(HOUR))).collect("results");
    let log = log_of(|| {
        drop(Simulation::new(topology, 1).options(|options| options.parallelism(1).without_checkpoints()).run())
    });
    assert!(log.contains("source 'plain' says no watermarks: give its stream `event_time`"), "{log}");
}

#[test]
fn running_job_explains_what_holds_its_watermark_back() {
    let options = JobOptions::new().parallelism(2).checkpoint_interval(Duration::from_millis(5));
    let job = half_silent(None).start(options).expect("the plan is right");
    let explained = job.wait_until(|view| {
        let why = job.explain_watermark("results").expect("there is such a sink").to_string();
        (view.status.is_final() || why.contains("'lane 1 of the script' holds it back")).then_some(why)
    });
    let explained = explained.expect("the job had not finished before");
    assert!(explained.contains("no record has come, and it is not idle"), "{explained}");
    assert!(job.explain_watermark("nothing").is_err());
    job.cancel();
}

/// Partitions that are all known, more readers than partitions, and perhaps more partitions later.
#[derive(Clone)]
struct Partitions {
    partitions: i64,
    /// How often a reader without a partition asks before it is told that there will be none.
    asks: u32,
}

#[derive(Serialize, Deserialize)]
struct Assignment {
    next: i64,
    partitions: i64,
    asks: u32,
}

/// Reads one record from a partition, and waits for an hour.
struct PartitionReader {
    partition: Option<i64>,
    number: SplitNumber,
    is_read: bool,
    clock: Arc<dyn Clock>,
    ends: Option<Timestamp>,
}

impl Source for Partitions {
    type Out = i64;
    type Split = i64;
    type Enumerator = Assignment;
    type Reader = PartitionReader;

    fn discover(&self, _parallelism: u32) -> Result<Assignment> {
        Ok(Assignment { next: 0, partitions: self.partitions, asks: self.asks })
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<PartitionReader> {
        let (clock, number) = (Arc::clone(&context.clock), SplitNumber::default());
        Ok(PartitionReader { partition: None, number, is_read: false, clock, ends: None })
    }
}

impl SplitEnumerator for Assignment {
    type Split = i64;

    fn next_split(&mut self, _reader: u32) -> Result<Option<i64>> {
        if self.next == self.partitions {
            self.asks = self.asks.saturating_sub(1);
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn ask_again(&self, _reader: u32) -> Option<Duration> {
        (self.asks > 0).then_some(Duration::from_secs(1))
    }
}

impl SourceReader for PartitionReader {
    type Out = i64;
    type Split = i64;

    fn add_split(&mut self, number: SplitNumber, partition: i64) -> Result<()> {
        (self.number, self.partition, self.is_read) = (number, Some(partition), false);
        Ok(())
    }

    fn read<E: Emit<i64>>(&mut self, _limit: usize, out: &mut E) -> Result<ReadStatus> {
        let Some(partition) = self.partition else { return Ok(ReadStatus::SplitsFinished) };
        let now = self.clock.processing_time();
        let ends = *self.ends.get_or_insert(now.after(HOUR));
        out.split(SplitSignal::Reading(self.number))?;
        if !std::mem::replace(&mut self.is_read, true) {
            out.emit(Record::new(1_000 * (partition + 1)))?;
        }
        if now < ends {
            return Ok(ReadStatus::Wait(Duration::from_secs(60)));
        }
        self.partition = None;
        out.split(SplitSignal::Finished(self.number))?;
        Ok(ReadStatus::SplitsFinished)
    }

    fn split_name(&self, partition: &i64) -> Option<String> {
        Some(format!("partition {partition}"))
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<i64>> {
        Ok(self.partition.into_iter().collect())
    }
}

#[test]
fn m10_subtask_without_a_split_does_not_hold_event_time_back() {
    for asks in [0, 7_000] {
        let topology = Topology::new("m10");
        topology
            .source("readings", Partitions { partitions: 2, asks })
            .event_time(Watermarks::monotonic(), itself)
            .parallelism(3)
            .global()
            .parallelism(1)
            .collect("results");
        let watermarks = watermarks(&run(topology));
        assert_eq!(watermarks.first(), Some(&at(999)), "asked {asks} times: {watermarks:?}");
        assert_eq!(watermarks.last(), Some(&Timestamp::MAX));
    }
}

#[test]
fn subtask_that_is_blocked_by_its_outputs_is_not_idle() {
    let topology = Topology::new("blocked");
    let slow = topology
        .source("slow", Script::new().record(100).record(200).record(300))
        .event_time(Watermarks::monotonic().idle_after(1.seconds()), itself)
        .map_async_with(
            "answers",
            AsyncMap::ordered(|_: i64| std::future::pending::<Result<i64>>())
                .capacity(1)
                .timeout(10.seconds())
                .on_timeout(|millis| millis),
        );
    let fast = topology.source("fast", Script::new().record(10_000).pause(HOUR));
    slow.union(fast.event_time(Watermarks::monotonic(), itself)).collect("results");
    assert_eq!(watermarks(&single(topology)), [at(99), at(199), at(299), at(9_999), Timestamp::MAX]);
}

/// Lets each record wait for its time.
struct AtItsTime;

impl KeyedProcess<i64, i64> for AtItsTime {
    type Out = i64;

    fn on_record<E: Emit<i64>>(
        &mut self,
        record: Record<i64>,
        context: &mut KeyContext<'_, i64>,
        _out: &mut E,
    ) -> Result<()> {
        context.register_event_timer(record.time)
    }

    fn on_timer<E: Emit<i64>>(&mut self, timer: Timer, context: &mut KeyContext<'_, i64>, out: &mut E) -> Result<()> {
        out.emit(Record::at(*context.key(), timer.time))
    }
}

#[test]
fn word_of_idleness_does_not_overtake_the_watermark_before_it() {
    // When the second lane falls idle, the watermark rises to that of the first. More timers fire than in one go.
    let mut first = Script::new();
    for key in 0..2_000 {
        first = first.record_at(key, 8);
    }
    let first = first.watermark(10).idle().pause(HOUR);
    let second = Script::new().watermark(5).pause(Duration::from_secs(10)).idle().pause(HOUR);
    let topology = Topology::new("idle");
    topology
        .source("readings", first.beside(second))
        .key_by(|key: &i64| *key)
        .parallelism(1)
        .process("at its time", |_| Ok(AtItsTime))
        .rebalance()
        .parallelism(1)
        .collect("results");
    let run = run(topology);
    assert_eq!(watermarks(&run), [at(5), at(10), Timestamp::MAX]);
    assert_eq!(run.output::<i64>("results").len(), 2_000);
}

#[test]
fn readers_of_a_group_do_not_drift_apart_further_than_allowed() {
    let drift = |is_aligned: bool| {
        let topology = Topology::new("fleet");
        let seen = Arc::new(Mutex::new((0, 0)));
        let (fast, slow) = (Arc::clone(&seen), Arc::clone(&seen));
        let farthest = Arc::new(Mutex::new(0));
        let record = Arc::clone(&farthest);
        let times = || {
            let watermarks = Watermarks::monotonic().every(5.millis());
            if is_aligned { watermarks.aligned("fleet", 500.millis()).aligned_every(10.millis()) } else { watermarks }
        };
        topology
            .source("fast", Generator::new(20_000, |n| n as i64).at_rate(100_000))
            .event_time(times(), itself)
            .inspect(move |millis| {
                let mut seen = fast.lock().expect("nobody panics with it");
                seen.0 = *millis;
                let mut farthest = record.lock().expect("nobody panics with it");
                *farthest = (seen.0 - seen.1).max(*farthest);
            })
            .discard("fast ends");
        topology
            .source("slow", Generator::new(20_000, |n| n as i64).at_rate(1_000))
            .event_time(times(), itself)
            .inspect(move |millis| slow.lock().expect("nobody panics with it").1 = *millis)
            .discard("slow ends");
        let run = single(topology);
        assert_eq!((run.failure(), run.counters().total(RECORDS_IN)), (None, 40_000));
        let farthest = farthest.lock().expect("nobody panics with it");
        *farthest
    };
    assert!(drift(false) > 15_000);
    // The drift that is allowed, and what is read between two looks: some ten milliseconds, at 100 records each.
    let aligned = drift(true);
    assert!((500..5_000).contains(&aligned), "{aligned}");
}

#[test]
fn output_is_exact_whatever_dies_and_watermarks_never_go_back_in_an_attempt() {
    let topology = Topology::new("counts");
    topology
        .source("numbers", Generator::new(1_000, |n| (n % 20, n as i64)))
        .event_time(Watermarks::bounded_out_of_order(3.millis()).every(1.millis()), |(_, millis)| *millis)
        .key_by(|(key, _)| *key)
        .count("counts")
        .collect("results");
    let expected = (0..20).flat_map(|key| (1..=50).map(move |count| (key, count))).collect::<Vec<(u64, u64)>>();
    // Debug builds check each channel: its watermark never goes back (WM-1).
    let explored = Simulation::new(topology, 0)
        .kill_randomly(3)
        .explore(seeds(0..60), |run| run.check_output("results", &expected));
    explored.assert_holds();
    assert!(explored.restores() > 20, "{explored:?}");
}

#[test]
fn same_seed_is_the_same_run_with_watermarks() {
    let topology = Topology::new("watermarks");
    let marks = Watermarks::punctuated(|millis: &i64, time| (millis % 7 == 0).then_some(time));
    topology
        .source("numbers", Generator::new(300, |n| n as i64))
        .event_time(marks.idle_after(1.millis()), itself)
        .rebalance()
        .collect("results");
    for seed in seeds(0..5) {
        let run = || Simulation::new(topology.clone(), seed).kill_randomly(1).run();
        let (first, second) = (run(), run());
        assert_eq!(first.watermarks("results"), second.watermarks("results"), "seed {seed}");
        assert_eq!(first.trace_hash(), second.trace_hash(), "seed {seed}");
    }
}

#[test]
fn ingestion_time_is_the_time_of_arrival_and_its_watermarks_follow_the_clock() {
    let topology = Topology::new("ingestion");
    let script = Script::new().record(1).pause(Duration::from_secs(1)).record(2).pause(Duration::from_secs(1));
    topology.source("readings", script).ingestion_time().collect("results");
    let run = Simulation::new(topology, 1).options(|options| options.parallelism(1)).started_at(at(5_000)).run();
    assert_eq!(run.failure(), None);
    let times = run.records::<i32>("results").into_iter().map(|record| record.time).collect::<Vec<_>>();
    assert!(at(5_000) <= times[0] && times[0].after(Duration::from_secs(1)) <= times[1], "{times:?}");
    let watermarks = run.watermarks("results").into_iter().map(|(_, at)| at).collect::<Vec<_>>();
    assert!(watermarks.len() > 8 && watermarks.is_sorted(), "{watermarks:?}");
    assert!(watermarks.iter().any(|watermark| times[0] < *watermark && *watermark < times[1]), "{watermarks:?}");
}
