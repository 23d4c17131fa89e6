//! Each operator and each exchange gives what a plain iterator gives, at parallelism 1, 2 and 8.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use millstream::actors::error::FailureKind;
use millstream::actors::ids::CheckpointId;
use millstream::io::{NoTransactions, Prepared, Sink, SinkWriter};
use millstream::model::{Data, Record};
use millstream::operator::SubtaskContext;
use millstream::prelude::*;

use crate::rig;

const PARALLELISMS: [u32; 3] = [1, 2, 8];
const RECORDS: u64 = 500;

/// Runs what `build` makes of the numbers from 0 at each parallelism, and compares the output, sorted, with `expected`.
fn assert_gives<T, C>(
    build: impl Fn(&Topology, Stream<BoxedNumbers>) -> Stream<C>,
    expected: impl IntoIterator<Item = T>,
) where
    T: Data + Ord + Debug,
    C: Chain<Out = T>,
{
    let mut expected = expected.into_iter().collect::<Vec<_>>();
    expected.sort_unstable();
    for parallelism in PARALLELISMS {
        let topology = Topology::new("operators");
        let numbers = topology.source("numbers", Generator::new(RECORDS, |number| number)).boxed();
        let output = build(&topology, numbers).collect("output");
        let ledger =
            topology.start(rig::options(parallelism)).expect("it must not fail").wait().expect("it must not fail");
        rig::assert_output(output.take(), &expected, format!("parallelism {parallelism}"));
        assert_eq!(ledger.records_out, expected.len() as u64);
    }
}

type BoxedNumbers = millstream::operator::BoxedChain<u64>;

// ---- operators without state ----

#[test]
fn map_gives_one_for_one() {
    assert_gives(|_, numbers| numbers.map(|number| number * 3), (0..RECORDS).map(|number| number * 3));
    assert_gives(
        |_, numbers| numbers.try_map(|number| Ok::<_, String>(number * 3)),
        (0..RECORDS).map(|number| number * 3),
    );
}

#[test]
fn filter_keeps_what_its_predicate_accepts() {
    let expected = || (0..RECORDS).filter(|number| number % 7 == 0);
    assert_gives(|_, numbers| numbers.filter(|number| number % 7 == 0), expected());
    assert_gives(|_, numbers| numbers.try_filter(|number| Ok::<_, String>(number % 7 == 0)), expected());
    assert_gives(|_, numbers| numbers.filter(|_| false), []);
}

#[test]
fn flat_map_gives_none_or_many() {
    let expected = || (0..RECORDS).flat_map(|number| (0..number % 4).map(move |part| (number, part)));
    assert_gives(|_, numbers| numbers.flat_map(|number| (0..number % 4).map(move |part| (number, part))), expected());
    let parts = |number| Ok::<_, String>((0..number % 4).map(move |part| (number, part)));
    assert_gives(move |_, numbers| numbers.try_flat_map(parts), expected());
}

#[test]
fn inspect_sees_each_record_and_changes_none() {
    let sum = Arc::new(AtomicU64::new(0));
    let (inspected, tried) = (Arc::clone(&sum), Arc::clone(&sum));
    assert_gives(
        move |_, numbers| {
            let (inspected, tried) = (Arc::clone(&inspected), Arc::clone(&tried));
            numbers
                .inspect(move |number| {
                    inspected.fetch_add(*number, Ordering::SeqCst);
                })
                .try_inspect(move |number| {
                    tried.fetch_add(*number, Ordering::SeqCst);
                    Ok::<_, String>(())
                })
        },
        0..RECORDS,
    );
    let once = RECORDS * (RECORDS - 1) / 2;
    assert_eq!(sum.load(Ordering::SeqCst), once * 2 * PARALLELISMS.len() as u64);
}

#[test]
fn a_chain_of_operators_keeps_the_order_of_its_source() {
    let topology = Topology::new("order");
    let output = topology
        .source("numbers", Collection::of(0..RECORDS))
        .filter(|number| number % 2 == 0)
        .forward()
        .flat_map(|number| [number, number + 1])
        .forward()
        .collect("output");
    topology.start(rig::options(1)).unwrap().wait().unwrap();
    assert_eq!(output.take(), (0..RECORDS).collect::<Vec<_>>());
}

