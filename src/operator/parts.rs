//! What an operator has beside its functions: its tables, its small state, what it waits for. Declared in one place, so
//! that nothing that is opened can be forgotten in a snapshot.

use std::collections::BTreeSet;

use millstream_actors::ids::CheckpointId;
use millstream_actors::packet::Rows;
use millstream_actors::task::Emission;
use millstream_actors::time::Timestamp;
use millstream_actors::time_view::TaskTime;

use super::BlockingJob;
use super::small_state::{Elements, SmallStates, StateKind};
use crate::error::{Error, Result};
use crate::state::{KeyedTable, StateError, VisitTables};

/// Visits the parts of an operator, which the operator lists in [`Operator::parts`](super::Operator::parts).
///
/// Each visitor asks one question, and overrides the methods of the parts that can answer it. What an operator lists must
/// not change from call to call: it is visited once when its subtask opens, and what it has not listed then is not asked
/// for later.
pub trait PartVisitor {
    /// A table of keyed state, or several.
    fn tables(&mut self, tables: &mut dyn VisitTables) {
        let _ = tables;
    }

    /// Small state of the operator `uid`, which lies in the manifest; `elements` gives what it holds now.
    fn small_state(
        &mut self,
        uid: &str,
        kind: StateKind<'_>,
        elements: &mut dyn FnMut(&mut Elements<'_>) -> Result<()>,
    ) {
        let _ = (uid, kind, elements);
    }

    /// The earliest processing time that the operator waits for: it then receives
    /// [`Event::ProcessingTime`](super::Event::ProcessingTime).
    fn due(&mut self, due: &mut dyn FnMut() -> Result<Option<Timestamp>>) {
        let _ = due;
    }

    /// Whether the operator has more to emit than it did. Until then it receives nothing but
    /// [`Event::Resume`](super::Event::Resume) and [`Event::Woken`](super::Event::Woken).
    fn emission(&mut self, after: After, emission: &mut dyn FnMut() -> Emission) {
        let _ = (after, emission);
    }

    /// What must be done before a snapshot can be taken, about `at_most` rows of it per call. Whether all is done.
    fn before_snapshot(&mut self, work: &mut dyn FnMut(usize) -> Result<bool>) {
        let _ = work;
    }

    /// For how many more records there is room inside the operator.
    fn room(&mut self, room: &mut dyn FnMut() -> usize) {
        let _ = room;
    }

    /// What the operator writes outside of the job.
    fn output(&mut self, output: &mut dyn TransactionalOutput) {
        let _ = output;
    }

    /// What reads at the head of the block.
    fn input(&mut self, input: &mut dyn BlockInput) {
        let _ = input;
    }

    /// What makes watermarks here, and which window waits for one: the operator fills in what it knows. What an operator
    /// further downstream knows takes the place of what came before.
    fn event_time(&mut self, describe: &mut dyn FnMut(&mut TaskTime) -> Result<()>) {
        let _ = describe;
    }
}

/// After what an operator may have more to emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Signals of event time, and events.
    Events,
    /// These, and records.
    Records,
}

/// What an operator writes outside of the job, in transactions that checkpoints complete.
pub trait TransactionalOutput {
    /// The inputs are empty for now, or a barrier is about to pass: nothing visible may be kept back in buffers.
    ///
    /// # Errors
    /// If the output fails.
    fn flush(&mut self) -> Result<()>;

    /// Ends the current transactions, which belong to `checkpoint`. Blocking work that must be done before the snapshot
    /// counts as durable goes into `seals`. Called before the small state is visited.
    ///
    /// # Errors
    /// If the output fails.
    fn prepare(&mut self, checkpoint: CheckpointId, seals: &mut Vec<BlockingJob>) -> Result<()>;

    /// `checkpoint` is complete: the blocking work of committing the transactions up to it goes into `commits`.
    ///
    /// # Errors
    /// If the output fails.
    fn completed(&mut self, checkpoint: CheckpointId, commits: &mut Vec<BlockingJob>) -> Result<()>;
}

