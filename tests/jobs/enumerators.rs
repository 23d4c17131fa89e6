//! What sources of users do and learn: an enumerator that panics, a reader that is told which checkpoints are complete.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::actors::ids::CheckpointId;
use millstream::io::{ReadStatus, Source, SourceReader, SplitEnumerator, SplitNumber};
use millstream::model::Record;
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

/// A source that counts up to its end, as slowly as its reader is asked.
#[derive(Clone)]
struct Counting {
    end: u64,
    /// The positions of each complete checkpoint that the reader was told of.
    told: Arc<Mutex<Vec<Vec<u64>>>>,
}

#[derive(Serialize, Deserialize)]
struct OneSplit(Option<u64>);

struct CountingReader {
    source: Counting,
    position: Option<u64>,
}

impl Source for Counting {
    type Out = u64;
    type Split = u64;
    type Enumerator = OneSplit;
    type Reader = CountingReader;

    fn discover(&self, _parallelism: u32) -> Result<OneSplit> {
        Ok(OneSplit(Some(0)))
    }

    fn reader(&self, _context: &mut SubtaskContext) -> Result<CountingReader> {
        Ok(CountingReader { source: self.clone(), position: None })
    }
}

impl SplitEnumerator for OneSplit {
    type Split = u64;

    fn next_split(&mut self, _reader: u32) -> Result<Option<u64>> {
        Ok(self.0.take())
    }
}

impl SourceReader for CountingReader {
    type Out = u64;
    type Split = u64;

    fn add_split(&mut self, _number: SplitNumber, split: u64) -> Result<()> {
        self.position = Some(split);
        Ok(())
    }

    fn read<E: Emit<u64>>(&mut self, _limit: usize, out: &mut E) -> Result<ReadStatus> {
        let Some(position) = &mut self.position else { return Ok(ReadStatus::SplitsFinished) };
        // It does not end before it was told of two checkpoints.
        let is_told = self.source.told.lock().expect("nobody panics while holding it").len() >= 2;
        if *position >= self.source.end && is_told {
            self.position = None;
            return Ok(ReadStatus::SplitsFinished);
        }
        *position += 1;
        out.emit(Record::new(*position))?;
        Ok(ReadStatus::Wait(Duration::from_millis(1)))
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<Vec<u64>> {
        Ok(self.position.into_iter().collect())
    }

    fn checkpoint_complete(&mut self, _checkpoint: CheckpointId, positions: &[u64]) -> Result<()> {
        self.source.told.lock().expect("nobody panics while holding it").push(positions.to_vec());
        Ok(())
    }
}

#[test]
fn reader_is_told_of_complete_checkpoints_with_the_positions_that_it_gave() {
    let (source, topology) = (Counting { end: 10, told: Arc::default() }, Topology::new("told"));
    let numbers = topology.source("counting", source.clone()).collect("numbers");
    let options = JobOptions::new().parallelism(1).checkpoint_interval(Duration::from_millis(5));
    topology.start(options).unwrap().wait().unwrap();
    let (told, read) = (source.told.lock().unwrap().clone(), numbers.take().len() as u64);
    let positions = told.iter().flatten().copied().collect::<Vec<_>>();
    assert!(positions.len() >= 2 && positions.is_sorted(), "{told:?}");
    assert!(positions.iter().all(|position| (1..=read).contains(position)), "{told:?} of {read}");
}
