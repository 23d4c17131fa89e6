//! The workloads of the benchmark suite give the results that hand-written code gives for the same input.
//!
//! That code shares nothing with this project but the description of the generators: two threads, arrays and hash tables.

use millstream_benches::suite::generators::{h2, key};
use millstream_benches::suite::{Parameters, chain, generators, run, w4};
use serde_json::Value;

/// Runs a workload and gives its line.
fn line(workload: &str, parameters: &str) -> Value {
    let parameters = Parameters::parse(parameters.split(' ').map(str::to_owned)).expect("they are known");
    let report = run(workload, &parameters).expect("nothing fails for good");
    report.line().parse().expect("it is JSON")
}

/// Its number of results and their checksum.
fn results(line: &Value) -> (u64, &str) {
    (line["results"].as_u64().expect("it is a number"), line["checksum"].as_str().expect("it is text"))
}

#[test]
fn running_counts_of_words_are_those_of_hand_written_code() {
    assert_eq!(results(&line("w1", "records=20000")), (20_000, "710f7477223bd1f3"));
}

#[test]
fn final_counts_of_words_are_those_of_hand_written_code() {
    assert_eq!(results(&line("w1b", "records=20000")), (7_430, "31c051169dd07e68"));
}

#[test]
fn views_of_few_campaigns_are_those_of_hand_written_code() {
    assert_eq!(results(&line("w2c", "records=250000")), (200, "19a9e4e8e5ad2ad1"));
    assert_eq!(results(&line("w2j", "records=250000")), (200, "de87cc4f9f63ce0b"));
}

#[test]
fn views_of_many_campaigns_are_those_of_hand_written_code() {
    let many = "records=250000 campaigns=5000 ads=1";
    assert_eq!(results(&line("w2c", many)), (9_836, "ec4dfb825b7545db"));
    assert_eq!(results(&line("w2j", many)), (9_836, "4a5375af99c77e5c"));
}

#[test]
fn running_counts_of_keys_are_those_of_hand_written_code() {
    for options in ["parallelism=1", "parallelism=3 checkpoint_ms=5", "memory=20000 checkpoint_ms=5"] {
        let line = line("w3", &format!("records=100000 keys=5000 {options}"));
        assert_eq!(results(&line), (100_000, "00f6384591007690"), "{options}");
    }
}

#[test]
fn running_counts_of_keys_do_not_change_when_a_record_fails() {
    let line = line("w5", "records=100000 keys=5000 checkpoint_ms=5");
    assert_eq!(line["restarts"], 1);
    assert_eq!(results(&line), (100_000, "00f6384591007690"));
    assert!(line["recovery_ms"]["total"].as_f64().expect("it is a number") > 0.0);
}

#[test]
fn counts_of_what_was_due_are_those_of_a_loop() {
    let line = line("w4", "records=30000 rate=100000");
    let mut counts = vec![0u64; 10_000];
    let expected = (0..30_000).fold(0u64, |sum, g| {
        let index = generators::pick_hi(generators::rnd(w4::SEED, g), counts.len() as u64) as usize;
        counts[index] += 1;
        sum.wrapping_add(h2(key(w4::SEED, g, counts.len() as u64), counts[index]))
    });
    assert_eq!(results(&line), (30_000, format!("{expected:016x}").as_str()));
    assert_eq!(expected, 0x9c74_ddeb_8e79_6657);
    assert_eq!(line["latency_us"]["measured"], 20_000);
    let micros = |percentile: &str| line["latency_us"][percentile].as_f64().expect("it is a number");
    assert!(1.0 < micros("p50") && micros("p50") <= micros("p99.99") && micros("p99.99") <= micros("max"));
}

#[test]
fn bare_threads_wait_for_each_record_once() {
    let line = line("w4_bare", "records=3000 rate=1000000 parallelism=2");
    assert_eq!((&line["system"], &line["latency_us"]["measured"]), (&"none".into(), &2000.into()));
}

#[test]
fn chains_and_exchanges_lose_nothing_and_change_nothing() {
    let sum = |value: &dyn Fn(u64) -> u64| format!("{:016x}", (0..10_000).map(value).fold(0, u64::wrapping_add));
    for operators in [1, 4, 16] {
        let line = line("chain", &format!("records=10000 operators={operators}"));
        let expected = sum(&|n| (0..operators).fold(n, |n, _| chain::step(n)));
        assert_eq!(results(&line), (10_000, expected.as_str()), "{operators}");
    }
    for parallelism in [1, 8] {
        let line = line("exchange", &format!("records=10000 parallelism={parallelism}"));
        assert_eq!(results(&line), (10_000, sum(&generators::mix64).as_str()), "{parallelism}");
    }
}
