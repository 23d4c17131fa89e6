//! Draws plans from seeds, together with what must come out of them.

use std::convert::Infallible;
use std::time::Duration;

use millstream::io::SplitMix64;
use millstream::model::Record;
use millstream::operator::{Bounds, BoxedChain, Emit, KeyContext, KeyedProcess, Timer};
use millstream::prelude::*;

use super::oracle::{self, Event, Timed};

/// How streams are made of streams here.
pub(crate) const STAGES: [&str; 14] = [
    "map",
    "filter",
    "flat_map",
    "exchange",
    "union",
    "split",
    "count",
    "tumbling",
    "sliding",
    "session",
    "interval join",
    "window all",
    "alarms",
    "map_async",
];

/// How far a record may lie behind one that came before it in its split.
const DISORDER: u64 = 40;
/// A stream of more records is only made smaller.
const MANY: usize = 600;
/// Streams that are open at once.
const MOST_OPEN: usize = 4;

/// A plan, and its outputs.
pub(crate) struct Drawn {
    pub(crate) seed: u64,
    pub(crate) topology: Topology,
    pub(crate) parallelism: u32,
    /// The uid of each sink, and what must come into it.
    pub(crate) outputs: Vec<(String, Vec<Event>)>,
    /// What the plan is made of.
    pub(crate) stages: Vec<&'static str>,
}

/// A stream that has no sink yet.
struct Open {
    stream: Stream<BoxedChain<Event>>,
    holds: Vec<Timed>,
    /// Whether event times follow from the input alone.
    is_timed: bool,
}

struct Draft {
    topology: Topology,
    chance: SplitMix64,
    open: Vec<Open>,
    stages: Vec<&'static str>,
}

impl Drawn {
    /// Draws a plan.
    pub(crate) fn of(seed: u64) -> Self {
        let topology = Topology::new(&format!("model {seed}"));
        let mut draft = Draft { topology, chance: SplitMix64::new(seed), open: Vec::new(), stages: Vec::new() };
        for source in 0..1 + draft.chance.below(2) {
            draft.add_source(source);
        }
        for _ in 0..2 + draft.chance.below(5) {
            draft.add_stage();
        }
        let parallelism = 1 + draft.chance.below(3) as u32;
        let finish = |(number, open): (usize, Open)| {
            let uid = format!("output {number}");
            open.stream.collect(&uid);
            (uid, open.holds.into_iter().map(|(event, _)| event).collect())
        };
        let outputs = draft.open.into_iter().enumerate().map(finish).collect();
        Self { seed, topology: draft.topology, parallelism, outputs, stages: draft.stages }
    }

    /// The plan as text.
    pub(crate) fn text(&self) -> String {
        self.topology.plan_with(self.parallelism).map_or_else(|mistake| mistake.to_string(), |plan| plan.to_string())
    }
}

/// The event and the event time of item `number` of the source that is made of `seed`.
fn item(seed: u64, number: u64) -> Timed {
    let mut random = SplitMix64::of_item(seed, number);
    let time = number * 5 + DISORDER - random.below(DISORDER);
    // Often the same few keys.
    let keys = if random.below(2) == 0 { 2 } else { 9 };
    ((random.below(keys), number), time as i64 - 500)
}

impl Draft {
    fn add_source(&mut self, number: u64) {
        let (seed, count) = (self.chance.next_u64(), 1 + self.chance.below(160));
        let uid = format!("source {number}");
        let (every, rate) = (self.interval(), 1_000 + self.chance.below(30_000));
        let stream = self
            .topology
            .source(&uid, Generator::new(count, move |number| item(seed, number)).at_rate(rate))
            .event_time(Watermarks::bounded_out_of_order((DISORDER as i64).millis()).every(every), |(_, time)| *time)
            .map(|(event, _)| event)
            .boxed();
        let holds = (0..count).map(|number| item(seed, number)).collect();
        self.open.push(Open { stream, holds, is_timed: true });
    }

    /// A time that is neither very short nor very long for the events here.
    fn interval(&mut self) -> Timespan {
        (10 + self.chance.below(90) as i64).millis()
    }

    fn take_any(&mut self) -> Open {
        let index = self.chance.below(self.open.len() as u64) as usize;
        self.open.swap_remove(index)
    }

    fn uid(&self, stage: &str) -> String {
        format!("{stage}, stage {}", self.stages.len())
    }

    fn add_stage(&mut self) {
        let stage = STAGES[self.chance.below(STAGES.len() as u64) as usize];
        let one = self.take_any();
        if !self.fits(stage, &one) {
            return self.open.push(one);
        }
        match stage {
            "union" | "interval join" => self.add_binary(stage, one),
            "split" => self.split(one),
            _ => {
                let one = self.apply(stage, one);
                self.open.push(one);
            }
        }
        self.stages.push(stage);
    }

    /// Whether there is a stream for the other side of `stage`, times for what asks for them, and an end of growth.
    fn fits(&self, stage: &str, one: &Open) -> bool {
        let needs_time = ["tumbling", "sliding", "session", "interval join", "window all", "alarms"].contains(&stage);
        let grows = ["flat_map", "sliding", "interval join", "split", "union"].contains(&stage);
        let other = self.open.last();
        let other_fits = other.is_some_and(|other| other.holds.len() <= MANY && (other.is_timed || stage == "union"));
        (!needs_time || one.is_timed)
            && (!grows || one.holds.len() <= MANY)
            && (!["union", "interval join"].contains(&stage) || other_fits)
            && (stage != "split" || self.open.len() + 2 <= MOST_OPEN)
    }

