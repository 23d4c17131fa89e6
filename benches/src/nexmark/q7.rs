//! q7, highest bid: the bids with the highest price of every ten seconds, with all ties.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};
use super::greatest::greatest;

pub(crate) struct Q7;

/// Auction, price, bidder, time, and what else there is.
type Row = (usize, usize, usize, u64, String);

impl Query for Q7 {
    const NAME: &'static str = "q7";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events)
            .map(|bid| (bid.auction, bid.price, bid.bidder, bid.date_time, bid.extra))
            .window_all("highest price", Tumbling::of(10.seconds()))
            .aggregate(greatest(|(_, price, ..): &Row| *price))
            .flat_map(|highest| highest)
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut windows = BTreeMap::<u64, Vec<Row>>::new();
        for bid in bids_among(events) {
            let row = (bid.auction, bid.price, bid.bidder, bid.date_time, bid.extra.clone());
            windows.entry(bid.date_time / 10_000).or_default().push(row);
        }
        let mut rows = Vec::new();
        for bids in windows.into_values() {
            let highest = bids.iter().map(|bid| bid.1).max();
            rows.extend(bids.into_iter().filter(|bid| Some(bid.1) == highest));
        }
        rows
    }
}
