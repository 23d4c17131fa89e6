//! Laws of writing files: what a complete checkpoint covers is there once, and nothing else is.

use std::fs;
use std::path::Path;

use millstream_actors::ids::Attempt;
use millstream_actors::ids::CheckpointId;
use serde::Serialize;
use tempfile::TempDir;

use super::*;
use crate::io::driver::{Reading, attempt};
use crate::io::{Committer, FileSource, SinkWriter};
use crate::model::Record;
use crate::operator::{Restored, SmallStates};

/// A place for output that does not exist yet.
fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("out/lines");
    (place, directory)
}

/// All names in `directory`, and what is in the files that are not hidden, sorted by name.
fn content(directory: &Path) -> (Vec<String>, String) {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = entries.collect::<Vec<_>>();
    names.sort();
    let visible = names.iter().filter(|name| !name.starts_with('.'));
    let text = visible.map(|name| fs::read_to_string(directory.join(name)).unwrap()).collect();
    (names, text)
}

fn hidden(directory: &Path) -> usize {
    content(directory).0.iter().filter(|name| name.starts_with('.')).count()
}

/// Opens subtask 0 of 1 as attempt `number`, as the runtime does: `restored` is committed, everything else aborted.
fn open(sink: &FileSink<u32>, number: u64, restored: Option<&[Part]>) -> (FileCommitter, FileWriter<u32, LineEncoder>) {
    let mut context = attempt(number, 0, 1);
    context.restored = restored.map(|_| Restored { checkpoint: CheckpointId(1), state: SmallStates::default() });
    let committer = sink.committer(&context).unwrap();
    let restored = restored.unwrap_or_default();
    if !restored.is_empty() {
        committer.commit(restored).unwrap();
    }
    let mut left = committer.list_pending().unwrap();
    left.retain(|part| !restored.contains(part));
    committer.abort(&left).unwrap();
    (committer, sink.writer(&mut context).unwrap())
}

fn write<T: Data, E: Encode<T>>(writer: &mut FileWriter<T, E>, values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(|value| writer.write(Record::new(value)).unwrap());
}

fn prepare<T: Data, E: Encode<T>>(writer: &mut FileWriter<T, E>, checkpoint: u64) -> Vec<Part> {
    let prepared = writer.prepare(CheckpointId(checkpoint)).unwrap();
    prepared.seal.into_iter().for_each(|seal| seal().unwrap());
    prepared.transactions
}

/// Dies without a chance to tidy up.
fn kill<T: Data, E: Encode<T>>(writer: FileWriter<T, E>) {
    std::mem::forget(writer);
}

#[test]
fn p8_records_are_visible_once_their_checkpoint_is_complete() {
    let (_place, directory) = place();
    let (committer, mut writer) = open(&FileSink::lines(&directory), 1, None);
    let mut pending = Vec::new();
    for (checkpoint, value) in [42, 43, 44].into_iter().enumerate() {
        write(&mut writer, [value]);
        pending.push(prepare(&mut writer, checkpoint as u64));
    }
    assert_eq!(content(&directory).1, "");
    committer.commit(&pending[..2].concat()).unwrap();
    assert_eq!(content(&directory).1, "42\n43\n");
    assert_eq!(hidden(&directory), 1);
}

#[test]
fn p8_restart_commits_what_the_checkpoint_knows_and_leaves_nothing_else() {
    let (_place, directory) = place();
    let sink = FileSink::lines(&directory);
    let (committer, mut writer) = open(&sink, 1, None);
    write(&mut writer, [42]);
    let mut restored = prepare(&mut writer, 0);
    committer.commit(&restored).unwrap();
    write(&mut writer, [43]);
    restored.extend(prepare(&mut writer, 1));
    write(&mut writer, [44]);
    let _checkpoint_that_never_completes = prepare(&mut writer, 2);
    write(&mut writer, [45]);
    kill(writer);
    assert_eq!(hidden(&directory), 3);

    let (committer, mut writer) = open(&sink, 2, Some(&restored));
    assert_eq!((hidden(&directory), content(&directory).1.as_str()), (0, "42\n43\n"));
    write(&mut writer, [44, 45]);
    committer.commit(&prepare(&mut writer, 3)).unwrap();
    kill(writer);

    let _again = open(&sink, 3, Some(&restored));
    let (names, text) = content(&directory);
    assert_eq!(text, "42\n43\n44\n45\n");
    assert_eq!(names[2], "part-run-0002-000-000000.txt");
}

