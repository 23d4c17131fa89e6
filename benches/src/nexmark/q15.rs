//! q15, statistics of each day: bids, distinct bidders and distinct auctions, all together and by rank of price.
//!
//! A day's totals come out once, when the day is over: they are the last of those that an updating query would give.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::bids_of_a_day::{Totals, parts_of_totals, totals_of};
use super::events::{bids, bids_among};

pub(crate) struct Q15;

impl Query for Q15 {
    const NAME: &'static str = "q15";
    /// The beginning of the day, and its totals.
    type Out = (i64, Totals);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        parts_of_totals(bids(events), |_| ())
            .window_all("totals", Tumbling::of(1.days()))
            .reduce_with(|into, from| into.1.merge(from.1), |_, day, ((), totals)| [(day.start().as_millis(), totals)])
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut days = BTreeMap::<i64, Vec<&Bid>>::new();
        for bid in bids_among(events) {
            let time = bid.date_time as i64;
            days.entry(time - time % 86_400_000).or_default().push(bid);
        }
        days.into_iter().map(|(day, bids)| (day, totals_of(bids.into_iter()))).collect()
    }
}
