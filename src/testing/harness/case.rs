//! A written case for one operator: what goes in, and what must come out in every mode.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::mode::Choices;
use super::outlet::Outlet;
use super::rig::{Open, Rig};
use super::sides::{Expected, ExpectedSide};
use super::{Element, Mode};
use crate::error::Result;
use crate::metrics::CounterName;
use crate::model::{Data, Key, Keyed, Record, RecordBatch, hash_key};
use crate::operator::{BatchHead, BoxedChain, Operator, SideOutput, SubtaskContext, Then};
use millstream_actors::packet::Rows;

/// Runs one operator through a case: one call runs it in all modes, and names the one that fails.
///
/// The [modes](Mode) differ in how the operator is driven: element by element, in batches, with a snapshot after every
/// element, with a *new* operator restored from it after every element, with all state evicted to disk in between, with
/// outputs that accept one record at a time, and by chance. In all of them the output must be the same. It must also
/// keep the grammar of a channel: watermarks rise, no record comes behind its watermark, nothing comes behind the end.
///
/// State lies in memory, on disks of its own. Processing time begins with 0, and is set by the case.
///
/// # Example
/// ```
/// use millstream::operator::{Emit, Operator};
/// use millstream::model::Record;
/// use millstream::prelude::*;
/// use millstream::testing::harness::{OperatorHarness, end, rec, rec_at, watermark};
///
/// /// Lets only even numbers through.
/// struct Even;
///
/// impl Operator for Even {
///     type In = u64;
///     type Out = u64;
///
///     fn on_record<E: Emit<u64>>(&mut self, record: Record<u64>, out: &mut E) -> Result<()> {
///         if record.value % 2 == 0 { out.emit(record) } else { Ok(()) }
///     }
/// }
///
/// OperatorHarness::plain(|_| Ok(Even))
///     .input([rec_at(1, 10), rec_at(2, 11), watermark(20), rec(4), end()])
///     .expect([rec_at(2, 11), watermark(20), rec(4), end()]);
/// ```
#[must_use = "a case does not run before something is expected"]
pub struct OperatorHarness<I, T> {
    open: Box<Open<T>>,
    is_keyed: bool,
    enter: Box<Enter<I>>,
    input: Vec<Element<I>>,
    exceptions: Vec<(Mode, &'static str)>,
    sides: Vec<Box<dyn ExpectedSide>>,
    counted: Option<BTreeMap<&'static str, u64>>,
    allows_late: bool,
    any_order: bool,
    seed: u64,
}

/// Makes a batch of what goes in.
type Enter<I> = dyn Fn(Vec<Record<I>>) -> Rows;

/// The seed of what is left to chance, unless another is given.
const SEED: u64 = 0x6D69_6C6C;

impl<I: Data + Clone + Debug, T: Data + PartialEq + Debug> OperatorHarness<I, T> {
    /// A case for the operator that `open` makes, which has no keyed state.
    pub fn plain<O>(open: impl Fn(&mut SubtaskContext) -> Result<O> + 'static) -> Self
    where
        O: Operator<In = I, Out = T>,
    {
        Self::new(open, false, |value| value)
    }
}

impl<K: Key + Debug, V: Data + Clone + Debug, T: Data + PartialEq + Debug> OperatorHarness<(K, V), T> {
    /// A case for the operator that `open` makes, which stands behind a `key_by`. Its input is written as pairs of key
    /// and value.
    pub fn keyed<O>(open: impl Fn(&mut SubtaskContext) -> Result<O> + 'static) -> Self
    where
        O: Operator<In = Keyed<K, V>, Out = T>,
    {
        Self::new(open, true, |(key, value)| Keyed { hash: hash_key(&key), key, value })
    }
}

impl<I: Clone + Debug + 'static, T: Data + PartialEq + Debug> OperatorHarness<I, T> {
    pub(super) fn new<O>(
        open: impl Fn(&mut SubtaskContext) -> Result<O> + 'static,
        is_keyed: bool,
        enter: fn(I) -> O::In,
    ) -> Self
    where
        O: Operator<In: Data, Out = T>,
    {
        let batch = move |records: Vec<Record<I>>| -> Rows {
            let mut batch = RecordBatch::with_capacity(0);
            records.into_iter().for_each(|record| batch.push(Record { value: enter(record.value), time: record.time }));
            Box::new(batch)
        };
        Self {
            open: Box::new(move |context| Ok(BoxedChain::new(Then::new(BatchHead::new(), open(context)?)))),
            is_keyed,
            enter: Box::new(batch),
            input: Vec::new(),
            exceptions: Vec::new(),
            sides: Vec::new(),
            counted: None,
            allows_late: false,
            any_order: false,
            seed: SEED,
        }
    }