#[test]
fn attempt_that_ends_in_order_removes_what_no_checkpoint_knows() {
    let (_place, directory) = place();
    let (_, mut writer) = open(&FileSink::lines(&directory).roll_at_bytes(1), 1, None);
    write(&mut writer, [1]);
    let sealed = prepare(&mut writer, 1);
    write(&mut writer, 0..40);
    drop(writer);
    assert_eq!((sealed.len(), hidden(&directory)), (1, 1));
}

#[test]
fn commit_of_a_file_that_somebody_removed_is_an_error_that_names_it() {
    let (_place, directory) = place();
    let (committer, mut writer) = open(&FileSink::lines(&directory), 1, None);
    write(&mut writer, [1]);
    let parts = prepare(&mut writer, 1);
    committer.abort(&parts).unwrap();
    committer.abort(&parts).unwrap();
    let error = committer.commit(&parts).unwrap_err().to_string();
    assert!(error.contains("out/lines/.part-run-0001-000-000000.txt.uncommitted: is missing"), "{error}");
}

#[test]
fn checkpoint_without_records_has_no_file() {
    let (_place, directory) = place();
    let (_, mut writer) = open(&FileSink::lines(&directory), 1, None);
    let prepared = writer.prepare(CheckpointId(1)).unwrap();
    assert!(prepared.transactions.is_empty() && prepared.seal.is_none());
    assert_eq!(content(&directory).0, [""; 0]);
}

#[test]
fn files_end_when_they_are_full_and_at_each_checkpoint() {
    let (_place, directory) = place();
    let (committer, mut writer) = open(&FileSink::lines(&directory).roll_at_bytes(10), 1, None);
    write(&mut writer, 100..200);
    let first = prepare(&mut writer, 1);
    write(&mut writer, 200..201);
    let second = prepare(&mut writer, 2);
    // Three records of four bytes fill a file of ten.
    assert_eq!((first.len(), second.len()), (34, 1));
    committer.commit(&[first, second].concat()).unwrap();
    let expected = (100..201).map(|n| format!("{n}\n")).collect::<String>();
    assert_eq!(content(&directory).1, expected);
}

#[test]
fn foreign_files_are_never_touched() {
    let (_place, directory) = place();
    fs::create_dir_all(&directory).unwrap();
    let foreign = [".part-other.txt", "notes.txt", "part-1.txt", "part-old-0001-000-000000.csv"];
    let of_other_runs = ["part-old-0001-000-000000.txt", ".part-old-0001-000-000001.txt.uncommitted"];
    for name in foreign.iter().chain(&of_other_runs) {
        fs::write(directory.join(name), "").unwrap();
    }
    let _keeps = open(&FileSink::lines(&directory), 1, None);
    assert_eq!(content(&directory).0.len(), 6);
    let replacing = FileSink::lines(&directory).replace_existing();
    let _resumes = open(&replacing, 2, Some(&[]));
    assert_eq!(content(&directory).0.len(), 6);
    let (committer, mut writer) = open(&replacing, 3, None);
    assert_eq!(content(&directory).0, foreign);

    write(&mut writer, [7]);
    committer.commit(&prepare(&mut writer, 1)).unwrap();
    let _other_subtask_opens_later = replacing.committer(&attempt(3, 1, 2)).unwrap();
    assert_eq!(content(&directory).1, "7\n");
}

#[test]
fn files_of_removed_subtasks_are_answered_for() {
    let (_place, directory) = place();
    let sink = FileSink::<u32>::lines(&directory);
    fs::create_dir_all(&directory).unwrap();
    for index in 0..4 {
        let mut writer = sink.writer(&mut attempt(1, index, 4)).unwrap();
        write(&mut writer, [index]);
        kill(writer);
    }
    let subtasks = |index| {
        let mut listed = sink.committer(&attempt(2, index, 2)).unwrap().list_pending().unwrap();
        listed.sort_by_key(|part| part.subtask);
        listed.iter().map(|part| part.subtask).collect::<Vec<_>>()
    };
    assert_eq!((subtasks(0), subtasks(1)), (vec![0, 2], vec![1, 3]));
}

