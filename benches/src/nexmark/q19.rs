//! q19, top ten: of each auction, the ten bids with the highest prices, ranked; among equals the earlier one goes first.
//!
//! A bid that gets among them moves those behind it: the output is made of updates.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, ValueState};
use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::events::{bids, bids_among};
use super::update::Update;

pub(crate) struct Q19;

/// Price, time, bidder, channel, address, and what else there is: the least is the best bid.
type Offer = (Reverse<usize>, u64, usize, String, String, String);

/// Auction, rank from 1, and bid.
type Row = (usize, usize, Offer);

/// How many bids of an auction are wanted.
const TOP: usize = 10;

impl Query for Q19 {
    const NAME: &'static str = "q19";
    type Out = Update<Row>;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        bids(events)
            .map(offer)
            .key_by(|(auction, _)| *auction)
            .process("top ten", |states| Ok(TopTen { best: states.value("best")? }))
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut auctions = BTreeMap::<usize, Vec<Offer>>::new();
        for (auction, offer) in bids_among(events).cloned().map(offer) {
            auctions.entry(auction).or_default().push(offer);
        }
        let mut rows = Vec::new();
        for (auction, mut offers) in auctions {
            offers.sort();
            rows.extend((1..=10).zip(offers).map(|(rank, offer)| Update::Now((auction, rank, offer))));
        }
        rows
    }

    fn settle(results: Vec<Self::Out>) -> Vec<Self::Out> {
        Update::settle(results)
    }

    fn hash(result: &Self::Out) -> u64 {
        result.hash()
    }
}

fn offer(bid: Bid) -> (usize, Offer) {
    (bid.auction, (Reverse(bid.price), bid.date_time, bid.bidder, bid.channel, bid.url, bid.extra))
}

/// Keeps the best bids of each auction, the best first.
struct TopTen {
    best: ValueState<Vec<Offer>>,
}

impl KeyedProcess<usize, (usize, Offer)> for TopTen {
    type Out = Update<Row>;

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<(usize, Offer)>,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: (auction, offer), time } = record;
        // Looked at first, because a row that is touched is written at the next checkpoint.
        let place = context.value(self.best).get()?.map_or(0, |best| best.partition_point(|better| *better <= offer));
        if place == TOP {
            return Ok(());
        }
        let best = context.value(self.best).get_or_insert_with(Vec::new)?;
        for (rank, moved) in (1..).zip(&*best).skip(place) {
            out.emit(Record { value: Update::NoLonger((auction, rank, moved.clone())), time })?;
        }
        best.insert(place, offer);
        best.truncate(TOP);
        for (rank, moved) in (1..).zip(&*best).skip(place) {
            out.emit(Record { value: Update::Now((auction, rank, moved.clone())), time })?;
        }
        Ok(())
    }
}
