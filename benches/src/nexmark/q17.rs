//! q17, statistics of each auction and day: bids by rank of price; least, greatest, average and sum of the prices.
//!
//! They come out once, when the day is over: they are the last of those that an updating query would give.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::{Bid, Event};
use serde::{Deserialize, Serialize};

use super::Query;
use super::bids_of_a_day::ranks;
use super::events::{bids, bids_among};

pub(crate) struct Q17;

/// What is known of the prices of some bids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Prices {
    /// All bids, and those with a price below 10,000, below 1,000,000, and from there on.
    bids: [u64; 4],
    least: usize,
    greatest: usize,
    sum: usize,
}

impl Prices {
    fn of(bid: &Bid) -> Self {
        let ranks = ranks(bid.price);
        let bids = [0, 1, 2, 3].map(|rank| u64::from(ranks >> rank & 1));
        Self { bids, least: bid.price, greatest: bid.price, sum: bid.price }
    }

    fn merge(&mut self, from: Self) {
        self.bids.iter_mut().zip(from.bids).for_each(|(into, from)| *into += from);
        self.least = self.least.min(from.least);
        self.greatest = self.greatest.max(from.greatest);
        self.sum += from.sum;
    }

    /// The average, rounded down.
    fn average(self) -> usize {
        self.sum / self.bids[0] as usize
    }
}

impl Query for Q17 {
    const NAME: &'static str = "q17";
    /// The auction, the beginning of the day, the prices, and their average.
    type Out = (usize, i64, Prices, usize);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        bids(events)
            .map(|bid| (bid.auction, Prices::of(&bid)))
            .key_by(|(auction, _)| *auction)
            .window("prices", Tumbling::of(1.days()))
            .reduce_with(
                |into, from| into.1.merge(from.1),
                |auction, day, (_, prices)| [(*auction, day.start().as_millis(), prices, prices.average())],
            )
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut groups = BTreeMap::<(usize, i64), Vec<usize>>::new();
        for bid in bids_among(events) {
            let time = bid.date_time as i64;
            groups.entry((bid.auction, time - time % 86_400_000)).or_default().push(bid.price);
        }
        let mut rows = Vec::new();
        for ((auction, day), prices) in groups {
            let count =
                |is_counted: fn(usize) -> bool| prices.iter().filter(|price| is_counted(**price)).count() as u64;
            let low = count(|price| price < 10_000);
            let middle = count(|price| (10_000..1_000_000).contains(&price));
            let high = count(|price| price >= 1_000_000);
            let bids = [prices.len() as u64, low, middle, high];
            let (least, greatest) = (prices.iter().min(), prices.iter().max());
            let (least, greatest) = (*least.expect("there is a bid"), *greatest.expect("there is a bid"));
            let sum = prices.iter().sum::<usize>();
            rows.push((auction, day, Prices { bids, least, greatest, sum }, sum / prices.len()));
        }
        rows
    }
}