/// Runs a job with one wrong record and without restarts; gives its error in words.
fn error_of<C: Chain<Out = u64>>(build: impl Fn(Stream<BoxedNumbers>) -> Stream<C>) -> String {
    let topology = Topology::new("errors");
    build(topology.source("numbers", Generator::new(RECORDS, |number| number)).boxed()).discard("nowhere");
    let mut job =
        topology.start(JobOptions::new().parallelism(1).restart(RestartPolicy::None)).expect("it must not fail");
    job.wait().expect_err("it must fail").to_string()
}

#[test]
fn each_fallible_operator_fails_the_attempt_under_its_own_name() {
    fn refuse<T>(number: u64, value: T) -> Result<T, String> {
        if number == 99 { Err("99 is not allowed".to_owned()) } else { Ok(value) }
    }
    let errors = [
        ("try_map", error_of(|numbers| numbers.try_map(|number| refuse(number, number)))),
        ("try_filter", error_of(|numbers| numbers.try_filter(|number| refuse(*number, true)))),
        ("try_flat_map", error_of(|numbers| numbers.try_flat_map(|number| refuse(number, [number])))),
        ("try_inspect", error_of(|numbers| numbers.try_inspect(|number| refuse(*number, ())))),
    ];
    for (operator, error) in errors {
        assert!(error.starts_with(&format!("subtask 0.0 of '{operator}': 99 is not allowed")), "{error}");
    }
}

// ---- streams that part and meet ----

#[test]
fn union_gives_the_records_of_both() {
    assert_gives(
        |topology, numbers| numbers.union(topology.source("more", Generator::new(300, |number| 1_000 + number))),
        (0..RECORDS).chain(1_000..1_300),
    );
}

#[test]
fn union_takes_streams_of_other_parallelism() {
    assert_gives(
        |topology, numbers| {
            let more = topology.source("more", Generator::new(300, |number| 1_000 + number)).parallelism(3);
            numbers.union(more).union(topology.source("one", Collection::of([7_777])).parallelism(1))
        },
        (0..RECORDS).chain(1_000..1_300).chain([7_777]),
    );
}

#[test]
fn split_gives_all_records_to_each_branch() {
    assert_gives(
        |_, numbers| {
            let [left, middle, right] = numbers.split();
            left.union(middle.filter(|number| number % 2 == 1)).union(right.map(|number| number + 1_000))
        },
        (0..RECORDS).chain((0..RECORDS).filter(|number| number % 2 == 1)).chain(1_000..1_000 + RECORDS),
    );
}

// ---- operators with state ----

/// What `step` makes of the numbers by their last digit: all values an accumulator takes, in the order of the records.
fn folded<A: Clone>(start: A, step: impl Fn(&mut A, u64)) -> Vec<(u64, A)> {
    let mut accumulators = BTreeMap::<u64, A>::new();
    let fold = |number: u64| {
        let accumulator = accumulators.entry(number % 10).or_insert_with(|| start.clone());
        step(accumulator, number);
        (number % 10, accumulator.clone())
    };
    (0..RECORDS).map(fold).collect()
}

/// The numbers as one subtask reads them; what is keyed behind it sees each key's records in the order of the numbers.
fn assert_keyed<T, C>(build: impl Fn(KeyedStream<u64, u64>) -> Stream<C>, expected: Vec<T>)
where
    T: Data + Ord + Debug,
    C: Chain<Out = T>,
{
    assert_gives(
        |topology, unused| {
            // Only a source of one subtask has an order.
            let ordered = topology.source("ordered", Collection::of(0..RECORDS)).parallelism(1).boxed();
            build(ordered.union(unused.filter(|_| false)).parallelism(1).key_by(|number| number % 10))
        },
        expected,
    );
}

#[test]
fn fold_emits_the_accumulator_after_each_record() {
    let expected = folded(Vec::new(), |list, number| list.push(number));
    assert_keyed(|keyed| keyed.fold("lists", Vec::new(), |list: &mut Vec<u64>, number| list.push(number)), expected);
}

#[test]
fn reduce_emits_the_first_record_as_it_is() {
    let step = |old: u64, new: u64| old.wrapping_mul(31).wrapping_add(new);
    let expected = folded(None, |result, number| *result = Some(result.map_or(number, |old| step(old, number))));
    let expected = expected.into_iter().map(|(key, result)| (key, result.unwrap())).collect();
    assert_keyed(move |keyed| keyed.reduce("hashes", move |old, new| *old = step(*old, new)), expected);
}

