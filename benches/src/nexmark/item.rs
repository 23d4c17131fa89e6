//! All that is said of an auction, as a part of results.

use nexmark::event::Auction;
use serde::{Deserialize, Serialize};

/// An auction, but for its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Item {
    name: String,
    description: String,
    initial_bid: usize,
    reserve: usize,
    date_time: u64,
    expires: u64,
    seller: usize,
    category: usize,
    extra: String,
}

impl From<Auction> for Item {
    fn from(auction: Auction) -> Self {
        let Auction { id: _, item_name, description, initial_bid, reserve, .. } = auction;
        let Auction { date_time, expires, seller, category, extra, .. } = auction;
        Self { name: item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra }
    }
}
