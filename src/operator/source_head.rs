//! The head of a block that reads: drives the reader of a source, and reports its splits to the operators downstream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_actors::ids::CheckpointId;
use millstream_actors::packet::Rows;
use millstream_actors::time::TimeSignal;
use millstream_actors::time_view::Origin;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::small_state::PARALLELISM;
use super::{
    BlockInput, Chain, Emit, Event, HeadStatus, Hold, PartVisitor, Revoked, SplitNames, StateKind, Step, SubtaskContext,
};
use crate::error::{Error, Result};
use crate::io::{ReadStatus, SourceReader, SplitNumber, SplitSchema, SplitSignal};
use crate::metrics::{Counter, RECORDS_IN};
use crate::model::{self, Data, Record};

/// How long a reader waits that is held back. Whoever holds it wakes the subtask earlier to release it.
const HELD: Duration = Duration::from_secs(1);

/// The unfinished splits of a reader, with the positions reached in them.
const POSITIONS: StateKind<'_> = StateKind::split("positions");

/// The schema of these splits.
const SCHEMA: StateKind<'_> = StateKind::broadcast("split schema");

/// Snapshots of which it is not known that their checkpoints are complete, at most: positions of older ones are forgotten.
const MOST_SNAPSHOTS: usize = 8;

/// The head of a block that reads.
pub struct SourceHead<R: SourceReader> {
    uid: Arc<str>,
    schema: SplitSchema,
    parallelism: u32,
    reader: R,
    records_in: Counter,
    next: SplitNumber,
    /// The split that the operators believe to be read.
    current: Option<SplitNumber>,
    /// Splits that the operators have not been told of.
    taken: Vec<SplitNumber>,
    /// Splits that the reader has given back, and of which the operators have not been told.
    removed: Vec<SplitNumber>,
    /// Splits that were given back, encoded with their positions, by name: in every snapshot until their enumerator has
    /// them.
    leaving: BTreeMap<Arc<str>, Vec<u8>>,
    /// For a reader that does not keep its splits apart: the one split that all of them are taken for.
    whole: Option<SplitNumber>,
    names: SplitNames,
    is_unassigned: bool,
    hold: Hold,
    paused: BTreeSet<SplitNumber>,
    /// The positions of each snapshot whose checkpoint may still become complete.
    snapshots: BTreeMap<CheckpointId, Vec<R::Split>>,
}

impl<R: SourceReader> SourceHead<R>
where
    R::Split: Serialize + DeserializeOwned,
{
    /// Puts the splits of the snapshot back into `reader`.
    ///
    /// # Errors
    /// If they are of another schema, or the reader cannot take them.
    pub(crate) fn open(uid: &str, schema: SplitSchema, reader: R, context: &mut SubtaskContext) -> Result<Self> {
        for (name, version) in context.restored_state::<(String, u32)>(uid, SCHEMA)? {
            schema.check(uid, &name, version)?;
        }
        context.is_source = true;
        if R::PAUSES_SPLITS {
            context.hold.can_pause_splits();
        }
        let mut head = Self {
            uid: uid.into(),
            schema,
            parallelism: context.parallelism,
            reader,
            records_in: context.counter(RECORDS_IN),
            next: SplitNumber::default(),
            current: None,
            taken: Vec::new(),
            removed: Vec::new(),
            leaving: BTreeMap::new(),
            whole: None,
            names: context.split_names.clone(),
            is_unassigned: false,
            hold: context.hold.clone(),
            paused: BTreeSet::new(),
            snapshots: BTreeMap::new(),
        };
        for split in context.restored_state::<R::Split>(uid, POSITIONS)? {
            head.take(split)?;
        }
        Ok(head)
    }
}

impl<R: SourceReader> SourceHead<R> {
    fn take(&mut self, split: R::Split) -> Result<()> {
        let number = self.next;
        self.next = number.next();
        match self.reader.split_name(&split) {
            Some(name) => self.names.insert(number, name),
            None if self.whole.is_none() => {
                self.whole = Some(number);
                self.names.insert(number, format!("all splits of '{}'", self.uid));
            }
            None => return self.reader.add_split(number, split),
        }
        self.taken.push(number);
        self.reader.add_split(number, split)
    }

    /// Reports to the operators which splits were taken and which were given back.
    #[cold]
    fn announce<T, E: Emit<T>>(&mut self, out: &mut E) -> Result<()> {
        if !self.taken.is_empty() && std::mem::take(&mut self.is_unassigned) {
            out.signal(TimeSignal::Active)?;
        }
        for split in std::mem::take(&mut self.taken) {
            out.split(SplitSignal::Taken(split))?;
            if self.whole == Some(split) {
                out.split(SplitSignal::Reading(split))?;
            }
        }
        for split in std::mem::take(&mut self.removed) {
            self.current.take_if(|current| *current == split);
            out.split(SplitSignal::Finished(split))?;
        }
        Ok(())
    }

    /// Pauses the splits that are to wait now and resumes those that are not.
    #[cold]
    fn pause_and_resume(&mut self) -> Result<()> {
        let Some(paused) = self.hold.take_change() else { return Ok(()) };
        for split in self.paused.difference(&paused) {
            self.reader.pause_split(*split, false)?;
        }
        for split in paused.difference(&self.paused) {
            self.reader.pause_split(*split, true)?;
        }
        self.paused = paused;
        Ok(())
    }
}

