//! Files in, files out: what is undecodable is counted and put aside, or fails the job by name.

use std::fs;
use std::path::Path;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Reading {
    sensor: u32,
    value: i64,
}

/// Writes `files` files of JSON lines, in which each tenth line is broken; gives the readings and the number of broken
/// lines.
fn write_readings(directory: &Path, files: u32) -> (Vec<Reading>, usize) {
    let (mut readings, mut broken) = (Vec::new(), 0);
    for file in 0..files {
        let mut text = String::new();
        for line in 0..500 {
            if line % 10 == 3 {
                text.push_str("{\"sensor\": oops}\n");
                broken += 1;
            } else {
                let reading = Reading { sensor: line % 7, value: i64::from(file * 1000 + line) };
                text.push_str(&serde_json::to_string(&reading).expect("a reading is valid JSON"));
                text.push('\n');
                readings.push(reading);
            }
        }
        fs::write(directory.join(format!("readings-{file}.jsonl")), text).expect("the directory can be written");
    }
    (readings, broken)
}

#[test]
fn undecodable_lines_reach_the_side_output_and_are_counted() {
    for parallelism in [1, 2, 8] {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let (mut expected, broken) = write_readings(directory.path(), 3);
        let rejects = SideOutput::<DeadLetter>::new("rejects");
        let pattern = format!("{}/*.jsonl", directory.path().display());
        let topology = Topology::new("readings");
        let source = FileSource::json_lines::<Reading>(&pattern).split_bytes(1000).dead_letters_to(&rejects);
        let good = topology.source("readings", source).collect("good");
        let bad = topology.side_output(&rejects).collect("bad");

        let ledger = topology.start(JobOptions::new().parallelism(parallelism)).unwrap().wait().unwrap();

        let mut found = good.take();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "parallelism {parallelism}");
        let mut lines = bad.take().into_iter().map(|letter| (letter.path, letter.line)).collect::<Vec<_>>();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), broken, "each broken line once, at parallelism {parallelism}");
        assert!(lines.iter().all(|(_, line)| line % 10 == 4), "lines are counted from 1 at the start of the file");
        assert_eq!((ledger.records_in, ledger.failed), (expected.len() as u64, broken as u64));
    }
}

#[test]
fn undecodable_line_fails_the_job_and_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("numbers.csv");
    fs::write(&file, "sensor,value\n1,10\n2,many\n").expect("the directory can be written");
    let topology = Topology::new("numbers");
    topology.source("numbers", FileSource::csv::<Reading>(&file)).discard("nowhere");
    let error = topology.start(JobOptions::new().parallelism(1)).unwrap().wait().unwrap_err().to_string();
    assert!(error.contains("numbers.csv"), "{error}");
    assert!(error.contains("line 3 at byte 18"), "{error}");
}

#[test]
fn csv_goes_through_a_job_and_comes_back_as_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    fs::create_dir(&input).expect("the directory can be made");
    let rows = (0..1000).map(|n| Reading { sensor: n, value: -i64::from(n) }).collect::<Vec<_>>();
    let text = rows.iter().map(|row| format!("{},{}\n", row.sensor, row.value)).collect::<String>();
    fs::write(input.join("rows.csv"), format!("sensor,value\n{text}")).expect("the directory can be written");

    let copy = Topology::new("copy");
    copy.source("rows", FileSource::csv::<Reading>(&input)).sink("copied rows", FileSink::csv(&output));
    copy.start(JobOptions::new().parallelism(2)).unwrap().wait().unwrap();
    let again = Topology::new("again");
    let back = again.source("copied rows", FileSource::csv::<Reading>(&output)).collect("back");
    again.start(JobOptions::new().parallelism(2)).unwrap().wait().unwrap();

    let mut found = back.take();
    found.sort();
    assert_eq!(found, rows);
}