    /// What goes in.
    pub fn input(self, input: impl IntoIterator<Item = Element<I>>) -> Self {
        Self { input: input.into_iter().collect(), ..self }
    }

    /// Leaves out a mode, for a reason that whoever reads the case wants to know.
    pub fn except(mut self, mode: Mode, reason: &'static str) -> Self {
        assert!(!reason.is_empty(), "an exception needs a reason");
        self.exceptions.push((mode, reason));
        self
    }

    /// Lets records come out behind a watermark that has passed them, as late firings of windows do.
    pub fn allow_late(self) -> Self {
        Self { allows_late: true, ..self }
    }

    /// Lets neighbouring records of one timestamp come out in any order, as those of different keys do.
    pub fn in_any_order(self) -> Self {
        Self { any_order: true, ..self }
    }

    /// Another seed for what is left to chance.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Expects these records, in this order, in a side output.
    ///
    /// # Panics
    /// If something else than records is expected: side outputs have nothing else.
    pub fn expect_side<S>(mut self, side: &SideOutput<S>, expected: impl IntoIterator<Item = Element<S>>) -> Self
    where
        S: Data + Clone + PartialEq + Debug,
    {
        let records = expected.into_iter().map(|element| match element {
            Element::Record(record) => record,
            other => panic!("{other:?} cannot come out of a side output"),
        });
        self.sides.push(Box::new(Expected { side: side.clone(), records: records.collect() }));
        self
    }

    /// Expects these counts at the end, and no others but zeros.
    pub fn expect_counters(self, counted: impl IntoIterator<Item = (CounterName, u64)>) -> Self {
        let counted = counted.into_iter().filter(|(_, count)| *count > 0);
        Self { counted: Some(counted.map(|(name, count)| (name.name(), count)).collect()), ..self }
    }

    /// Runs the case, and expects this output.
    ///
    /// # Panics
    /// If something else comes out in any mode. The message names the mode, the seed and the place in the input.
    pub fn expect(self, expected: impl IntoIterator<Item = Element<T>>) {
        let expected = expected.into_iter().collect::<Vec<_>>();
        for mode in self.modes() {
            if let Some(complaint) = self.complaint(mode, &expected) {
                panic!("{}: {complaint}", self.place(mode));
            }
        }
    }

    /// Runs the case, and expects an error whose text has `part` in it.
    ///
    /// # Panics
    /// If there is no such error in any mode.
    pub fn expect_error(self, part: &str) {
        for mode in self.modes() {
            let (_, outcome) = self.run(mode);
            let error = outcome.expect_err(&format!("{}: expected an error", self.place(mode))).to_string();
            assert!(error.contains(part), "{}: expected an error with '{part}', found '{error}'", self.place(mode));
        }
    }

    fn place(&self, mode: Mode) -> String {
        format!("mode {mode}, seed {}", self.seed)
    }

    fn modes(&self) -> impl Iterator<Item = Mode> {
        let excepted = self.exceptions.iter().map(|(mode, _)| *mode).collect::<Vec<_>>();
        Mode::ALL.into_iter().filter(move |mode| !excepted.contains(mode))
    }

