//! Decides which results of asynchronous calls may be emitted: in order, or as they come between two signals.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use millstream_actors::time::{TimeSignal, Timestamp};

use super::Emit;
use crate::error::Result;
use crate::io::SplitSignal;
use crate::model::Record;

/// The records and signals that were taken and not all emitted yet, numbered in their order.
pub(super) struct Queue<T, U> {
    is_ordered: bool,
    /// The number of the element in front.
    first: u64,
    elements: VecDeque<Element<T, U>>,
    /// Records that are not emitted yet.
    held: usize,
    deadlines: BTreeSet<(Timestamp, u64)>,
    /// When to call again, for which element, and the number of that try.
    retries: BTreeMap<(Timestamp, u64), u32>,
    /// Unordered: what has an answer and no signal before it that waits.
    ready: VecDeque<u64>,
    /// The number of the first signal that waits.
    fences: VecDeque<u64>,
}

enum Element<T, U> {
    /// A record, until its answer is emitted: a snapshot has the record, and never the answer.
    Record {
        input: Record<T>,
        answer: Option<U>,
        deadline: Option<Timestamp>,
    },
    Signal(TimeSignal),
    Split(SplitSignal),
    Gone,
}

/// Whether everything that was taken is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    Yes,
    NotYet,
}

impl<T, U> Queue<T, U> {
    pub(super) fn new(is_ordered: bool) -> Self {
        Self {
            is_ordered,
            first: 0,
            elements: VecDeque::new(),
            held: 0,
            deadlines: BTreeSet::new(),
            retries: BTreeMap::new(),
            ready: VecDeque::new(),
            fences: VecDeque::new(),
        }
    }

    /// Takes a record; gives its number.
    pub(super) fn push(&mut self, input: Record<T>, deadline: Option<Timestamp>) -> u64 {
        let number = self.first + self.elements.len() as u64;
        self.elements.push_back(Element::Record { input, answer: None, deadline });
        self.held += 1;
        self.deadlines.extend(deadline.map(|deadline| (deadline, number)));
        number
    }

    /// Takes a signal.
    pub(super) fn push_signal(&mut self, signal: TimeSignal) {
        self.fences.push_back(self.first + self.elements.len() as u64);
        self.elements.push_back(Element::Signal(signal));
    }

    /// Takes what is said about splits: it stands between the records of two splits, as a signal does.
    pub(super) fn push_split(&mut self, signal: SplitSignal) {
        self.fences.push_back(self.first + self.elements.len() as u64);
        self.elements.push_back(Element::Split(signal));
    }

    fn at(&mut self, number: u64) -> Option<&mut Element<T, U>> {
        self.elements.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Whether the record has no answer yet.
    pub(super) fn waits_for(&mut self, number: u64) -> bool {
        matches!(self.at(number), Some(Element::Record { answer: None, .. }))
    }

    /// The value of a record that has no answer yet.
    pub(super) fn input(&mut self, number: u64) -> Option<&T> {
        match self.at(number) {
            Some(Element::Record { input, answer: None, .. }) => Some(&input.value),
            _ => None,
        }
    }

    /// How many records are not emitted yet.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The records that are not emitted yet, in their order: a snapshot has them.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&T, Timestamp)> {
        self.elements.iter().filter_map(|element| match element {
            Element::Record { input, .. } => Some((&input.value, input.time)),
            _ => None,
        })
    }

    /// The record will be called for again.
    pub(super) fn retry(&mut self, number: u64, tried: u32, at: Timestamp) {
        self.retries.insert((at, number), tried);
    }

    /// A record to call for again, and the number of that try.
    pub(super) fn next_retry(&mut self, now: Timestamp) -> Option<(u64, u32)> {
        let (&(at, number), &tried) = self.retries.first_key_value().filter(|((at, _), _)| *at <= now)?;
        self.retries.remove(&(at, number));
        Some((number, tried))
    }

    /// A record whose time is over.
    pub(super) fn next_late(&mut self, now: Timestamp) -> Option<u64> {
        let &(deadline, number) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.deadlines.remove(&(deadline, number));
        Some(number)
    }

    /// The next time at which something is to be done.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        let retry = self.retries.first_key_value().map(|((at, _), _)| *at);
        self.deadlines.first().map(|(at, _)| *at).into_iter().chain(retry).min()
    }

    /// The record has an answer.
    pub(super) fn finish(&mut self, number: u64, value: U) {
        let fence = self.fences.front().copied();
        let Some(Element::Record { answer, deadline, .. }) = self.at(number) else { return };
        *answer = Some(value);
        let deadline = deadline.take();
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, number));
        }
        if !self.is_ordered && fence.is_none_or(|fence| number < fence) {
            self.ready.push_back(number);
        }
    }

    /// Emits what can go.
    pub(super) fn emit<E: Emit<U>>(&mut self, out: &mut E) -> Result<()> {
        loop {
            while let Some(number) = self.ready.pop_front() {
                self.emit_one(number, out)?;
            }
            match self.elements.front() {
                Some(Element::Gone) => {
                    self.pop();
                }
                Some(Element::Record { answer: Some(_), .. }) => self.emit_one(self.first, out)?,
                Some(Element::Signal(signal)) => {
                    let signal = *signal;
                    self.pop();
                    self.fences.pop_front();
                    out.signal(signal)?;
                    self.open_fence();
                }
                Some(Element::Split(signal)) => {
                    let signal = *signal;
                    self.pop();
                    self.fences.pop_front();
                    out.split(signal)?;
                    self.open_fence();
                }
                Some(Element::Record { .. }) | None => return Ok(()),
            }
        }
    }

    fn emit_one<E: Emit<U>>(&mut self, number: u64, out: &mut E) -> Result<()> {
        let Some(element) = self.at(number) else { return Ok(()) };
        match std::mem::replace(element, Element::Gone) {
            Element::Record { input, answer: Some(value), .. } => {
                self.held -= 1;
                out.emit(Record { value, time: input.time })
            }
            other => {
                *element = other;
                Ok(())
            }
        }
    }

    fn pop(&mut self) {
        self.elements.pop_front();
        self.first += 1;
    }

    /// What has an answer and waited for the signal that has just gone may go now, up to the next signal.
    fn open_fence(&mut self) {
        if !self.is_ordered {
            let end = self.fences.front().copied().unwrap_or(u64::MAX);
            let numbered = (self.first..end).zip(&self.elements);
            let answered = numbered.filter(|(_, element)| matches!(element, Element::Record { answer: Some(_), .. }));
            self.ready.extend(answered.map(|(number, _)| number));
        }
    }

    pub(super) fn state(&self) -> Finished {
        if self.elements.is_empty() { Finished::Yes } else { Finished::NotYet }
    }
}
