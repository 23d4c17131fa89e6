//! Decides where a record goes that is in no window.

use std::sync::Arc;

use millstream_actors::time::Timestamp;

use super::Rule;
use crate::metrics::{Counter, FILTERED, LATE};
use crate::model::{Data, Record};
use crate::operator::window::local::Partial;
use crate::operator::{Either, SideId, SideOutput, SubtaskContext};

/// Puts aside one record.
type PutAside<T> = Box<dyn Fn(Record<T>) + Send>;

/// Makes what puts records aside in a subtask.
type OpenAside<T> = dyn Fn(&mut SubtaskContext) -> PutAside<T> + Send + Sync;

/// The side outputs of late records, as the plan knows them.
pub(crate) struct LateTo<T> {
    sides: Vec<SideId>,
    open: Arc<OpenAside<T>>,
}

impl<T> Clone for LateTo<T> {
    fn clone(&self) -> Self {
        Self { sides: self.sides.clone(), open: Arc::clone(&self.open) }
    }
}

impl<T: Data> LateTo<T> {
    /// All into one.
    pub(crate) fn one(side: &SideOutput<T>) -> Self {
        let (sides, side) = (vec![side.id()], side.clone());
        let open = move |context: &mut SubtaskContext| {
            let side = context.side(&side);
            Box::new(move |record| side.emit(record)) as PutAside<T>
        };
        Self { sides, open: Arc::new(open) }
    }

    /// The side outputs that are filled.
    pub(crate) fn sides(&self) -> &[SideId] {
        &self.sides
    }
}

impl<L: Data, R: Data> LateTo<Either<L, R>> {
    /// Those of two streams into one each, if there is one; `None` if there is none for either.
    pub(crate) fn each(left: Option<SideOutput<L>>, right: Option<SideOutput<R>>) -> Option<Self> {
        let ids = left.iter().map(SideOutput::id).chain(right.iter().map(SideOutput::id));
        let sides = ids.collect::<Vec<_>>();
        let has_any = !sides.is_empty();
        let open = move |context: &mut SubtaskContext| {
            let left = left.as_ref().map(|side| context.side(side));
            let right = right.as_ref().map(|side| context.side(side));
            Box::new(move |Record { value, time }: Record<Either<L, R>>| match value {
                Either::Left(value) => {
                    if let Some(side) = &left {
                        side.emit(Record { value, time });
                    }
                }
                Either::Right(value) => {
                    if let Some(side) = &right {
                        side.emit(Record { value, time });
                    }
                }
            }) as PutAside<Either<L, R>>
        };
        has_any.then(|| Self { sides, open: Arc::new(open) })
    }
}

/// Takes the records that windows turn away, and counts them.
pub(crate) struct Late<T> {
    put_aside: Option<PutAside<T>>,
    late: Counter,
    filtered: Counter,
}

impl<T: Data> Late<T> {
    pub(crate) fn open(to: Option<&LateTo<T>>, context: &mut SubtaskContext) -> Self {
        let put_aside = to.map(|to| (to.open)(context));
        Self { put_aside, late: context.counter(LATE), filtered: context.counter(FILTERED) }
    }

    /// Takes what was aggregated of records that are late.
    #[cold]
    pub(crate) fn turn_away_partial<A>(&mut self, partial: &Partial<A>) {
        self.late.add(partial.records);
    }

    /// Takes a record whose windows are all over, or which has none.
    #[cold]
    pub(crate) fn turn_away(&mut self, record: Record<T>, rule: Rule, watermark: Timestamp) {
        if !rule.is_too_late(record.time, watermark) {
            // It lies between the windows, where the assigner leaves a gap.
            self.filtered.add(1);
            return;
        }
        self.late.add(1);
        if let Some(put_aside) = &self.put_aside {
            put_aside(record);
        }
    }
}
