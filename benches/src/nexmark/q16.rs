//! q16, statistics of each channel and day: as q15, and the minute of the last bid.
//!
//! Totals come out once, when the day is over: they are the last of those that an updating query would give.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::bids_of_a_day::{Totals, parts_of_totals, totals_of};
use super::events::{bids, bids_among};

pub(crate) struct Q16;

impl Query for Q16 {
    const NAME: &'static str = "q16";
    /// The channel, the beginning of the day, the minute of the last bid, and the totals.
    type Out = (String, i64, String, Totals);

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        parts_of_totals(bids(events), |bid| std::mem::take(&mut bid.channel))
            .key_by(|(channel, _)| channel.clone())
            .window("totals", Tumbling::of(1.days()))
            .reduce_with(
                |into, from| into.1.merge(from.1),
                |channel, day, (_, totals)| [(channel.clone(), day.start().as_millis(), minute(totals.last), totals)],
            )
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut groups = BTreeMap::<(&str, i64), Vec<&Bid>>::new();
        for bid in bids_among(events) {
            let time = bid.date_time as i64;
            groups.entry((&bid.channel, time - time % 86_400_000)).or_default().push(bid);
        }
        let mut rows = Vec::new();
        for ((channel, day), bids) in groups {
            let totals = totals_of(bids.into_iter());
            rows.push((channel.to_owned(), day, minute(totals.last), totals));
        }
        rows
    }
}

/// The minute of a time, as HH:mm.
fn minute(time: u64) -> String {
    format!("{:02}:{:02}", time / 3_600_000 % 24, time / 60_000 % 60)
}
