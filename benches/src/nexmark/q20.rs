//! q20, expanded bids: every bid on an auction of category 10, with all that is said of the auction.
//!
//! A join without windows: auctions are kept for ever, and a bid that comes before its auction waits for it. An auction of
//! another category is remembered as well, as nothing, so that bids on it do not wait in vain.

use std::collections::BTreeMap;

use millstream::model::Record;
use millstream::operator::{CoProcess, Either, Emit, KeyContext, ListState, ValueState};
use millstream::prelude::*;
use nexmark::event::{Auction, Bid, Event};

use super::Query;
use super::events::bids_among;
use super::item::Item;

pub(crate) struct Q20;

/// Auction, bidder, price, channel, address, time, and what else there is.
type Offer = (usize, usize, usize, String, String, u64, String);

impl Query for Q20 {
    const NAME: &'static str = "q20";
    /// The bid and the auction.
    type Out = (Offer, Item);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        let [auctions, bids] = events
            .flat_map(|event| match event {
                Event::Auction(auction) => Some(Either::Left((auction.id, wanted(auction)))),
                Event::Bid(bid) => Some(Either::Right(offer(bid))),
                Event::Person(_) => None,
            })
            .split();
        let auctions = auctions.flat_map(|event| match event {
            Either::Left(auction) => Some(auction),
            Either::Right(_) => None,
        });
        let bids = bids.flat_map(|event| match event {
            Either::Right(bid) => Some(bid),
            Either::Left(_) => None,
        });
        auctions
            .key_by(|(id, _)| *id)
            .connect(bids.key_by(|(auction, ..)| *auction))
            .process("expanded bids", |states| {
                Ok(ExpandedBids { item: states.value("auction")?, waiting: states.list("bids without auction")? })
            })
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut items = BTreeMap::<usize, Item>::new();
        for event in events {
            if let Event::Auction(auction) = event {
                items.extend(wanted(auction.clone()).map(|item| (auction.id, item)));
            }
        }
        let mut rows = Vec::new();
        for bid in bids_among(events) {
            if let Some(item) = items.get(&bid.auction) {
                rows.push((offer(bid.clone()), item.clone()));
            }
        }
        rows
    }
}

fn wanted(auction: Auction) -> Option<Item> {
    (auction.category == 10).then(|| auction.into())
}

fn offer(bid: Bid) -> Offer {
    (bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.date_time, bid.extra)
}

/// Keeps each auction, and the bids on those that are still to come.
struct ExpandedBids {
    /// Of an auction that is not wanted, `None`.
    item: ValueState<Option<Item>>,
    waiting: ListState<Offer>,
}

impl CoProcess<usize, (usize, Option<Item>), Offer> for ExpandedBids {
    type Out = (Offer, Item);

    fn on_left<E: Emit<Self::Out>>(
        &mut self,
        record: Record<(usize, Option<Item>)>,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: (_, item), time } = record;
        let waiting = context.list(self.waiting).take()?;
        if let Some(item) = &item {
            for offer in waiting {
                out.emit(Record { value: (offer, item.clone()), time })?;
            }
        }
        context.value(self.item).set(item)
    }

    fn on_right<E: Emit<Self::Out>>(
        &mut self,
        record: Record<Offer>,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: offer, time } = record;
        match context.value(self.item).get()? {
            Some(Some(item)) => {
                let value = (offer, item.clone());
                out.emit(Record { value, time })
            }
            Some(None) => Ok(()),
            None => context.list(self.waiting).push(offer),
        }
    }
}
