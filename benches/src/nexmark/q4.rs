//! q4, average price of a category: of the winning bids of its auctions that are over, rounded down to whole cents.
//!
//! Each auction that ends changes an average: the output is made of updates.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::update::Update;
use super::winning::{winners, winners_among};

pub(crate) struct Q4;

impl Query for Q4 {
    const NAME: &'static str = "q4";
    /// The category and its average.
    type Out = Update<(usize, usize)>;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        winners(events, |auction| auction.category, |_| ())
            .map(|(_, lot, best)| (lot.what, best.price.0))
            .key_by(|(category, _)| *category)
            .map_with_state("averages", |(sum, count): &mut (usize, usize), (category, price)| {
                let before = sum.checked_div(*count).map(|average| Update::NoLonger((category, average)));
                (*sum, *count) = (*sum + price, *count + 1);
                [before, Some(Update::Now((category, *sum / *count)))]
            })
            .flat_map(|updates| updates.into_iter().flatten())
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut prices = BTreeMap::<usize, Vec<usize>>::new();
        for (_, lot, best) in winners_among(events, |auction| auction.category, |_| ()) {
            prices.entry(lot.what).or_default().push(best.price.0);
        }
        let average = |prices: &[usize]| prices.iter().sum::<usize>() / prices.len();
        prices.into_iter().map(|(category, prices)| Update::Now((category, average(&prices)))).collect()
    }

    fn settle(results: Vec<Self::Out>) -> Vec<Self::Out> {
        Update::settle(results)
    }

    fn hash(result: &Self::Out) -> u64 {
        result.hash()
    }
}