/// A split that was taken back, with the position reached in it; `None` if nothing of it is left.
pub type Revoked = Option<Rows>;

/// What reads splits, at the head of a block.
pub trait BlockInput {
    /// Takes one more split.
    ///
    /// # Errors
    /// If the split cannot be opened.
    ///
    /// # Panics
    /// If it is a split of another source.
    fn add_split(&mut self, split: Rows) -> Result<()>;

    /// Gives back the split of this name, with the position reached in it. Until it is released it stays in snapshots.
    ///
    /// # Errors
    /// If the reader cannot give it back.
    fn revoke(&mut self, name: &str) -> Result<Revoked>;

    /// The split of this name, which was given back, has arrived: it is no longer a part of this subtask's snapshots.
    fn released(&mut self, name: &str);

    /// The names of the splits that it has.
    fn split_names(&self) -> Vec<String>;

    /// Notes down the positions that belong to `checkpoint`. Called before the small state is visited.
    ///
    /// # Errors
    /// If the reader cannot tell them.
    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<()>;

    /// `checkpoint` is complete.
    ///
    /// # Errors
    /// If the reader says that the job must not go on.
    fn completed(&mut self, checkpoint: CheckpointId) -> Result<()>;
}

/// Something with parts: an operator, or a whole chain of them.
pub(crate) trait HasParts {
    /// Shows each part to the visitor.
    fn visit_parts(&mut self, visitor: &mut dyn PartVisitor);
}

/// An operator by itself.
#[cfg(test)]
pub(crate) struct OfOperator<'a, O>(pub(crate) &'a mut O);

#[cfg(test)]
impl<O: super::Operator> HasParts for OfOperator<'_, O> {
    fn visit_parts(&mut self, visitor: &mut dyn PartVisitor) {
        self.0.parts(visitor);
    }
}

/// Which questions the parts of a chain can answer at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// The tables of keyed state.
    pub(crate) tables: Vec<String>,
    /// The small states, by uid and name.
    pub(crate) small: Vec<(String, String)>,
    /// Whether a part waits for processing time.
    pub(crate) waits_for_processing_time: bool,
    /// Whether a part may leave results of events for later.
    pub(crate) emits_after_events: bool,
    /// Whether a part may leave results of records for later, too.
    pub(crate) emits_after_records: bool,
    /// Whether a part must do something before a snapshot can be taken.
    pub(crate) prepares: bool,
    /// Whether a part may be full.
    pub(crate) may_be_full: bool,
    /// Whether a part writes outside of the job.
    pub(crate) writes: bool,
    /// Whether there is a reader at the head.
    pub(crate) reads: bool,
}

impl Declared {
    /// What `parts` declare.
    pub(crate) fn of(parts: &mut impl HasParts) -> Self {
        let mut declared = Self::default();
        parts.visit_parts(&mut declared);
        declared
    }

    /// Looks for state that would not come back: a table that was opened and is not listed, a small state that is listed
    /// twice.
    ///
    /// # Errors
    /// A mistake of the operator, which names the state.
    pub(crate) fn check<'a>(&self, opened: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let is_listed = |name: &str| self.tables.iter().any(|listed| listed == name);
        if let Some(name) = opened.into_iter().find(|name| !is_listed(name)) {
            let mistake = "opens this table, but does not list it among its parts: no checkpoint would hold it";
            return Err(Error::declaration(name, mistake.to_owned()));
        }
        let mut seen = BTreeSet::new();
        match self.small.iter().find(|state| !seen.insert(*state)) {
            Some((uid, name)) => Err(Error::declaration(uid, format!("lists its small state '{name}' twice"))),
            None => Ok(()),
        }
    }
}

impl PartVisitor for Declared {
    fn tables(&mut self, tables: &mut dyn VisitTables) {
        // To name them cannot fail.
        let _ = tables.visit(&mut |table| {
            self.tables.push(table.name().to_owned());
            Ok(())
        });
    }

