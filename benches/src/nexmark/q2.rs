//! q2, selection: auction and price of the bids on every 123rd auction.

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q2;

impl Query for Q2 {
    const NAME: &'static str = "q2";
    type Out = (usize, usize);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = (usize, usize)>> {
        bids(events).filter(|bid| bid.auction.is_multiple_of(123)).map(|bid| (bid.auction, bid.price))
    }

    fn reference(events: &[Event]) -> Vec<(usize, usize)> {
        let mut rows = Vec::new();
        for bid in bids_among(events) {
            if bid.auction % 123 == 0 {
                rows.push((bid.auction, bid.price));
            }
        }
        rows
    }
}