    /// Says what is wrong in a mode, if anything is.
    fn complaint(&self, mode: Mode, expected: &[Element<T>]) -> Option<String> {
        let (rig, outcome) = self.run(mode);
        let position = rig.as_ref().map_or(0, |rig| rig.out.position);
        if let Err(error) = outcome {
            return Some(format!("{error}, at {}", self.input_at(position)));
        }
        let mut rig = rig?;
        let found = &mut rig.out.found;
        if self.any_order {
            bring_in_order(found, expected);
        }
        let differs = |at: &usize| found.get(*at).map(|(_, element)| element) != expected.get(*at);
        if let Some(at) = (0..found.len().max(expected.len())).find(differs) {
            let (place, was) = match found.get(at) {
                Some((position, element)) => (self.input_at(*position), format!("{element:?}")),
                None => ("the end of the case".to_owned(), "nothing".to_owned()),
            };
            let wanted = expected.get(at).map_or("nothing".to_owned(), |element| format!("{element:?}"));
            let found = found.iter().map(|(_, element)| element).collect::<Vec<_>>();
            return Some(format!(
                "expected {wanted}, found {was} at {place}\nexpected: {expected:?}\n   found: {found:?}"
            ));
        }
        let counted = rig.counted();
        let counted = counted.iter().map(|(_, name, count)| (name, count)).collect::<BTreeMap<_, _>>();
        if let Some(wanted) = self.counted.as_ref().filter(|wanted| **wanted != counted) {
            return Some(format!("expected the counts {wanted:?}, found {counted:?}"));
        }
        rig.sides.iter().find_map(|side| side.complaint())
    }

    fn input_at(&self, position: usize) -> String {
        let element = self.input.get(position).map_or("the end".to_owned(), |element| format!("{element:?}"));
        format!("element {position} of the input ({element})")
    }

    /// Runs the case in one mode.
    fn run(&self, mode: Mode) -> (Option<Rig<'_, T>>, Result<()>) {
        let sides = self.sides.iter().map(|side| side.probe()).collect();
        let choices = Choices::new(mode, self.seed);
        match Rig::new(&*self.open, self.is_keyed, choices, sides, Outlet::new(self.allows_late)) {
            Ok(mut rig) => {
                let outcome = self.drive(&mut rig);
                (Some(rig), outcome)
            }
            Err(error) => (None, Err(error)),
        }
    }

    fn drive(&self, rig: &mut Rig<'_, T>) -> Result<()> {
        let mut position = 0;
        while let Some(element) = self.input.get(position) {
            rig.out.position = position;
            rig.pass_time()?;
            position += match element {
                Element::Record(_) => self.drive_records(rig, position)?,
                Element::Signal(signal) => rig.signal(*signal).map(|()| 1)?,
                Element::ProcessingTime(time) => rig.processing_time(*time).map(|()| 1)?,
                Element::End => {
                    assert_eq!(position + 1, self.input.len(), "nothing follows the end of the input");
                    rig.end().map(|()| 1)?
                }
            };
            rig.pass_time()?;
            rig.between()?;
        }
        Ok(())
    }

    /// Hands over the records from `position` on that come in one batch; gives their number.
    fn drive_records(&self, rig: &mut Rig<'_, T>, position: usize) -> Result<usize> {
        let record_of = |element: &Element<I>| match element {
            Element::Record(record) => Some(record.clone()),
            _ => None,
        };
        let at_most = rig.batch_records();
        let records = self.input[position..].iter().map_while(record_of).take(at_most);
        let records = records.collect::<Vec<_>>();
        let count = records.len();
        rig.batch((self.enter)(records)).map(|()| count)
    }
}

/// Swaps neighbouring records of one timestamp in `found` to where they are expected.
fn bring_in_order<T: PartialEq>(found: &mut [(usize, Element<T>)], expected: &[Element<T>]) {
    let time_of = |element: &Element<T>| match element {
        Element::Record(record) => Some(record.time),
        _ => None,
    };
    for (at, wanted) in expected.iter().enumerate().take(found.len()) {
        let Some(time) = time_of(&found[at].1) else { continue };
        let group = found[at..].iter().take_while(|(_, element)| time_of(element) == Some(time));
        let place = group.map(|(_, element)| element).position(|element| element == wanted);
        if let Some(place) = place {
            found.swap(at, at + place);
        }
    }
}
