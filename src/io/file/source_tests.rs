//! Laws of reading files: every line once, wherever it is cut; what cannot be decoded is told exactly.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::io::driver::{Reading, context};
use crate::io::{SourceReader, SplitEnumerator, SplitNumber};
use crate::model::Record;

/// Files in a directory of their own.
fn files(contents: &[impl AsRef<[u8]>]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (number, content) in contents.iter().enumerate() {
        fs::write(place.path().join(format!("{number:03}.txt")), content).unwrap();
    }
    place
}

/// The lines of a text by the rules of the standard library, which leaves out a byte order mark nowhere.
fn lines_of(text: &str) -> Vec<String> {
    text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::to_owned).collect()
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![Just(String::new()), "[a-zé\u{1F600}]{0,12}", "x{30,60}"];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    let lines = prop::collection::vec((line, end), 0..30);
    (any::<bool>(), lines, "[a-z]{0,5}").prop_map(|(marked, lines, last)| {
        let mut text = if marked { "\u{feff}".to_owned() } else { String::new() };
        lines.iter().for_each(|(line, end)| text.extend([line.as_str(), end]));
        text + &last
    })
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Ride {
    taxi: u32,
    note: String,
}

proptest! {
    #[test]
    fn every_line_is_read_once_wherever_files_are_cut(
        texts in prop::collection::vec(text(), 1..4),
        split_bytes in 1u64..80,
        parallelism in 1u32..4,
        steps in Reading::steps(),
    ) {
        let place = files(&texts);
        let reading = Reading::of(&FileSource::lines(place.path()).split_bytes(split_bytes), parallelism, &steps);
        let bytes = texts.iter().map(String::len).sum::<usize>() as u64;
        prop_assert_eq!((reading.total, reading.progress, reading.failed), (Some(bytes), bytes, 0));
        prop_assert_eq!(reading.sorted(), sorted(texts.iter().flat_map(|text| lines_of(text)).collect()));
    }

    #[test]
    fn lines_of_one_subtask_keep_their_order(text in text(), split_bytes in 1u64..80, steps in Reading::steps()) {
        let place = files(&[&text]);
        let reading = Reading::of(&FileSource::lines(place.path()).split_bytes(split_bytes), 1, &steps);
        prop_assert_eq!(reading.records, lines_of(&text));
    }

    #[test]
    fn undecodable_lines_are_put_aside_with_their_place(
        lines in prop::collection::vec(prop_oneof![Just("ok"), Just(""), Just("\u{fffd}"), Just("toolong")], 0..40),
        split_bytes in 1u64..40,
        steps in Reading::steps(),
    ) {
        // The replacement character stands for a byte that is not UTF-8.
        let encoded = |line: &str| if line == "\u{fffd}" { vec![0xFF] } else { line.as_bytes().to_vec() };
        let bytes = lines.iter().flat_map(|line| [encoded(line), b"\n".to_vec()].concat()).collect::<Vec<_>>();
        let place = files(&[&bytes]);
        let letters = SideOutput::new("letters");
        let source = FileSource::lines(place.path()).split_bytes(split_bytes).max_line_bytes(6);
        let (reading, found) = read_with_letters(&source.dead_letters_to(&letters), &letters, &steps);

        let mut expected = Vec::new();
        let mut offset = 0;
        for (line, number) in lines.iter().zip(1..) {
            if ["\u{fffd}", "toolong"].contains(line) {
                expected.push((offset, number, (*line).to_owned()));
            }
            offset += encoded(line).len() as u64 + 1;
        }
        prop_assert_eq!(reading.failed, expected.len() as u64);
        prop_assert_eq!(reading.progress, bytes.len() as u64);
        prop_assert_eq!(found.into_iter().map(|it| (it.offset, it.line, it.text)).collect::<Vec<_>>(), expected);
        let good = lines.iter().filter(|line| ["ok", ""].contains(line)).map(|line| (*line).to_owned());
        prop_assert_eq!(reading.records, good.collect::<Vec<_>>());
    }

    #[test]
    fn every_csv_row_is_read_once(
        notes in prop::collection::vec("[a-c\",\n]{0,8}", 0..30), steps in Reading::steps(),
    ) {
        let rides = (0..).zip(notes).map(|(taxi, note)| Ride { taxi, note }).collect::<Vec<_>>();
        let quoted = |ride: &Ride| format!("\"{}\",{}\r\n", ride.note.replace('"', "\"\""), ride.taxi);
        let content = "\u{feff}note,taxi\r\n".to_owned() + &rides.iter().map(quoted).collect::<String>();
        let place = files(&[&content]);
        let reading = Reading::of(&FileSource::csv::<Ride>(place.path()).split_bytes(1), 2, &steps);
        prop_assert_eq!(reading.progress, content.len() as u64);
        prop_assert_eq!(reading.records, rides);
    }

    #[test]
    fn every_csv_row_is_read_once_wherever_the_file_is_cut(
        notes in prop::collection::vec("[a-c\",]{0,8}", 0..30), split_bytes in 1u64..60, steps in Reading::steps(),
    ) {
        let rides = (0..).zip(notes).map(|(taxi, note)| Ride { taxi, note }).collect::<Vec<_>>();
        let quoted = |ride: &Ride| format!("{};\"{}\"\n", ride.taxi, ride.note.replace('"', "\"\""));
        let content = "taxi;note\n".to_owned() + &rides.iter().map(quoted).collect::<String>();
        let place = files(&[&content]);
        let source = FileSource::csv::<Ride>(place.path()).delimiter(b';').no_newlines_in_fields();
        let reading = Reading::of(&source.split_bytes(split_bytes), 3, &steps);
        prop_assert_eq!(reading.progress, content.len() as u64);
        prop_assert_eq!(reading.sorted(), rides);
    }
}

