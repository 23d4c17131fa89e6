//! q1, currency conversion: every bid with its price in euros, at 0.908 euros per dollar, rounded down to whole cents.

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q1;

/// Auction, bidder, price, time, and what else there is.
type Row = (usize, usize, usize, u64, String);

impl Query for Q1 {
    const NAME: &'static str = "q1";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events).map(|bid| (bid.auction, bid.bidder, bid.price * 908 / 1000, bid.date_time, bid.extra))
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut rows = Vec::new();
        for bid in bids_among(events) {
            let euros = bid.price * 908 / 1000;
            rows.push((bid.auction, bid.bidder, euros, bid.date_time, bid.extra.clone()));
        }
        rows
    }
}
