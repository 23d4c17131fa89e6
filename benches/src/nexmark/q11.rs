//! q11, user sessions: how many bids each bidder makes before ten seconds pass without one.

use std::collections::BTreeMap;

use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q11;

/// The bidder, how many bids, and the session from its first bid to ten seconds behind its last one.
type Row = (usize, u64, i64, i64);

impl Query for Q11 {
    const NAME: &'static str = "q11";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events)
            .map(|bid| bid.bidder)
            .key_by(|bidder| *bidder)
            .window("sessions", Session::with_gap(10.seconds()))
            .aggregate_with(Count, |bidder, session, bids| {
                [(*bidder, bids, session.start().as_millis(), session.end().as_millis())]
            })
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        let mut times = BTreeMap::<usize, Vec<i64>>::new();
        for bid in bids_among(events) {
            times.entry(bid.bidder).or_default().push(bid.date_time as i64);
        }
        let mut rows = Vec::<Row>::new();
        for (bidder, mut times) in times {
            times.sort_unstable();
            let mut session = (bidder, 0, times[0], times[0] + 10_000);
            for time in times {
                if time > session.3 {
                    rows.push(session);
                    session = (bidder, 0, time, time + 10_000);
                }
                (session.1, session.3) = (session.1 + 1, time + 10_000);
            }
            rows.push(session);
        }
        rows
    }
}
