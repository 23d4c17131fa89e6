//! q3, local items: who sells in category 10 and lives in Oregon, Idaho or California.
//!
//! A join without windows: whoever comes first, person or auction, waits for the other, for ever. A person who lives
//! elsewhere is remembered as well, as nobody, so that auctions do not wait in vain.

use millstream::model::Record;
use millstream::operator::{CoProcess, Emit, KeyContext, ListState, ValueState};
use millstream::prelude::*;
use nexmark::event::{Auction, Event, Person};
use serde::{Deserialize, Serialize};

use super::Query;

pub(crate) struct Q3;

/// Name, city, state, auction.
type Row = (String, String, String, usize);

impl Query for Q3 {
    const NAME: &'static str = "q3";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        let [persons, auctions] = events.filter(|event| !matches!(event, Event::Bid(_))).split();
        let persons = persons.flat_map(|event| match event {
            Event::Person(person) => Some(person),
            _ => None,
        });
        let auctions = auctions.flat_map(|event| match event {
            Event::Auction(auction) if auction.category == 10 => Some((auction.seller, auction.id)),
            _ => None,
        });
        persons.key_by(|person| person.id).connect(auctions.key_by(|(seller, _)| *seller)).process(
            "local items",
            |states| {
                Ok(LocalItems { seller: states.value("seller")?, waiting: states.list("auctions without seller")? })
            },
        )
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut persons = Vec::<&Person>::new();
        let mut auctions = Vec::<&Auction>::new();
        for event in events {
            match event {
                Event::Person(person) if is_local(person) => persons.push(person),
                Event::Auction(auction) if auction.category == 10 => auctions.push(auction),
                _ => {}
            }
        }
        let mut rows = Vec::new();
        for auction in auctions {
            // Persons come in the order of their ids.
            if let Ok(place) = persons.binary_search_by_key(&auction.seller, |person| person.id) {
                let person = persons[place];
                rows.push((person.name.clone(), person.city.clone(), person.state.clone(), auction.id));
            }
        }
        rows
    }
}

fn is_local(person: &Person) -> bool {
    matches!(person.state.as_str(), "or" | "id" | "ca")
}

/// What is kept of a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Seller {
    Local { name: String, city: String, state: String },
    Elsewhere,
}

impl Seller {
    fn of(person: Person) -> Self {
        if is_local(&person) {
            let Person { name, city, state, .. } = person;
            Self::Local { name, city, state }
        } else {
            Self::Elsewhere
        }
    }

    fn row(&self, auction: usize) -> Option<Row> {
        match self {
            Self::Local { name, city, state } => Some((name.clone(), city.clone(), state.clone(), auction)),
            Self::Elsewhere => None,
        }
    }
}

/// Keeps each person, and the auctions of those who are still to come.
struct LocalItems {
    seller: ValueState<Seller>,
    waiting: ListState<usize>,
}

impl CoProcess<usize, Person, (usize, usize)> for LocalItems {
    type Out = Row;

    fn on_left<E: Emit<Row>>(
        &mut self,
        record: Record<Person>,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: person, time } = record;
        let seller = Seller::of(person);
        for auction in context.list(self.waiting).take()? {
            if let Some(value) = seller.row(auction) {
                out.emit(Record { value, time })?;
            }
        }
        context.value(self.seller).set(seller)
    }

    fn on_right<E: Emit<Row>>(
        &mut self,
        record: Record<(usize, usize)>,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: (_, auction), time } = record;
        match context.value(self.seller).get()? {
            Some(seller) => seller.row(auction).map_or(Ok(()), |value| out.emit(Record { value, time })),
            None => context.list(self.waiting).push(auction),
        }
    }
}
