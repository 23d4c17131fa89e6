//! A function that has a state of every kind, and does with them what its records say.

use crate::error::Result;
use crate::model::Record;
use crate::operator::aggregate::Average;
use crate::operator::{
    AggregatingState, Emit, KeyContext, KeyedProcess, ListState, MapState, ReducingState, States, ValueState,
};
use crate::state::Ttl;

/// Does what it is told, and says what it is asked.
pub(super) struct Clerk {
    pub(super) value: ValueState<u64>,
    pub(super) map: MapState<char, u64>,
    pub(super) list: ListState<u64>,
    pub(super) highest: ReducingState<u64>,
    pub(super) average: AggregatingState<u64, f64>,
}

/// What the clerk is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Do {
    /// Sets the value.
    Set(u64),
    /// Adds to the value in place.
    Add(u64),
    /// Says the value.
    Value,
    /// Sets an entry of the map.
    Put(char, u64),
    /// Adds to an entry in place.
    AddTo(char, u64),
    /// Says one entry.
    Entry(char),
    /// Says all entries.
    Entries,
    /// Says the entries between two names.
    Between(char, char),
    /// Removes an entry.
    Remove(char),
    /// Appends to the list.
    Push(u64),
    /// Says the list.
    List,
    /// Says the list, which is empty then.
    TakeList,
    /// Puts something else in the place of the list.
    Replace(u64),
    /// Merges into the highest number.
    Raise(u64),
    /// Says the highest number.
    Highest,
    /// Adds to what is averaged.
    Weigh(u64),
    /// Says the average.
    Average,
    /// Forgets everything.
    Forget,
}

impl Clerk {
    pub(super) fn open(states: &mut States<'_, char>) -> Result<Self> {
        Ok(Self {
            value: states.value("value")?,
            map: states.map("map")?,
            list: states.list("list")?,
            highest: states.reducing("highest", |highest: &mut u64, new| *highest = new.max(*highest))?,
            average: states.aggregating("average", Average::of(|number: &u64| *number as f64))?,
        })
    }

    /// The same, with a time-to-live for everything.
    pub(super) fn with_ttl(ttl: Ttl) -> impl Fn(&mut States<'_, char>) -> Result<Self> {
        move |states| Self::open(&mut states.with_ttl(ttl))
    }
}

/// What the clerk says: numbers.
pub(super) type Said = Vec<u64>;

impl KeyedProcess<char, Do> for Clerk {
    type Out = Said;

    fn on_record<E: Emit<Said>>(
        &mut self,
        record: Record<Do>,
        context: &mut KeyContext<'_, char>,
        out: &mut E,
    ) -> Result<()> {
        let said = match record.value {
            Do::Set(number) => return context.value(self.value).set(number),
            Do::Add(number) => {
                *context.value(self.value).get_or_insert_with(|| 0)? += number;
                return Ok(());
            }
            Do::Put(name, number) => return context.map(self.map).insert(&name, number),
            Do::AddTo(name, number) => {
                *context.map(self.map).get_or_insert_with(&name, || 0)? += number;
                return Ok(());
            }
            Do::Remove(name) => return context.map(self.map).remove(&name).map(drop),
            Do::Push(number) => return context.list(self.list).push(number),
            Do::Replace(number) => return context.list(self.list).replace([number]),
            Do::Raise(number) => return context.reducing(self.highest).add(number),
            Do::Weigh(number) => return context.aggregating(self.average).add(&record.with(number)),
            Do::Forget => {
                context.value(self.value).take()?;
                context.map(self.map).clear()?;
                context.list(self.list).clear()?;
                context.reducing(self.highest).take()?;
                return context.aggregating(self.average).clear();
            }
            Do::Value => context.value(self.value).get()?.copied().into_iter().collect(),
            Do::Entry(name) => context.map(self.map).get(&name)?.copied().into_iter().collect(),
            Do::Entries => context.map(self.map).entries()?.map(|(_, number)| *number).collect(),
            Do::Between(first, last) => context.map(self.map).range(first..=last)?.map(|(_, number)| *number).collect(),
            Do::List => {
                let length = context.list(self.list).len()?;
                let list = context.list(self.list).elements()?.copied().collect::<Said>();
                assert_eq!((list.len(), list.is_empty()), (length, context.list(self.list).is_empty()?));
                list
            }
            Do::TakeList => context.list(self.list).take()?,
            Do::Highest => context.reducing(self.highest).get()?.copied().into_iter().collect(),
            Do::Average => context.aggregating(self.average).get()?.map(|average| average as u64).into_iter().collect(),
        };
        out.emit(record.with(said))
    }
}