/// Reads with one subtask, and also gives what arrived at the side output.
fn read_with_letters<D: Decode>(
    source: &FileSource<D>,
    letters: &SideOutput<DeadLetter>,
    steps: &[crate::io::driver::ReadStep],
) -> (Reading<D::Out>, Vec<DeadLetter>) {
    let mut contexts = vec![context(0, 1)];
    contexts[0].read_sides.insert(letters.id());
    let reading = Reading::within(source, &mut contexts, steps).unwrap();
    let found = contexts[0].side(letters).take().into_iter().map(|record| record.value).collect();
    (reading, found)
}

fn failure<D: Decode>(source: &FileSource<D>) -> (String, u64, u64, String) {
    let error = Reading::plain(source).err().unwrap();
    let ErrorKind::Undecodable { path, offset, line, detail } = error.kind() else { panic!("{error}") };
    (path.file_name().unwrap().to_str().unwrap().to_owned(), *offset, *line, detail.clone())
}

#[test]
fn undecodable_line_fails_the_job_by_default() {
    let place = files(&[b"fine\n".as_slice(), b"one\ntwo\nth\xFFree\nfour\n"]);
    let (file, offset, line, detail) = failure(&FileSource::lines(place.path()).split_bytes(6));
    assert_eq!((file.as_str(), offset, line), ("001.txt", 8, 3));
    assert_eq!(detail, "invalid utf-8 sequence of 1 bytes from index 2");
}

#[test]
fn undecodable_json_fails_the_job_by_default() {
    let good = "{\"taxi\":1,\"note\":\"a\"}\n";
    let place = files(&[format!("{good}\n  \n{good}{{\"taxi\":true}}\n")]);
    let source = FileSource::json_lines::<Ride>(place.path()).split_bytes(7);
    let (_, offset, line, detail) = failure(&source);
    assert_eq!((offset, line), (2 * good.len() as u64 + 4, 5));
    assert_eq!(detail, "invalid type: boolean `true`, expected u32 at column 12");
    let reading = Reading::plain(&source.skip_undecodable()).unwrap();
    assert_eq!((reading.records.len(), reading.failed), (2, 1));
}

#[test]
fn undecodable_rows_are_put_aside() {
    let content = "taxi,note\n1,\"two\nlines\"\n2\nx,b\n\n3,\"open\nto the end\n";
    let letters = SideOutput::new("letters");
    let place = files(&[content]);
    let source = FileSource::csv::<Ride>(place.path()).dead_letters_to(&letters);
    assert_eq!(source.side_outputs(), [letters.id()]);
    let (reading, found) = read_with_letters(&source, &letters, &crate::io::driver::ONE_BY_ONE);
    assert_eq!(reading.records, [Ride { taxi: 1, note: "two\nlines".to_owned() }]);
    let told = found.iter().map(|it| (it.offset, it.line, it.error.as_str())).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            (24, 4, "expected 2 fields, found 1"),
            (26, 5, "field 'taxi': invalid digit found in string"),
            (31, 7, "a quoted field does not end in its row"),
        ]
    );
    assert_eq!(found[2].text, "3,\"open\nto the end\n");
    assert!(found.iter().all(|it| it.path == place.path().join("000.txt")));
}

#[test]
fn header_that_cannot_be_read_fails_the_job() {
    let place = files(&[b"taxi,n\xFFte\n1,2\n"]);
    let (_, offset, line, detail) = failure(&FileSource::csv::<Ride>(place.path()).skip_undecodable());
    assert_eq!((offset, line), (0, 1));
    assert!(detail.starts_with("field 2: invalid utf-8"), "{detail}");
}

#[test]
fn files_without_rows_are_fine() {
    let place = files(&["taxi,note", "taxi,note\n", "", "\u{feff}"]);
    assert_eq!(Reading::plain(&FileSource::csv::<Ride>(place.path())).unwrap().records, []);
}

#[test]
fn what_is_appended_after_discovery_is_not_read() {
    let place = files(&["one\ntwo"]);
    let source = FileSource::lines(place.path());
    let mut splits = source.discover(1).unwrap();
    fs::write(place.path().join("000.txt"), "one\ntwo and more\nthree\n").unwrap();
    let mut reader = source.reader(&mut context(0, 1)).unwrap();
    reader.add_split(SplitNumber(0), splits.next_split(0).unwrap().unwrap()).unwrap();
    let mut out: Vec<Record<String>> = Vec::new();
    reader.read(10, &mut out).unwrap();
    assert_eq!(out, [Record::new("one".to_owned()), Record::new("two".to_owned())]);
}

#[test]
fn file_that_vanished_or_shrank_is_an_error_that_names_it() {
    let place = files(&["one\ntwo\n"]);
    let path = place.path().join("000.txt");
    let source = FileSource::lines(place.path());
    let split = source.discover(1).unwrap().next_split(0).unwrap().unwrap();
    let refusal =
        || source.reader(&mut context(0, 1)).unwrap().add_split(SplitNumber(0), split.clone()).unwrap_err().to_string();
    fs::write(&path, "one\n").unwrap();
    assert_eq!(refusal(), format!("{}: had 8 bytes when the job began, now has 4", path.display()));
    fs::remove_file(&path).unwrap();
    assert!(refusal().starts_with(path.to_str().unwrap()));
}

#[test]
fn path_that_matches_nothing_is_an_error() {
    let place = files(&["x"]);
    let source = FileSource::lines(place.path().join("*.txt")).and(PathBuf::from("/no/such/*.log"));
    let error = source.discover(1).err().unwrap().to_string();
    assert_eq!(error, "/no/such/*.log: no file matches this pattern");
}
