//! What a user's split enumerator does wrong is a failure like any other.

use millstream::actors::ids::CheckpointId;
use millstream::io::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber};
use millstream::operator::{Emit, SubtaskContext};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// A source whose enumerator panics when it is asked for a split.
struct Broken;

#[derive(Serialize, Deserialize)]
struct Panics;

struct Never;

impl Source for Broken {
    type Out = u64;
    type Split = u64;
    type Enumerator = Panics;
    type Reader = Never;

    fn discover(&self, _parallelism: u32) -> Result<Panics> {
        Ok(Panics)
    }

    fn reader(&self, _context: &mut SubtaskContext) -> Result<Never> {
        Ok(Never)
    }
}

impl SplitEnumerator for Panics {
    type Split = u64;

    fn next_split(&mut self, _reader: u32) -> Result<Option<u64>> {
        panic!("no idea which split is next")
    }
}

impl SourceReader for Never {
    type Out = u64;
    type Split = u64;

    fn add_split(&mut self, _number: SplitNumber, _split: u64) -> Result<()> {
        Ok(())
    }

    fn read<E: Emit<u64>>(&mut self, _limit: usize, _out: &mut E) -> Result<ReadStatus> {
        Ok(ReadStatus::SplitsFinished)
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }
}

#[test]
fn panic_in_an_enumerator_fails_the_attempt_with_its_message() {
    let topology = Topology::new("broken");
    topology.source("splits", Broken).discard("nowhere");
    let options = JobOptions::new().parallelism(2).restart(RestartPolicy::None);
    let error = topology.start(options).unwrap().wait().unwrap_err().to_string();
    assert!(error.contains("split enumerator: panicked: no idea which split is next"), "{error}");
}