    fn small_state(&mut self, uid: &str, kind: StateKind<'_>, _: &mut dyn FnMut(&mut Elements<'_>) -> Result<()>) {
        self.small.push((uid.to_owned(), kind.name.to_owned()));
    }

    fn due(&mut self, _: &mut dyn FnMut() -> Result<Option<Timestamp>>) {
        self.waits_for_processing_time = true;
    }

    fn emission(&mut self, after: After, _: &mut dyn FnMut() -> Emission) {
        self.emits_after_events = true;
        self.emits_after_records |= after == After::Records;
    }

    fn before_snapshot(&mut self, _: &mut dyn FnMut(usize) -> Result<bool>) {
        self.prepares = true;
    }

    fn room(&mut self, _: &mut dyn FnMut() -> usize) {
        self.may_be_full = true;
    }

    fn output(&mut self, _: &mut dyn TransactionalOutput) {
        self.writes = true;
    }

    fn input(&mut self, _: &mut dyn BlockInput) {
        self.reads = true;
    }
}

/// The tables of something with parts, as a store visits them.
pub(crate) struct TablesOf<'a, P>(pub(crate) &'a mut P);

impl<P: HasParts> VisitTables for TablesOf<'_, P> {
    fn visit(&mut self, each: &mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>) -> Result<(), StateError> {
        struct Tables<'a> {
            each: &'a mut dyn FnMut(&mut dyn KeyedTable) -> Result<(), StateError>,
            outcome: Result<(), StateError>,
        }
        impl PartVisitor for Tables<'_> {
            fn tables(&mut self, tables: &mut dyn VisitTables) {
                if self.outcome.is_ok() {
                    self.outcome = tables.visit(self.each);
                }
            }
        }
        let mut tables = Tables { each, outcome: Ok(()) };
        self.0.visit_parts(&mut tables);
        tables.outcome
    }
}

