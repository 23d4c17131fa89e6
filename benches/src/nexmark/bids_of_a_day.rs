//! Counts bids, bidders and auctions of a day, all together and by rank of price.
//!
//! To count what is distinct, whatever occurs is first gathered in a window of its own, of the same day: so each counts
//! once behind it, state is a small row per bidder and per auction, and no subtask sees all bids.

use std::collections::BTreeSet;

use millstream::prelude::*;
use nexmark::event::Bid;
use serde::{Deserialize, Serialize};

/// Something counted: all, with a price below 10,000, below 1,000,000, and from there on.
pub(crate) type ByRank = [u64; 4];

/// Which of the counts a price belongs to, as bits.
pub(crate) fn ranks(price: usize) -> u8 {
    match price {
        0..10_000 => 0b0011,
        10_000..1_000_000 => 0b0101,
        _ => 0b1001,
    }
}

/// Counts one for each bit.
fn once(bits: u8) -> ByRank {
    [0, 1, 2, 3].map(|rank| u64::from(bits >> rank & 1))
}

fn add(into: &mut ByRank, from: ByRank) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
}

/// What is counted of a day's bids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) bids: ByRank,
    pub(crate) bidders: ByRank,
    pub(crate) auctions: ByRank,
    /// The time of the last bid.
    pub(crate) last: u64,
}

impl Totals {
    pub(crate) fn merge(&mut self, from: Self) {
        add(&mut self.bids, from.bids);
        add(&mut self.bidders, from.bidders);
        add(&mut self.auctions, from.auctions);
        self.last = self.last.max(from.last);
    }
}

/// The bids of a bidder or on an auction.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Seen {
    bids: ByRank,
    ranks: u8,
    last: u64,
}

impl Seen {
    fn merge(&mut self, from: Self) {
        add(&mut self.bids, from.bids);
        self.ranks |= from.ranks;
        self.last = self.last.max(from.last);
    }
}

/// Parts of the totals of each day and group, at the last timestamp of the day: they are still to be merged.
pub(crate) fn parts_of_totals<G, F>(
    bids: Stream<impl Chain<Out = Bid>>,
    group_of: F,
) -> Stream<impl Chain<Out = (G, Totals)>>
where
    G: millstream::model::Key,
    F: Fn(&mut Bid) -> G + Clone + Send + 'static,
{
    let [by_bidder, by_auction] = bids
        .map(move |mut bid| {
            let ranks = ranks(bid.price);
            let seen = Seen { bids: once(ranks), ranks, last: bid.date_time };
            ((group_of(&mut bid), bid.bidder), (bid.auction, seen))
        })
        .split();
    let bidders = by_bidder
        .map(|(group_and_bidder, (_, seen))| (group_and_bidder, seen))
        .key_by(|(group_and_bidder, _)| group_and_bidder.clone())
        .window("bids per bidder", Tumbling::of(1.days()))
        .reduce_with(
            |into, from| into.1.merge(from.1),
            |(group, _), _, (_, seen)| {
                let Seen { bids, ranks, last } = seen;
                [(group.clone(), Totals { bids, bidders: once(ranks), last, ..Totals::default() })]
            },
        );
    let auctions = by_auction
        .map(|((group, _), (auction, seen))| ((group, auction), seen))
        .key_by(|(group_and_auction, _)| group_and_auction.clone())
        .window("bids per auction", Tumbling::of(1.days()))
        .reduce_with(
            |into, from| into.1.merge(from.1),
            |(group, _), _, (_, seen)| [(group.clone(), Totals { auctions: once(seen.ranks), ..Totals::default() })],
        );
    bidders.union(auctions)
}

/// The totals of `bids`, for references.
pub(crate) fn totals_of<'a>(bids: impl Iterator<Item = &'a Bid>) -> Totals {
    let mut totals = Totals::default();
    let (mut bidders, mut auctions) = (BTreeSet::new(), BTreeSet::new());
    for bid in bids {
        let rank = if bid.price < 10_000 {
            1
        } else if bid.price < 1_000_000 {
            2
        } else {
            3
        };
        for rank in [0, rank] {
            totals.bids[rank] += 1;
            totals.bidders[rank] += u64::from(bidders.insert((rank, bid.bidder)));
            totals.auctions[rank] += u64::from(auctions.insert((rank, bid.auction)));
        }
        totals.last = totals.last.max(bid.date_time);
    }
    totals
}
