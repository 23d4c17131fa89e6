//! q9, winning bids: each auction with the highest bid on it, when it is over.
//!
//! Once per auction, when event time has reached its end: an updating query would say so of each bid that is the highest so
//! far.

use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::item::Item;
use super::winning::{Offer, winners, winners_among};

pub(crate) struct Q9;

/// Bidder, and what else there is.
type Rest = (usize, String);

impl Query for Q9 {
    const NAME: &'static str = "q9";
    /// The auction's id, the auction, and its winning bid.
    type Out = (usize, Item, Offer<Rest>);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        winners(events, Item::from, rest).map(|(auction, lot, best)| (auction, lot.what, best))
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let winners = winners_among(events, Item::from, rest).into_iter();
        winners.map(|(auction, lot, best)| (auction, lot.what, best)).collect()
    }
}

fn rest(bid: Bid) -> Rest {
    (bid.bidder, bid.extra)
}
