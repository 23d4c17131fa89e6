//! q14, calculation: bids of 10,000 to 500,000 euros, with the time of day and how often the letter c occurs in them.

use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q14;

/// Auction, bidder, price in euro cents, time of day, time, what else there is, and how many c's are in that.
type Row = (usize, usize, usize, &'static str, u64, String, usize);

impl Query for Q14 {
    const NAME: &'static str = "q14";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events).flat_map(row)
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        bids_among(events).cloned().filter_map(row).collect()
    }
}

fn row(bid: Bid) -> Option<Row> {
    // In thousandths, so that the bounds are exact.
    let euros = bid.price * 908;
    if euros <= 1_000_000_000 || euros >= 50_000_000_000 {
        return None;
    }
    let time_of_day = match bid.date_time / 3_600_000 % 24 {
        8..=18 => "dayTime",
        0..=6 | 20..=23 => "nightTime",
        _ => "otherTime",
    };
    let letters = bid.extra.bytes().filter(|letter| *letter == b'c').count();
    Some((bid.auction, bid.bidder, euros / 1000, time_of_day, bid.date_time, bid.extra, letters))
}