#[test]
fn count_counts_from_one() {
    assert_keyed(|keyed| keyed.count("counts"), folded(0, |count, _| *count += 1));
}

/// A value that tells on which threads those like it have ended.
struct Traced {
    number: u64,
    ends: Arc<Mutex<HashSet<ThreadId>>>,
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.ends.lock().expect("nobody panics here").insert(thread::current().id());
    }
}

/// On how many threads the values end that one subtask reads, and that `count` counts in two.
fn ends_of_values<C: Chain<Out = (u64, u64)>>(count: impl Fn(KeyedStream<u64, Traced>) -> Stream<C>) -> usize {
    let (ends, topology) = (Arc::default(), Topology::new("ends"));
    let traces = Arc::clone(&ends);
    let values = Generator::new(RECORDS, move |number| Traced { number, ends: Arc::clone(&traces) });
    let keyed = topology.source("values", values).parallelism(1).key_by(|value| value.number % 10);
    let counts = count(keyed.parallelism(2)).collect("output");
    topology.start(rig::options(2)).expect("it must not fail").wait().expect("it must not fail");
    rig::assert_output(counts.take(), &rig::running_counts((0..RECORDS).map(|number| number % 10)), "counts");
    ends.lock().expect("nobody panics here").len()
}

#[test]
fn values_that_are_only_counted_do_not_travel() {
    assert_eq!(ends_of_values(|values| values.count("counts")), 1);
    assert_eq!(ends_of_values(|values| values.fold("counts", 0, |count, _| *count += 1)), 2);
}

#[test]
fn sum_adds_what_it_is_told() {
    assert_keyed(|keyed| keyed.sum("sums", |number| number * 2), folded(0, |sum, number| *sum += number * 2));
}

#[test]
fn min_and_max_keep_the_extreme_so_far() {
    let weight = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let smallest = folded(u64::MAX, move |best, number| *best = weight(number).min(*best));
    assert_keyed(move |keyed| keyed.min("smallest", move |number| weight(*number)), smallest);
    let greatest = folded(0, move |best, number| *best = weight(number).max(*best));
    assert_keyed(move |keyed| keyed.max("greatest", move |number| weight(*number)), greatest);
}

#[test]
fn keyed_operators_follow_one_another_in_one_block_and_across_exchanges() {
    let counts = folded(0u64, |count, _| *count += 1);
    let totals = rig::running_counts(counts.iter().map(|(_, count)| count % 3));
    assert_keyed(|keyed| keyed.count("counts").key_by(|(_, count)| count % 3).count("totals"), totals);
}

// ---- exchanges ----

/// A sink that notes down which of its subtasks took which record.
struct Placing<T>(Arc<Mutex<Vec<(u32, T)>>>);

struct PlacingWriter<T> {
    index: u32,
    places: Arc<Mutex<Vec<(u32, T)>>>,
}

impl<T: Data> Sink for Placing<T> {
    type In = T;
    type Transaction = ();
    type Writer = PlacingWriter<T>;
    type Committer = NoTransactions;

    fn committer(&self, _context: &SubtaskContext) -> Result<NoTransactions> {
        Ok(NoTransactions)
    }

    fn writer(&self, context: &mut SubtaskContext) -> Result<PlacingWriter<T>> {
        Ok(PlacingWriter { index: context.index, places: Arc::clone(&self.0) })
    }
}

impl<T: Data> SinkWriter for PlacingWriter<T> {
    type In = T;
    type Transaction = ();

