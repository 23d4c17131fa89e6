//! The topology driver: what is pushed comes through at once, state is read by name, snapshots are restored as often as wanted.

use std::time::Duration;

use millstream::prelude::*;
use millstream::testing::TopologyDriver;

fn counts() -> Topology {
    let topology = Topology::new("counts");
    topology
        .source("words", Collection::of(Vec::<String>::new()))
        .filter(|word| !word.is_empty())
        .key_by(|word| word.clone())
        .count("counts")
        .collect("results");
    topology
}

fn word(text: &str) -> String {
    text.to_owned()
}

fn results(driver: &mut TopologyDriver) -> Vec<(String, u64)> {
    driver.output("results")
}

#[test]
fn what_is_pushed_comes_through_at_once() {
    for parallelism in [1, 3] {
        let mut driver = TopologyDriver::with_parallelism(&counts(), parallelism).expect("the plan has no mistake");
        for (text, count) in [("a", 1), ("b", 1), ("a", 2)] {
            driver.push("words", word(text)).expect("no operator fails");
            assert_eq!(results(&mut driver), [(word(text), count)]);
        }
        driver.push("words", String::new()).expect("no operator fails");
        assert_eq!(results(&mut driver), []);
        let rows = driver.state::<String, u64>("counts").expect("it can be read");
        assert_eq!(rows, [(word("a"), 2), (word("b"), 1)]);
    }
}

#[test]
fn snapshot_is_restored_as_often_as_wanted() {
    let mut driver = TopologyDriver::with_parallelism(&counts(), 2).expect("the plan has no mistake");
    driver.push("words", word("a")).expect("no operator fails");
    let one = driver.snapshot().expect("a snapshot can be taken");
    driver.push("words", word("a")).expect("no operator fails");
    let two = driver.snapshot().expect("a snapshot can be taken");
    for (snapshot, next) in [(&one, 2), (&two, 3), (&one, 2), (&two, 3)] {
        driver.restore(snapshot).expect("it can be restored");
        driver.push("words", word("a")).expect("no operator fails");
        assert_eq!(results(&mut driver), [(word("a"), next)]);
    }
    let mut other = TopologyDriver::with_parallelism(&counts(), 2).expect("the plan has no mistake");
    other.restore(&two).expect("it can be restored");
    other.push("words", word("a")).expect("no operator fails");
    assert_eq!(results(&mut other), [(word("a"), 3)]);
}

#[test]
fn watermarks_and_the_end_reach_the_sinks() {
    let mut driver = TopologyDriver::with_parallelism(&counts(), 2).expect("the plan has no mistake");
    driver.watermark::<String>("words", 1_000).expect("no operator fails");
    assert_eq!(driver.watermark_at("results"), Some(Timestamp::from_millis(1_000)));
    driver.end::<String>("words").expect("no operator fails");
    assert_eq!(driver.watermark_at("results"), Some(Timestamp::MAX));
}

#[test]
fn time_goes_on_when_it_is_told_to() {
    let mut driver = TopologyDriver::new(&counts()).expect("the plan has no mistake");
    let before = driver.processing_time();
    driver.advance(Duration::from_secs(5)).expect("no operator fails");
    assert_eq!(driver.processing_time().as_millis() - before.as_millis(), 5_000);
}

#[test]
#[should_panic(expected = "topology 'counts' has no uid 'lines', but [\"words\", \"counts\", \"results\"]")]
fn source_that_is_not_there_is_named() {
    let mut driver = TopologyDriver::new(&counts()).expect("the plan has no mistake");
    let _ = driver.push("lines", word("a"));
}

#[test]
fn error_of_a_user_function_is_given_back() {
    let topology = Topology::new("strict");
    topology
        .source("words", Collection::of(Vec::<String>::new()))
        .try_map(|word: String| word.parse::<u32>())
        .collect("results");
    let mut driver = TopologyDriver::new(&topology).expect("the plan has no mistake");
    driver.push("words", word("7")).expect("it is a number");
    let error = driver.push("words", word("seven")).expect_err("it is no number");
    assert!(error.to_string().contains("invalid digit"), "{error}");
    assert_eq!(driver.output::<u32>("results"), [7]);
}
