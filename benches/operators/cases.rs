//! The operators that are measured, each with the jobs that differ by it.

use std::hint::black_box;

use millstream::model::Record;
use millstream::operator::{BatchHead, Emit, KeyContext, KeyedProcess};
use millstream::prelude::*;

use millstream_benches::every_thousand::EveryThousand;

/// How much goes through the jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) records: u64,
    pub(crate) keys: u64,
}

/// Writes a job down.
pub(crate) type Build = fn(&Topology, Input);

/// An operator.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the operator stands behind, in both jobs.
    pub(crate) behind: &'static str,
    pub(crate) with: Build,
    pub(crate) without: Build,
}

/// Records of a millisecond of event time.
const RECORDS_PER_MILLI: u64 = 100;

/// A number, and a key in an order that no cache foresees.
type Reading = (u64, u64);

fn source(topology: &Topology, uid: &str, input: Input) -> Stream<impl Chain<Out = Reading>> {
    let key_of = move |n: u64| ((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * input.keys) >> 32;
    topology.source(uid, Generator::new(input.records, move |n| (key_of(n), n)))
}

fn readings(topology: &Topology, input: Input) -> Stream<impl Chain<Out = Reading>> {
    source(topology, "readings", input)
}

fn timed(topology: &Topology, input: Input) -> Stream<impl Chain<Out = Reading>> {
    readings(topology, input).event_time(Watermarks::custom(EveryThousand::default), |(_, n)| n / RECORDS_PER_MILLI)
}

fn keyed(topology: &Topology, input: Input) -> KeyedStream<u64, Reading> {
    readings(topology, input).key_by(|(key, _)| *key)
}

fn timed_and_keyed(topology: &Topology, input: Input) -> KeyedStream<u64, Reading> {
    timed(topology, input).key_by(|(key, _)| *key)
}

/// Ends a job.
fn end<T: 'static>(stream: Stream<impl Chain<Out = T>>) {
    stream.for_each("results", |result| {
        black_box(result);
    });
}

/// Hands keyed records on, and keeps nothing.
struct HandOn;

impl KeyedProcess<u64, Reading> for HandOn {
    type Out = Reading;

    #[inline(always)]
    fn on_record<E: Emit<Reading>>(
        &mut self,
        record: Record<Reading>,
        _context: &mut KeyContext<'_, u64>,
        out: &mut E,
    ) -> Result<()> {
        out.emit(record)
    }
}

fn hand_on(stream: KeyedStream<u64, Reading>) {
    end(stream.process("nothing", |_| Ok(HandOn)));
}

fn halves(topology: &Topology, input: Input) -> Stream<BatchHead<Reading>> {
    let half = Input { records: input.records / 2, ..input };
    readings(topology, half).union(source(topology, "more readings", half))
}

const SOURCE: &str = "the source";
const KEY_BY: &str = "key_by";
const TIMED: &str = "event_time and key_by";

/// All of them.
pub(crate) const ALL: [Case; 17] = [
    Case { name: "map", behind: SOURCE, with: |t, i| end(readings(t, i).map(|(key, n)| (key ^ n, n))), without: plain },
    Case {
        name: "filter",
        behind: SOURCE,
        with: |t, i| end(readings(t, i).filter(|(_, n)| n % 8 != 7)),
        without: plain,
    },
    Case { name: "flat_map", behind: SOURCE, with: |t, i| end(readings(t, i).flat_map(Some)), without: plain },
    Case { name: "event_time", behind: SOURCE, with: |t, i| end(timed(t, i)), without: plain },
    Case { name: "rebalance", behind: SOURCE, with: |t, i| end(readings(t, i).rebalance()), without: plain },
    Case { name: "forward", behind: SOURCE, with: |t, i| end(readings(t, i).forward()), without: plain },
    Case {
        name: "union",
        behind: SOURCE,
        with: |t, i| end(halves(t, i)),
        without: |t, i| end(readings(t, i).forward()),
    },
    Case { name: "key_by", behind: SOURCE, with: |t, i| hand_on(keyed(t, i)), without: plain },
    Case { name: "count", behind: KEY_BY, with: |t, i| end(keyed(t, i).count("state")), without: by_key },
    Case { name: "fold", behind: KEY_BY, with: fold, without: by_key },
    Case { name: "reduce", behind: KEY_BY, with: reduce, without: by_key },
    Case { name: "map_with_state", behind: KEY_BY, with: map_with_state, without: by_key },
    Case { name: "dedup", behind: TIMED, with: dedup, without: by_time_and_key },
    Case { name: "tumbling", behind: TIMED, with: tumbling, without: by_time_and_key },
    Case { name: "sliding", behind: TIMED, with: sliding, without: by_time_and_key },
    Case { name: "session", behind: TIMED, with: session, without: by_time_and_key },
    Case { name: "window_all", behind: "event_time", with: window_all, without: |t, i| end(timed(t, i).forward()) },
];

fn plain(topology: &Topology, input: Input) {
    end(readings(topology, input));
}

fn by_key(topology: &Topology, input: Input) {
    hand_on(keyed(topology, input));
}

fn by_time_and_key(topology: &Topology, input: Input) {
    hand_on(timed_and_keyed(topology, input));
}

fn fold(topology: &Topology, input: Input) {
    end(keyed(topology, input).fold("state", 0u64, |sum, (_, n)| *sum += n));
}

fn reduce(topology: &Topology, input: Input) {
    end(keyed(topology, input).reduce("state", |sum, (_, n)| sum.1 += n));
}

fn map_with_state(topology: &Topology, input: Input) {
    end(keyed(topology, input).map_with_state("state", |last: &mut u64, (_, n)| n - std::mem::replace(last, n)));
}

fn dedup(topology: &Topology, input: Input) {
    end(timed_and_keyed(topology, input).dedup("state", 1.seconds()));
}

fn tumbling(topology: &Topology, input: Input) {
    end(timed_and_keyed(topology, input).window("state", Tumbling::of(1.seconds())).aggregate(Count));
}

fn sliding(topology: &Topology, input: Input) {
    let windows = Sliding::of(1.seconds(), 100.millis());
    end(timed_and_keyed(topology, input).window("state", windows).aggregate(Count));
}

fn session(topology: &Topology, input: Input) {
    end(timed_and_keyed(topology, input).window("state", Session::with_gap(1.seconds())).aggregate(Count));
}

fn window_all(topology: &Topology, input: Input) {
    end(timed(topology, input).window_all("state", Tumbling::of(1.seconds())).aggregate(Count));
}