    fn write(&mut self, record: Record<T>) -> Result<()> {
        self.places.lock().expect("nobody panics here").push((self.index, record.value));
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared<()>> {
        Ok(NoTransactions::prepared())
    }
}

/// Which receiver took which number, from `senders` subtasks to `receivers`; the numbers of sender i are those with
/// remainder i modulo `senders`. Sorted by receiver; within one, in the order of arrival.
fn places<C: Chain<Out = u64>>(
    senders: u32,
    receivers: u32,
    exchange: impl Fn(Stream<BoxedNumbers>) -> Stream<C>,
) -> Vec<(u32, u64)> {
    let (topology, places) = (Topology::new("exchange"), Arc::default());
    let numbers = topology.source("numbers", Generator::new(RECORDS, |number| number)).parallelism(senders).boxed();
    exchange(numbers).parallelism(receivers).sink("places", Placing(Arc::clone(&places)));
    topology.start(rig::options(1)).expect("it must not fail").wait().expect("it must not fail");
    let mut places = std::mem::take(&mut *places.lock().expect("it must not fail"));
    places.sort_by_key(|(receiver, _)| *receiver);
    places
}

/// How many records each receiver took.
fn loads(places: &[(u32, u64)], receivers: u32) -> Vec<usize> {
    (0..receivers).map(|index| places.iter().filter(|(receiver, _)| *receiver == index).count()).collect()
}

fn numbers_of(places: &[(u32, u64)]) -> Vec<u64> {
    let mut numbers = places.iter().map(|(_, number)| *number).collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers
}

/// Senders and receivers, fewer, as many and more.
const ENDS: [(u32, u32); 6] = [(1, 1), (1, 4), (2, 2), (2, 8), (8, 2), (3, 8)];

#[test]
fn every_exchange_delivers_each_record_once() {
    for (senders, receivers) in ENDS {
        let all = (0..RECORDS).collect::<Vec<_>>();
        let outcomes = [
            ("rebalance", places(senders, receivers, |numbers| numbers.rebalance())),
            ("rescale", places(senders, receivers, |numbers| numbers.rescale())),
            ("shuffle", places(senders, receivers, |numbers| numbers.shuffle(5))),
            ("global", places(senders, receivers, |numbers| numbers.global())),
            (
                "partition_by",
                places(senders, receivers, |numbers| numbers.partition_by(|number, all| *number as usize % all)),
            ),
        ];
        for (exchange, places) in outcomes {
            assert_eq!(numbers_of(&places), all, "{exchange} from {senders} to {receivers}");
        }
    }
}

#[test]
fn forward_keeps_the_subtask_and_the_order() {
    for parallelism in PARALLELISMS {
        let places = places(parallelism, parallelism, |numbers| numbers.forward());
        // Which reader gets which split, or two, is left open; but no split is torn apart.
        for split in 0..u64::from(parallelism) {
            let of_split = places.iter().filter(|(_, number)| number % u64::from(parallelism) == split);
            let (receivers, numbers) = of_split.copied().unzip::<u32, u64, Vec<_>, Vec<_>>();
            assert!(numbers.is_sorted(), "split {split} of {parallelism}: {numbers:?}");
            assert!(receivers.iter().all(|receiver| *receiver == receivers[0]), "split {split} of {parallelism}");
        }
        assert_eq!(numbers_of(&places), (0..RECORDS).collect::<Vec<_>>());
    }
}

#[test]
fn rebalance_gives_each_receiver_its_equal_share() {
    for (senders, receivers) in ENDS {
        let loads = loads(&places(senders, receivers, |numbers| numbers.rebalance()), receivers);
        let spread = loads.iter().max().unwrap() - loads.iter().min().unwrap();
        assert!(spread <= senders as usize, "from {senders} to {receivers}: {loads:?}");
    }
}

#[test]
fn rescale_stays_in_the_part_of_each_sender() {
    // With one split per sender, receiver r of 8 belongs to sender r * 2 / 8.
    let places =
        places(2, 8, |numbers| numbers.partition_by(|number, _| *number as usize % 2).parallelism(2).boxed().rescale());
    for (receiver, number) in &places {
        assert_eq!(u64::from(receiver / 4), number % 2, "receiver {receiver} took {number}");
    }
    let loads = loads(&places, 8);
    assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
}

#[test]
fn shuffle_reaches_every_receiver_and_is_the_same_for_the_same_seed() {
    let run = |seed| places(1, 8, move |numbers| numbers.shuffle(seed));
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    let loads = loads(&run(3), 8);
    assert!(loads.iter().all(|load| (30..100).contains(load)), "500 records in 8 parts: {loads:?}");
}

#[test]
fn global_sends_everything_to_the_first_receiver() {
    for (senders, receivers) in ENDS {
        let places = places(senders, receivers, |numbers| numbers.global());
        assert!(places.iter().all(|(receiver, _)| *receiver == 0), "from {senders} to {receivers}");
    }
}

#[test]
fn broadcast_sends_everything_to_each_receiver() {
    for (senders, receivers) in ENDS {
        let places = places(senders, receivers, |numbers| numbers.broadcast());
        assert_eq!(loads(&places, receivers), vec![RECORDS as usize; receivers as usize], "from {senders}");
        let expected = (0..RECORDS).flat_map(|number| vec![number; receivers as usize]).collect::<Vec<_>>();
        assert_eq!(numbers_of(&places), expected, "from {senders} to {receivers}");
    }
}

#[test]
fn partition_by_asks_its_function() {
    let places = places(2, 4, |numbers| numbers.partition_by(|number, all| (*number as usize / 100) % all));
    assert!(places.iter().all(|(receiver, number)| u64::from(*receiver) == number / 100 % 4));
    assert_eq!(numbers_of(&places), (0..RECORDS).collect::<Vec<_>>());
}

#[test]
fn partition_by_an_index_out_of_range_fails_the_job() {
    let topology = Topology::new("out of range");
    topology
        .source("numbers", Generator::new(RECORDS, |number| number))
        .partition_by(|number, all| if *number == 77 { all } else { 0 })
        .discard("nowhere");
    let mut job = topology.start(JobOptions::new().parallelism(2).restart(RestartPolicy::None)).unwrap();
    let error = job.wait().unwrap_err().to_string();
    assert!(error.contains("partition_by chose subtask 2, but there are only 2"), "{error}");
    assert_eq!(rig::attempt(&job, 0).failure.map(|failure| failure.kind), Some(FailureKind::Error));
}

#[test]
fn all_records_of_a_key_meet_in_one_subtask() {
    for (senders, receivers) in ENDS {
        let keyed = places(senders, receivers, |numbers| {
            numbers.key_by(|number| number % 50).parallelism(receivers).count("counts").map(|(key, _)| key)
        });
        let mut owners = BTreeMap::<u64, u32>::new();
        for (receiver, key) in &keyed {
            assert_eq!(owners.entry(*key).or_insert(*receiver), receiver, "key {key}, from {senders} to {receivers}");
        }
        assert_eq!(owners.len(), 50);
        let used = loads(&keyed, receivers).iter().filter(|load| **load > 0).count();
        assert!(used == receivers as usize, "50 keys reach {used} of {receivers} subtasks");
    }
}

// ---- key groups (K5) ----

/// A job of one keyed operator at `parallelism`, stopped by the end of nothing: its source waits for the tap.
fn keyed(tap: &rig::Tap, parallelism: u32) -> Topology {
    let topology = Topology::new("key groups");
    topology
        .source("numbers", rig::Tapped::new(RECORDS, tap, |number| number))
        .parallelism(1)
        .key_by(|number| number % 10)
        .parallelism(parallelism)
        .count("counts")
        .discard("nowhere");
    topology
}

#[test]
fn a_parallelism_above_the_number_of_key_groups_is_an_error_of_the_plan() {
    let error = keyed(&rig::Tap::default(), 9).max_parallelism(8).plan_with(1).unwrap_err();
    assert!(matches!(error, PlanError::ParallelismAboveMaximum { parallelism: 9, max: 8, .. }), "{error}");
    assert!(error.to_string().starts_with("'counts → nowhere' has parallelism 9"), "{error}");
}

#[test]
fn a_parallelism_above_the_stored_number_of_key_groups_is_an_error_of_the_start() {
    let (state, tap) = (tempfile::tempdir().unwrap(), rig::Tap::default());
    let options = || rig::options(1).state_dir(state.path());
    let mut job = keyed(&tap, 2).max_parallelism(4).start(options()).unwrap();
    tap.release(100);
    rig::wait_for_checkpoints(&job, "before the stop", 1);
    job.stop();
    job.wait().unwrap();
    drop(job);

    let error = keyed(&tap, 5).start(options()).unwrap_err().to_string();
    let expected = "the parallelism of 'counts', 'nowhere' is 5, above the 4 key groups of the checkpoint: lower it";
    assert!(error.starts_with(expected), "{error}");
    let error = keyed(&tap, 2).max_parallelism(8).start(options()).unwrap_err().to_string();
    assert!(error.contains("the checkpoint has 4 key groups, the topology asks for 8"), "{error}");

    // What was stored is taken where nothing else is said.
    let job = keyed(&tap, 2).start(options()).unwrap();
    assert_eq!(job.plan().max_parallelism.groups(), 4);
}
