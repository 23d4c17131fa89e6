//! q13, bounded side input: every bid with what a table of ten thousand rows says about its auction.
//!
//! The table is small and known at the start, so each subtask has it at hand, and nothing is exchanged.

use std::sync::Arc;

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q13;

/// Auction, bidder, price, time, and what the table says.
type Row = (usize, usize, usize, u64, String);

/// The rows of the table.
const ROWS: usize = 10_000;

impl Query for Q13 {
    const NAME: &'static str = "q13";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        let table: Arc<[String]> = (0..ROWS).map(|row| row.to_string()).collect();
        bids(events).map(move |bid| {
            let said = table[bid.auction % ROWS].clone();
            (bid.auction, bid.bidder, bid.price, bid.date_time, said)
        })
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let row = |auction: usize| (auction % 10_000).to_string();
        bids_among(events).map(|bid| (bid.auction, bid.bidder, bid.price, bid.date_time, row(bid.auction))).collect()
    }
}
