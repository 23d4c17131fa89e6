//! Asynchronous calls: order, fences, capacity, timeouts, retries, and what is on its way when a subtask dies.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use millstream::operator::Retries;
use millstream::prelude::*;
use millstream::testing::{Simulation, TopologyDriver};

use crate::rig::effort::seeds;

/// A service whose answers the test gives, in whatever order it wants. Clones are the same service.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<BTreeMap<u64, Call>>>);

#[derive(Default)]
struct Call {
    asked: u32,
    answer: Option<Result<u64, String>>,
    waker: Option<Waker>,
}

type Answer = Pin<Box<dyn Future<Output = Result<u64, String>> + Send>>;

impl Service {
    /// Answers the call for `number`, now or when it comes, with twice the number.
    fn answer(&self, number: u64) {
        self.reply(number, Ok(2 * number));
    }

    fn reply(&self, number: u64, answer: Result<u64, String>) {
        let mut calls = self.0.lock().expect("no test panics with it");
        let call = calls.entry(number).or_default();
        call.answer = Some(answer);
        call.waker.take().into_iter().for_each(Waker::wake);
    }

    fn asked(&self, number: u64) -> u32 {
        self.0.lock().expect("no test panics with it").get(&number).map_or(0, |call| call.asked)
    }

    fn ask(&self, number: u64) -> Answer {
        let service = self.clone();
        service.0.lock().expect("no test panics with it").entry(number).or_default().asked += 1;
        Box::pin(poll_fn(move |context| {
            let mut calls = service.0.lock().expect("no test panics with it");
            let call = calls.entry(number).or_default();
            match call.answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    call.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}

/// A topology that asks the service.
macro_rules! driver {
    ($service:expr, $kind:ident $(, $option:ident($($value:expr),*))*) => {{
        let service = $service.clone();
        let calls = AsyncMap::$kind(move |number: u64| service.ask(number))$(.$option($($value),*))*;
        let topology = Topology::new("calls");
        let numbers = topology.source("numbers", Collection::of(Vec::<u64>::new()));
        numbers.map_async_with("calls", calls).collect("results");
        TopologyDriver::new(&topology).expect("the plan has no mistake")
    }};
}

fn push(driver: &mut TopologyDriver, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        driver.push_at("numbers", number, number as i64).expect("no call fails");
    }
}

/// What is emitted once `number` is answered.
fn after(driver: &mut TopologyDriver, service: &Service, number: u64) -> Vec<u64> {
    service.answer(number);
    driver.advance(Duration::ZERO).expect("no call fails");
    driver.output("results")
}

#[test]
fn a1_ordered_results_keep_the_order_of_the_records() {
    let service = Service::default();
    let mut driver = driver!(service, ordered);
    push(&mut driver, 1..=5);
    let emitted = [3, 1, 2, 5, 4].map(|number| after(&mut driver, &service, number));
    assert_eq!(emitted, [vec![], vec![2], vec![4, 6], vec![], vec![8, 10]]);
}

#[test]
fn a2_unordered_results_come_as_they_are_and_none_passes_a_watermark() {
    let service = Service::default();
    let mut driver = driver!(service, unordered);
    push(&mut driver, 1..=3);
    driver.watermark::<u64>("numbers", 3).expect("no call fails");
    push(&mut driver, 4..=5);
    let emitted = [5, 2, 1].map(|number| after(&mut driver, &service, number));
    assert_eq!(emitted, [vec![], vec![4], vec![2]]);
    assert_eq!(driver.watermark_at("results"), None, "a record before it is on its way");
    assert_eq!(after(&mut driver, &service, 3), [6, 10]);
    assert_eq!(driver.watermark_at("results"), Some(Timestamp::from_millis(3)));
    assert_eq!(after(&mut driver, &service, 4), [8]);
}

#[test]
fn a3_records_on_their_way_are_in_the_snapshot_and_are_called_for_again_first() {
    let service = Service::default();
    let mut driver = driver!(service, ordered, capacity(3));
    push(&mut driver, 1..=4);
    assert_eq!([1, 2, 3, 4].map(|number| service.asked(number)), [1, 1, 1, 0], "the fourth has no room");
    let snapshot = driver.snapshot().expect("a snapshot can be taken");

    driver.restore(&snapshot).expect("it can be restored");
    push(&mut driver, 4..=8);
    (1..=8).for_each(|number| service.answer(number));
    driver.advance(Duration::ZERO).expect("no call fails");
    let records = driver.records::<u64>("results");
    let expected = (1..=8).map(|number| (2 * number as u64, Timestamp::from_millis(number))).collect::<Vec<_>>();
    assert_eq!(records.into_iter().map(|record| (record.value, record.time)).collect::<Vec<_>>(), expected);
    assert_eq!(service.asked(1), 2);
}

#[test]
fn nothing_more_is_taken_when_the_capacity_is_reached() {
    let service = Service::default();
    let mut driver = driver!(service, ordered, capacity(2));
    push(&mut driver, 1..=4);
    assert_eq!((service.asked(2), service.asked(3)), (1, 0));
    assert_eq!(after(&mut driver, &service, 1), [2]);
    assert_eq!((service.asked(3), service.asked(4)), (1, 0));
}

#[test]
fn record_whose_time_is_over_fails_the_attempt_or_gets_a_fallback() {
    let service = Service::default();
    let second = Duration::from_secs(1);
    let mut strict = driver!(service, ordered, timeout(second));
    push(&mut strict, [1]);
    strict.advance(Duration::from_millis(999)).expect("its time is not over");
    let error = strict.advance(Duration::from_millis(1)).expect_err("its time is over");
    assert!(error.to_string().contains("no answer within 1000 ms"), "{error}");

    let mut lenient = driver!(service, ordered, timeout(second), on_timeout(|number| 1_000 + number));
    push(&mut lenient, [1, 2]);
    service.answer(2);
    lenient.advance(second).expect("there is a fallback");
    assert_eq!(lenient.output::<u64>("results"), [1_001, 4]);
    // An answer that comes too late is nobody's.
    service.answer(1);
    lenient.advance(second).expect("there is a fallback");
    assert_eq!(lenient.output::<u64>("results"), [0; 0]);
}

#[test]
fn failed_calls_are_tried_again_behind_a_pause_and_the_last_failure_counts() {
    let service = Service::default();
    let pause = Duration::from_millis(100);
    let mut driver = driver!(service, ordered, retries(Retries::fixed(2, pause)));
    push(&mut driver, [1]);
    let fail = || service.reply(1, Err("busy".to_owned()));
    fail();
    driver.advance(pause).expect("it is tried again");
    assert_eq!(service.asked(1), 2);
    assert_eq!(after(&mut driver, &service, 1), [2]);

    push(&mut driver, [1]);
    for _ in 0..2 {
        fail();
        driver.advance(pause).expect("it is tried again");
    }
    fail();
    let error = driver.advance(pause).expect_err("there is no try left");
    assert!(error.to_string().contains("busy"), "{error}");
}

#[test]
fn a4_the_end_of_the_input_waits_for_all_answers() {
    let service = Service::default();
    let mut driver = driver!(service, unordered);
    push(&mut driver, [1, 2]);
    driver.end::<u64>("numbers").expect("no call fails");
    assert_eq!(driver.watermark_at("results"), None);
    assert_eq!(after(&mut driver, &service, 2), [4]);
    assert_eq!(after(&mut driver, &service, 1), [2]);
    assert_eq!(driver.watermark_at("results"), Some(Timestamp::MAX));
}

#[test]
fn results_are_exact_whatever_dies_while_calls_are_on_their_way() {
    for is_ordered in [true, false] {
        // An answer takes a few polls, so that records are on their way whenever something dies.
        let lookup = |number: u64| {
            let mut polls = number % 5;
            poll_fn(move |context| {
                if polls == 0 {
                    return Poll::Ready(Ok::<_, String>(number * number));
                }
                polls -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            })
        };
        let calls = if is_ordered { AsyncMap::ordered(lookup) } else { AsyncMap::unordered(lookup) };
        let topology = Topology::new("squares");
        let numbers = topology.source("numbers", Collection::of(0..900u64));
        numbers.map_async_with("squares", calls.capacity(7)).collect("results");
        let expected = (0..900).map(|number| number * number).collect::<Vec<u64>>();
        let explored = Simulation::new(topology, 0)
            .kill_randomly(5)
            .explore(seeds(0..40), |run| run.check_output("results", &expected));
        explored.assert_holds();
        assert!(explored.kills() > 40 && explored.restores() >= 15, "{explored:?}");
    }
}

#[test]
fn a5_asynchronous_calls_are_fused_with_their_neighbours() {
    let answer = |number: u64| async move { Ok::<_, String>(number) };
    let topology = Topology::new("fused");
    topology
        .source("numbers", Collection::of([1u64]))
        .map_async("ordered", answer)
        .map(|number| number + 1)
        .map_async_with("unordered", AsyncMap::unordered(answer))
        .map(|number| number + 1)
        .collect("results");
    let plan = topology.plan_with(1).expect("the plan has no mistake").to_string();
    assert!(plan.contains("block 0") && !plan.contains("block 1"), "{plan}");
}