    fn add_binary(&mut self, stage: &str, left: Open) {
        let Some(right) = self.open.pop() else { return self.open.push(left) };
        if stage == "union" {
            let is_timed = left.is_timed && right.is_timed;
            let holds = [left.holds, right.holds].concat();
            return self.open.push(Open { stream: left.stream.union(right.stream).boxed(), holds, is_timed });
        }
        let reach = self.chance.below(25) as i64;
        let holds = oracle::interval_pairs(&left.holds, &right.holds, reach);
        let stream = left
            .stream
            .key_by(|(key, _)| *key)
            .connect(right.stream.key_by(|(key, _)| *key))
            .interval_join(&self.uid(stage), Bounds::between((-reach).millis(), reach.millis()))
            .apply(|(key, left), (_, right)| (*key, oracle::paired(*left, *right)))
            .boxed();
        self.open.push(Open { stream, holds, is_timed: true });
    }

    fn split(&mut self, one: Open) {
        let is_timed = one.is_timed;
        for stream in one.stream.split::<2>() {
            self.open.push(Open { stream: stream.boxed(), holds: one.holds.clone(), is_timed });
        }
    }

    /// A stage of one stream that gives one stream.
    fn apply(&mut self, stage: &str, one: Open) -> Open {
        let uid = self.uid(stage);
        let Open { stream, holds, mut is_timed } = one;
        let each = |change: fn(Event) -> Event| holds.iter().map(|(event, at)| (change(*event), *at)).collect();
        let (size, slide) = (self.interval(), (10 + self.chance.below(60) as i64).millis());
        let (size_ms, slide_ms) = (size.as_millis(), slide.as_millis());
        let number = |event: &Event| event.1;
        let (stream, holds) = match stage {
            "map" => (stream.map(scattered).boxed(), each(scattered)),
            "filter" => {
                let kept = |event: &Event| event.1 % 3 != 1;
                (stream.filter(kept).boxed(), holds.into_iter().filter(|(event, _)| kept(event)).collect())
            }
            "flat_map" => {
                let several = |(key, number): Event| (0..number % 4).map(move |copy| (key + copy, number));
                let holds = holds.iter().flat_map(|(event, at)| several(*event).map(|event| (event, *at))).collect();
                (stream.flat_map(several).boxed(), holds)
            }
            "exchange" => {
                let stream = match self.chance.below(4) {
                    0 => stream.rebalance().boxed(),
                    1 => stream.shuffle(self.chance.next_u64()).boxed(),
                    2 => stream.global().boxed(),
                    _ => stream.partition_by(|(key, _), subtasks| *key as usize % subtasks).boxed(),
                };
                (stream, holds)
            }
            "count" => {
                // Which event of a key is counted first is left open, and with it the time of each count.
                is_timed = false;
                (stream.key_by(|(key, _)| *key).count(&uid).boxed(), oracle::counts(&holds))
            }
            "tumbling" => {
                let windows = stream.key_by(|(key, _)| *key).window(&uid, Tumbling::of(size));
                (windows.aggregate(Sum::of(number)).boxed(), oracle::window_sums(&holds, size_ms, size_ms))
            }
            "sliding" => {
                let windows = stream.key_by(|(key, _)| *key).window(&uid, Sliding::of(size, slide));
                (windows.aggregate(Sum::of(number)).boxed(), oracle::window_sums(&holds, size_ms, slide_ms))
            }
            "session" => {
                let gap_ms = (slide_ms..).find(|gap| !oracle::touches(&holds, *gap)).expect("distances end");
                let windows = stream.key_by(|(key, _)| *key).window(&uid, Session::with_gap(gap_ms.millis()));
                (windows.aggregate(Sum::of(number)).boxed(), oracle::session_sums(&holds, gap_ms))
            }
            "window all" => {
                let sums = stream.window_all(&uid, Tumbling::of(size)).aggregate(Sum::of(number));
                let holds = holds.iter().map(|((_, number), time)| ((0, *number), *time)).collect::<Vec<_>>();
                (sums.map(|sum| (0, sum)).boxed(), oracle::window_sums(&holds, size_ms, size_ms))
            }
            "alarms" => {
                let alarms = stream.key_by(|(key, _)| *key).process(&uid, move |_| Ok(Alarms { interval: size_ms }));
                (alarms.boxed(), oracle::alarms(&holds, size_ms))
            }
            _ => {
                let call = |event: Event| async move {
                    tokio::time::sleep(Duration::from_millis(event.1 % 7)).await;
                    Ok::<Event, Infallible>(scattered(event))
                };
                let holds = each(scattered);
                let stream = match self.chance.below(2) {
                    0 => stream.map_async(&uid, call).boxed(),
                    _ => stream.map_async_with(&uid, AsyncMap::unordered(call).capacity(7)).boxed(),
                };
                (stream, holds)
            }
        };
        Open { stream, holds, is_timed }
    }
}

/// Another number, and sometimes another key.
fn scattered((key, number): Event) -> Event {
    (if number % 5 == 0 { key + 1 } else { key }, number * 3 + 1)
}

/// Rings for each key at each multiple of an interval that its records come close to.
struct Alarms {
    interval: i64,
}

impl KeyedProcess<u64, Event> for Alarms {
    type Out = Event;

    fn on_record<E: Emit<Event>>(
        &mut self,
        record: Record<Event>,
        context: &mut KeyContext<'_, u64>,
        _out: &mut E,
    ) -> Result<()> {
        let at = oracle::alarm_time(record.time.as_millis(), self.interval);
        context.register_event_timer(Timestamp::from_millis(at))
    }

    fn on_timer<E: Emit<Event>>(&mut self, timer: Timer, context: &mut KeyContext<'_, u64>, out: &mut E) -> Result<()> {
        out.emit(Record::at((*context.key(), oracle::number_of(timer.time.as_millis())), timer.time))
    }
}