/// Counts what a reader emits, reports what changes about its splits, and forgets the names of those that are finished.
struct Passing<'a, E> {
    out: &'a mut E,
    records: usize,
    current: &'a mut Option<SplitNumber>,
    names: &'a SplitNames,
}

impl<T, E: Emit<T>> Emit<T> for Passing<'_, E> {
    #[inline(always)]
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.records += 1;
        self.out.emit(record)
    }

    fn is_killed(&self) -> bool {
        self.out.is_killed()
    }

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.out.signal(signal)
    }

    #[inline]
    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        match signal {
            // A reader reports it each time it is called.
            SplitSignal::Reading(split) if self.current.replace(split) == Some(split) => return Ok(()),
            SplitSignal::Finished(split) => {
                self.names.remove(split);
                self.current.take_if(|current| *current == split);
            }
            _ => {}
        }
        self.out.split(signal)
    }
}

impl<R: SourceReader> Chain for SourceHead<R>
where
    R::Out: Data,
    R::Split: Serialize + Send + 'static,
{
    type Out = R::Out;

    #[inline]
    fn run<E: Emit<R::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        if !self.taken.is_empty() || !self.removed.is_empty() {
            self.announce(out)?;
        }
        if self.hold.asks() {
            self.pause_and_resume()?;
            if self.hold.is_set() {
                return Ok(Step { records: 0, head: HeadStatus::Read(ReadStatus::Wait(HELD)) });
            }
        }
        let mut passing = Passing { out, records: 0, current: &mut self.current, names: &self.names };
        let status = self.reader.read(limit, &mut passing)?;
        if status == ReadStatus::SplitsFinished
            && let Some(whole) = self.whole.take()
        {
            passing.split(SplitSignal::Finished(whole))?;
        }
        let records = passing.records;
        self.records_in.add(records as u64);
        Ok(Step { records, head: HeadStatus::Read(status) })
    }

    fn on_signal<E: Emit<R::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        out.signal(signal)
    }

    fn on_event<E: Emit<R::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        match event {
            Event::Unassigned if !std::mem::replace(&mut self.is_unassigned, true) => {
                out.split(SplitSignal::Unassigned)?;
                out.signal(TimeSignal::Idle)?;
            }
            Event::ProcessingTime(_) => self.names.refresh(|split| self.reader.progress(split)),
            _ => {}
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.input(self);
        visitor.small_state(&self.uid, PARALLELISM, &mut |parallelism| parallelism.put(&self.parallelism));
        visitor.small_state(&self.uid, SCHEMA, &mut |schema| schema.put(&(self.schema.name, self.schema.version)));
        visitor.small_state(&self.uid, POSITIONS, &mut |positions| {
            let latest = self.snapshots.last_key_value();
            latest.into_iter().flat_map(|(_, splits)| splits).try_for_each(|split| positions.put(split))?;
            self.leaving.values().for_each(|encoded| positions.put_encoded(encoded.clone()));
            Ok(())
        });
        visitor.event_time(&mut |time| {
            time.origin = Some(Origin::Source { uid: Arc::clone(&self.uid) });
            time.splits = Some(self.names.all());
            Ok(())
        });
    }

    fn load(&mut self, _rows: Rows, _input: usize) {
        panic!("a source has no inputs");
    }
}

impl<R: SourceReader> BlockInput for SourceHead<R>
where
    R::Split: Serialize + Send + 'static,
{
    fn add_split(&mut self, split: Rows) -> Result<()> {
        let split = split.downcast::<R::Split>().ok();
        self.take(*split.expect("a source's enumerator hands out the splits of its reader"))
    }

    fn revoke(&mut self, name: &str) -> Result<Revoked> {
        if self.whole.is_some() {
            let uid = &self.uid;
            return Err(Error::other(format!(
                "the reader of '{uid}' gives its splits no names: '{name}' is none of them"
            )));
        }
        let Some(number) = self.names.find(name) else { return Ok(None) };
        let split = self.reader.remove_split(number)?;
        self.names.remove(number);
        // One that the operators have not been told of need not be reported.
        match self.taken.iter().position(|taken| *taken == number) {
            Some(position) => drop(self.taken.remove(position)),
            None => self.removed.push(number),
        }
        self.paused.remove(&number);
        let Some(split) = split else { return Ok(None) };
        let encoded = model::encode(&split).map_err(|source| Error::codec(&self.uid, source))?;
        self.leaving.insert(name.into(), encoded);
        Ok(Some(Box::new(split)))
    }

    fn released(&mut self, name: &str) {
        self.leaving.remove(name);
    }

    fn split_names(&self) -> Vec<String> {
        if self.whole.is_some() {
            return Vec::new();
        }
        self.names.all().iter().map(|split| split.name.to_string()).collect()
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let positions = self.reader.snapshot(checkpoint)?;
        self.names.refresh(|split| self.reader.progress(split));
        self.snapshots.insert(checkpoint, positions);
        if self.snapshots.len() > MOST_SNAPSHOTS {
            self.snapshots.pop_first();
        }
        Ok(())
    }

    fn completed(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let later = self.snapshots.split_off(&checkpoint.next());
        let complete = std::mem::replace(&mut self.snapshots, later);
        match complete.get(&checkpoint) {
            Some(positions) => self.reader.checkpoint_complete(checkpoint, positions),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "source_head_tests.rs"]
mod tests;