/// The small state that `parts` hold now.
pub(crate) fn small_states_of(parts: &mut impl HasParts) -> Result<SmallStates> {
    struct Collect(Result<SmallStates>);
    impl PartVisitor for Collect {
        fn small_state(
            &mut self,
            uid: &str,
            kind: StateKind<'_>,
            elements: &mut dyn FnMut(&mut Elements<'_>) -> Result<()>,
        ) {
            if let Ok(states) = &mut self.0
                && let Err(error) = states.put(uid, kind, elements)
            {
                self.0 = Err(error);
            }
        }
    }
    let mut collect = Collect(Ok(SmallStates::default()));
    parts.visit_parts(&mut collect);
    collect.0
}

/// The earliest processing time that a part waits for.
pub(crate) fn due_of(parts: &mut impl HasParts) -> Result<Option<Timestamp>> {
    struct Earliest(Result<Option<Timestamp>>);
    impl PartVisitor for Earliest {
        fn due(&mut self, due: &mut dyn FnMut() -> Result<Option<Timestamp>>) {
            if let Ok(earliest) = self.0 {
                self.0 = due().map(|due| due.into_iter().chain(earliest).min());
            }
        }
    }
    let mut earliest = Earliest(Ok(None));
    parts.visit_parts(&mut earliest);
    earliest.0
}

/// Whether a part has more to emit.
pub(crate) fn emission_of(parts: &mut impl HasParts) -> Emission {
    struct Most(Emission);
    impl PartVisitor for Most {
        fn emission(&mut self, _: After, emission: &mut dyn FnMut() -> Emission) {
            self.0 = self.0.max(emission());
        }
    }
    let mut most = Most(Emission::Complete);
    parts.visit_parts(&mut most);
    most.0
}

/// Does what must be done before a snapshot can be taken, about `at_most` rows of it. Whether all is done.
pub(crate) fn get_ready(parts: &mut impl HasParts, at_most: usize) -> Result<bool> {
    struct Work {
        at_most: usize,
        outcome: Result<bool>,
    }
    impl PartVisitor for Work {
        fn before_snapshot(&mut self, work: &mut dyn FnMut(usize) -> Result<bool>) {
            if let Ok(true) = self.outcome {
                self.outcome = work(self.at_most);
            }
        }
    }
    let mut work = Work { at_most, outcome: Ok(true) };
    parts.visit_parts(&mut work);
    work.outcome
}

/// For how many records there is room in all parts.
pub(crate) fn room_in(parts: &mut impl HasParts) -> usize {
    struct Least(usize);
    impl PartVisitor for Least {
        fn room(&mut self, room: &mut dyn FnMut() -> usize) {
            self.0 = self.0.min(room());
        }
    }
    let mut least = Least(usize::MAX);
    parts.visit_parts(&mut least);
    least.0
}

/// What all parts together know of event time, over what is known already.
pub(crate) fn describe_event_time(parts: &mut impl HasParts, time: TaskTime) -> Result<TaskTime> {
    struct Described(Result<TaskTime>);
    impl PartVisitor for Described {
        fn event_time(&mut self, describe: &mut dyn FnMut(&mut TaskTime) -> Result<()>) {
            if let Ok(time) = &mut self.0
                && let Err(error) = describe(time)
            {
                self.0 = Err(error);
            }
        }
    }
    let mut described = Described(Ok(time));
    parts.visit_parts(&mut described);
    described.0
}

/// Does the same with each output, up to the first error.
fn each_output(
    parts: &mut impl HasParts,
    each: &mut dyn FnMut(&mut dyn TransactionalOutput) -> Result<()>,
) -> Result<()> {
    struct Outputs<'a> {
        each: &'a mut dyn FnMut(&mut dyn TransactionalOutput) -> Result<()>,
        outcome: Result<()>,
    }
    impl PartVisitor for Outputs<'_> {
        fn output(&mut self, output: &mut dyn TransactionalOutput) {
            if self.outcome.is_ok() {
                self.outcome = (self.each)(output);
            }
        }
    }
    let mut outputs = Outputs { each, outcome: Ok(()) };
    parts.visit_parts(&mut outputs);
    outputs.outcome
}

/// Does something with the reader at the head; `None` if there is no reader.
pub(crate) fn with_input<T>(
    parts: &mut impl HasParts,
    with: impl FnOnce(&mut dyn BlockInput) -> Result<T>,
) -> Option<Result<T>> {
    struct Input<F, T> {
        with: Option<F>,
        outcome: Option<Result<T>>,
    }
    impl<T, F: FnOnce(&mut dyn BlockInput) -> Result<T>> PartVisitor for Input<F, T> {
        fn input(&mut self, input: &mut dyn BlockInput) {
            if let Some(with) = self.with.take() {
                self.outcome = Some(with(input));
            }
        }
    }
    let mut input = Input { with: Some(with), outcome: None };
    parts.visit_parts(&mut input);
    input.outcome
}

/// Flushes all outputs.
pub(crate) fn flush(parts: &mut impl HasParts) -> Result<()> {
    each_output(parts, &mut |output| output.flush())
}

/// Notes down the positions of the reader and ends the transactions of all outputs; gives the blocking work of sealing them.
pub(crate) fn prepare(parts: &mut impl HasParts, checkpoint: CheckpointId) -> Result<Vec<BlockingJob>> {
    with_input(parts, |input| input.prepare(checkpoint)).transpose()?;
    let mut seals = Vec::new();
    each_output(parts, &mut |output| output.prepare(checkpoint, &mut seals))?;
    Ok(seals)
}

/// Reports to the reader that `checkpoint` is complete; gives the blocking work of committing what it completes.
pub(crate) fn completed(parts: &mut impl HasParts, checkpoint: CheckpointId) -> Result<Vec<BlockingJob>> {
    with_input(parts, |input| input.completed(checkpoint)).transpose()?;
    let mut commits = Vec::new();
    each_output(parts, &mut |output| output.completed(checkpoint, &mut commits))?;
    Ok(commits)
}