#[test]
fn second_sink_in_a_directory_fails() {
    let (_place, directory) = place();
    let (committer, mut writer) = open(&FileSink::lines(&directory), 1, None);
    write(&mut writer, [1]);
    let refusal = || {
        let mut second = FileSink::<u32>::lines(&directory).writer(&mut attempt(1, 0, 1)).unwrap();
        second.write(Record::new(2)).unwrap_err().to_string()
    };
    assert!(refusal().contains("another sink writes to this directory"));
    committer.commit(&prepare(&mut writer, 1)).unwrap();
    assert!(refusal().contains("another sink writes to this directory"));
    assert_eq!(content(&directory).1, "1\n");
}

#[test]
fn directory_that_cannot_be_made_is_an_error_that_names_it() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let directory = place.path().join("file/out");
    let error = FileSink::<u32>::lines(&directory).committer(&attempt(1, 0, 1)).err().unwrap().to_string();
    assert!(error.starts_with(directory.to_str().unwrap()), "{error}");
}

#[test]
fn directory_that_is_gone_is_an_error_that_names_the_file() {
    let (_place, directory) = place();
    let (_, mut writer) = open(&FileSink::lines(&directory), 1, None);
    fs::remove_dir(&directory).unwrap();
    let error = writer.write(Record::new(1)).unwrap_err().to_string();
    assert!(error.starts_with(directory.to_str().unwrap()), "{error}");
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
struct Ride {
    taxi: u32,
    note: String,
}

fn rides() -> Vec<Ride> {
    let notes = ["plain", "", "with, comma", "with \"quotes\"", "on two\nlines", "\u{1F600}"];
    (0..).zip(notes).map(|(taxi, note)| Ride { taxi, note: note.to_owned() }).collect()
}

/// Writes all rides into files of few rows, checkpoint by checkpoint.
fn write_rides<E: Encode<Ride>>(sink: FileSink<Ride, E>) {
    let mut context = attempt(1, 0, 1);
    let (committer, mut writer) = (sink.committer(&context).unwrap(), sink.writer(&mut context).unwrap());
    for (checkpoint, rides) in rides().chunks(4).enumerate() {
        write(&mut writer, rides.to_vec());
        committer.commit(&prepare(&mut writer, checkpoint as u64)).unwrap();
    }
}

#[test]
fn what_was_written_can_be_read() {
    let (_place, directory) = place();
    write_rides(FileSink::json_lines(&directory).roll_at_bytes(40));
    assert_eq!(Reading::plain(&FileSource::json_lines::<Ride>(&directory)).unwrap().records, rides());

    let (_place, directory) = place();
    write_rides(FileSink::csv(&directory).roll_at_bytes(20));
    let csv = FileSource::csv::<Ride>(&directory);
    assert_eq!(Reading::plain(&csv).unwrap().records, rides());
    let texts = content(&directory).0.into_iter().map(|name| fs::read_to_string(directory.join(name)).unwrap());
    let texts = texts.collect::<Vec<_>>();
    assert_eq!(texts[0], "taxi,note\n0,plain\n1,\n");
    assert!(texts.len() > 2 && texts.iter().all(|text| text.starts_with("taxi,note\n")));
}

#[test]
fn record_that_cannot_be_encoded_is_an_error() {
    let (_place, directory) = place();
    fs::create_dir_all(&directory).unwrap();
    let sink = FileSink::<Vec<Vec<u8>>, _>::csv(&directory);
    let mut writer = sink.writer(&mut attempt(1, 0, 1)).unwrap();
    let error = writer.write(Record::new(vec![vec![1], vec![2, 3]])).and(writer.write(Record::new(vec![])));
    let names = Part { run: "run".to_owned(), attempt: Attempt(1), subtask: 0, number: 0 }.hidden_name("csv");
    let error = error.unwrap_err().to_string();
    assert!(error.contains(&names) && error.contains("a record cannot be encoded"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_that_names_the_file() {
    let (_place, directory) = place();
    let (_, mut writer) = open(&FileSink::lines(&directory), 1, None);
    let part = directory.join(writer.next.hidden_name("txt"));
    write(&mut writer, [1]);
    // A device that never has room takes the place of the file.
    writer.current.as_mut().unwrap().file = Some(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let error = writer.prepare(CheckpointId(1)).err().unwrap().to_string();
    assert!(error.starts_with(part.to_str().unwrap()), "{error}");
}
