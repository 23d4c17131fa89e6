//! The head of a block that reads: drives the reader of a source, and tells the operators behind it of its splits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_actors::packet::Rows;
use millstream_actors::time::TimeSignal;
use millstream_actors::time_view::Origin;

use super::chain::end_time;
use super::{Chain, Counter, Emit, Event, HeadStatus, PartVisitor, StateKind, Step, SubtaskContext};
use crate::error::Result;
use crate::io::{ReadStatus, SourceReader, SplitNumber, SplitSignal};
use crate::model::{Data, Record};

/// How long a reader waits that is held back. Whoever holds it wakes the subtask earlier to release it.
const HELD: Duration = Duration::from_secs(1);

/// The unfinished splits of a reader, with the positions reached in them.
const POSITIONS: StateKind<'_> = StateKind::split("positions");

/// The head of a block that reads.
pub struct SourceHead<R> {
    uid: Arc<str>,
    reader: R,
    records_in: Counter,
    next: SplitNumber,
    /// The split that the operators believe to be read.
    current: Option<SplitNumber>,
    /// Splits that the operators have not been told of.
    taken: Vec<SplitNumber>,
    /// For a reader that does not keep its splits apart: the one split that all of them are taken for.
    whole: Option<SplitNumber>,
    names: SplitNames,
    is_unassigned: bool,
    hold: Hold,
}

impl<R: SourceReader> SourceHead<R>
where
    R::Split: serde::Serialize + serde::de::DeserializeOwned,
{
    /// Puts the splits of the snapshot back into `reader`.
    pub(crate) fn open(uid: &str, reader: R, context: &mut SubtaskContext) -> Result<Self> {
        context.is_source = true;
        let mut head = Self {
            uid: uid.into(),
            reader,
            records_in: context.counters.records_in.clone(),
            next: SplitNumber::default(),
            current: None,
            taken: Vec::new(),
            whole: None,
            names: context.split_names.clone(),
            is_unassigned: false,
            hold: context.hold.clone(),
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
        match self.reader.split_name(&split) {
            Some(name) => self.names.insert(number, name),
            None if self.whole.is_none() => {
                self.whole = Some(number);
                self.names.insert(number, format!("all splits of '{}'", self.uid));
            }
            None => return self.reader.add_split(split),
        }
        self.taken.push(number);
        self.next = number.next();
        self.reader.add_split(split)
    }

    /// Tells the operators of the splits that were taken.
    #[cold]
    fn announce<T, E: Emit<T>>(&mut self, out: &mut E) -> Result<()> {
        if std::mem::take(&mut self.is_unassigned) {
            out.signal(TimeSignal::Active)?;
        }
        for split in std::mem::take(&mut self.taken) {
            out.split(SplitSignal::Taken(split))?;
            if self.whole == Some(split) {
                out.split(SplitSignal::Reading(split))?;
            }
        }
        Ok(())
    }
}

/// Counts what a reader emits, says what changes about its splits, and forgets the names of those that are finished.
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

    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        self.out.signal(signal)
    }

    #[inline]
    fn split(&mut self, signal: SplitSignal) -> Result<()> {
        match signal {
            // A reader says so each time it is called.
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
    R::Split: serde::Serialize + Send + 'static,
{
    type Out = R::Out;

    #[inline]
    fn run<E: Emit<R::Out>>(&mut self, limit: usize, out: &mut E) -> Result<Step> {
        if !self.taken.is_empty() {
            self.announce(out)?;
        }
        if self.hold.is_set() {
            return Ok(Step { records: 0, head: HeadStatus::Read(ReadStatus::Wait(HELD)) });
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
        if event == Event::Unassigned && !std::mem::replace(&mut self.is_unassigned, true) {
            out.split(SplitSignal::Unassigned)?;
            out.signal(TimeSignal::Idle)?;
        }
        end_time(event, out)
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.small_state(&self.uid, POSITIONS, &mut |positions| {
            self.reader.snapshot().iter().try_for_each(|split| positions.put(split))
        });
        visitor.event_time(&mut |time| {
            time.origin = Some(Origin::Source { uid: Arc::clone(&self.uid) });
            Ok(())
        });
    }

    fn load(&mut self, _rows: Rows, _input: usize) {
        panic!("a source has no inputs");
    }

    fn add_split(&mut self, split: Rows) -> Result<()> {
        let split = split.downcast::<R::Split>().ok();
        self.take(*split.expect("a source's enumerator hands out the splits of its reader"))
    }
}

/// The names of the splits that a subtask has, for those who explain a watermark.
#[derive(Debug, Clone, Default)]
pub(crate) struct SplitNames(Arc<Mutex<BTreeMap<SplitNumber, Arc<str>>>>);

impl SplitNames {
    fn insert(&self, split: SplitNumber, name: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(split, name.into());
    }

    fn remove(&self, split: SplitNumber) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&split);
    }

    /// What `split` is called.
    pub(crate) fn name(&self, split: SplitNumber) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&split).cloned()
    }
}

/// Holds back the reader at the head of the block, for an operator behind it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold(Arc<std::sync::atomic::AtomicBool>);

impl Hold {
    /// Lets the reader wait, or go on.
    pub(crate) fn set(&self, holds: bool) {
        self.0.store(holds, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether it waits.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
