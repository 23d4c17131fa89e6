//! q5, hot items: for the last ten seconds, every two seconds, the auctions with the most bids, with all ties.
//!
//! The counts of a window come out with its last timestamp, so windows as long as the slide gather those that end together.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};
use super::greatest::greatest;

pub(crate) struct Q5;

/// When the window ends, the auction, and how many bids it has.
type Row = (i64, usize, u64);

impl Query for Q5 {
    const NAME: &'static str = "q5";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events)
            .map(|bid| bid.auction)
            .key_by(|auction| *auction)
            .window("bids per auction", Sliding::of(10.seconds(), 2.seconds()))
            .aggregate_with(Count, |auction, window, bids| [(window.end().as_millis(), *auction, bids)])
            .window_all("most bids", Tumbling::of(2.seconds()))
            .aggregate(greatest(|(_, _, bids): &Row| *bids))
            .flat_map(|hottest| hottest)
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut windows = BTreeMap::<i64, BTreeMap<usize, u64>>::new();
        for bid in bids_among(events) {
            let time = bid.date_time as i64;
            let first_end = time - time % 2_000 + 2_000;
            for end in (first_end..first_end + 10_000).step_by(2_000) {
                *windows.entry(end).or_default().entry(bid.auction).or_default() += 1;
            }
        }
        let mut rows = Vec::new();
        for (end, counts) in windows {
            let most = counts.values().copied().max();
            rows.extend(counts.iter().filter(|(_, bids)| Some(**bids) == most).map(|(a, bids)| (end, *a, *bids)));
        }
        rows
    }
}
