//! q0, pass through: every bid as it is. Measures what reading, carrying and writing cost.

use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q0;

/// Auction, bidder, price, time, and what else there is.
type Row = (usize, usize, usize, u64, String);

impl Query for Q0 {
    const NAME: &'static str = "q0";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events).map(row)
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        bids_among(events).cloned().map(row).collect()
    }
}

fn row(bid: Bid) -> Row {
    (bid.auction, bid.bidder, bid.price, bid.date_time, bid.extra)
}
