//! A state directory with torn or flipped bytes is either refused in words that name the file, or it does no harm.

use std::fs;
use std::path::Path;
use std::time::Duration;

use millstream::prelude::*;

use crate::rig::effort::seeds;
use crate::rig::{self, Seeded, Tap, Tapped};

const RECORDS: u64 = 3_000;
const KEYS: u64 = 500;

fn key_of(number: u64) -> String {
    format!("{:>60}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % KEYS)
}

/// Running counts of records under keys long enough to fill pages.
fn counting(tap: &Tap) -> (Topology, Collected<(String, u64)>) {
    let topology = Topology::new("torn state");
    let numbers = topology.source("numbers", Tapped::new(RECORDS, tap, key_of));
    let counts = numbers.key_by(String::clone).count("counts").collect("results");
    (topology, counts)
}

/// One way of damaging a file.
#[derive(Debug)]
enum Damage {
    Emptied,
    CutAt(usize),
    /// The byte at a place, and the bits of it that change.
    Flipped(usize, u8),
    /// A page that a disk has lost.
    Zeroed(usize),
    Removed,
}

const PAGE: usize = 4096;

impl Damage {
    fn inflict(&self, file: &Path) {
        let mut bytes = fs::read(file).expect("the file can be read");
        match *self {
            Self::Emptied => bytes.clear(),
            Self::CutAt(place) => bytes.truncate(place),
            Self::Flipped(place, bits) => bytes[place] ^= bits,
            Self::Zeroed(page) => bytes.iter_mut().skip(page * PAGE).take(PAGE).for_each(|byte| *byte = 0),
            Self::Removed => return fs::remove_file(file).expect("the file can be removed"),
        }
        fs::write(file, bytes).expect("the file can be written");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the copy is new");
    for name in rig::file_names(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("the file can be copied");
    }
}

/// Runs a job that stops in the middle, and gives what it has committed.
fn stop_in_the_middle(state: &Path) -> Vec<(String, u64)> {
    let tap = Tap::default();
    let (topology, counts) = counting(&tap);
    let mut job = topology.start(rig::options(2).state_dir(state)).expect("the job starts");
    for part in 1..=4 {
        tap.release(part * RECORDS / 8);
        rig::wait_for_checkpoints(&job, "before the stop", 3 * part);
    }
    job.stop();
    job.wait().expect("the job stops");
    counts.take()
}

/// Runs the rest of the job; what it commits, or its error in words.
fn resume(state: &Path) -> Result<Vec<(String, u64)>, String> {
    let tap = Tap::default();
    tap.open();
    let (topology, counts) = counting(&tap);
    let options = rig::options(2).restart(RestartPolicy::None).checkpoint_interval(Duration::from_secs(3600));
    let mut job = topology.start(options.state_dir(state)).map_err(|error| error.to_string())?;
    job.wait().map_err(|error| error.to_string())?;
    Ok(counts.take())
}

#[test]
fn damage_to_any_file_is_refused_by_name_or_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    let before = stop_in_the_middle(&whole);
    let expected = rig::running_counts((0..RECORDS).map(key_of));
    let mut random = Seeded::new(61);
    let files = rig::file_names(&whole).into_iter().filter(|name| name.ends_with(".redb")).collect::<Vec<_>>();
    assert_eq!(files.len(), 3, "the manifests, and the state of two subtasks: {files:?}");

    for file in files {
        let length = fs::metadata(whole.join(&file)).unwrap().len() as usize;
        let mut damages = vec![Damage::Emptied, Damage::CutAt(length / 2), Damage::CutAt(length - 1), Damage::Removed];
        damages.extend((0..8).map(|page| Damage::Zeroed(page * length / PAGE / 8)));
        damages.extend((0..12).map(|byte| Damage::Flipped(byte * 27, 0xFF)));
        damages
            .extend(seeds(0..20).map(|_| Damage::Flipped(random.below(length as u64) as usize, 1 << random.below(8))));
        let (mut refused, mut harmless) = (0, 0);
        for (number, damage) in damages.into_iter().enumerate() {
            let what = format!("{file} {damage:?}");
            println!("{what}");
            let state = directory.path().join(format!("{file}-{number}"));
            copy(&whole, &state);
            damage.inflict(&state.join(&file));
            match resume(&state) {
                Ok(rest) => {
                    harmless += 1;
                    let output = before.iter().cloned().chain(rest).collect();
                    rig::assert_output(output, &expected, what);
                }
                Err(error) => {
                    refused += 1;
                    println!("    {error}");
                    assert!(error.contains(&file), "{what}: the error does not name the file: {error}");
                    assert!(!error.contains("panicked"), "{what}: {error}");
                }
            }
        }
        println!("{file}: {refused} refused, {harmless} harmless");
        assert!(refused > 0, "no damage to {file} was noticed");
    }
}
