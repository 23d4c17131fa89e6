//! q8, new users: who registered and opened an auction in the same ten seconds.

use std::collections::{BTreeMap, BTreeSet};

use millstream::prelude::*;
use nexmark::event::{Event, Person};

use super::Query;

pub(crate) struct Q8;

/// Id, name, and the beginning of the ten seconds.
type Row = (usize, String, i64);

impl Query for Q8 {
    const NAME: &'static str = "q8";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        let [persons, auctions] = events.filter(|event| !matches!(event, Event::Bid(_))).split();
        let persons = persons.flat_map(|event| match event {
            Event::Person(person) => Some((person.id, person.name)),
            _ => None,
        });
        let sellers = auctions.flat_map(|event| match event {
            Event::Auction(auction) => Some(auction.seller),
            _ => None,
        });
        persons
            .key_by(|(id, _)| *id)
            .connect(sellers.key_by(|seller| *seller))
            .window("new sellers", Tumbling::of(10.seconds()))
            .co_group(|_, window, persons, auctions| {
                let new = persons.first().filter(|_| !auctions.is_empty());
                new.map(|(id, name)| (*id, name.clone(), window.start().as_millis()))
            })
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut persons = BTreeMap::<(u64, usize), &Person>::new();
        let mut sellers = BTreeSet::<(u64, usize)>::new();
        for event in events {
            match event {
                Event::Person(person) => {
                    persons.insert((person.date_time / 10_000, person.id), person);
                }
                Event::Auction(auction) => {
                    sellers.insert((auction.date_time / 10_000, auction.seller));
                }
                Event::Bid(_) => {}
            }
        }
        let mut rows = Vec::new();
        for ((window, id), person) in persons {
            if sellers.contains(&(window, id)) {
                rows.push((id, person.name.clone(), window as i64 * 10_000));
            }
        }
        rows
    }
}
