//! q18, last bid: of each bidder on each auction, the latest bid; of those in one millisecond, the greatest by price and
//! text.
//!
//! A later bid takes the place of the one before: the output is made of updates.

use std::collections::BTreeMap;

use millstream::model::Record;
use millstream::operator::{Emit, KeyContext, KeyedProcess, ValueState};
use millstream::prelude::*;
use nexmark::event::{Bid, Event};

use super::Query;
use super::events::{bids, bids_among};
use super::update::Update;

pub(crate) struct Q18;

/// Bidder and auction.
type Who = (usize, usize);

/// Time, price, channel, address, and what else there is: the greatest is the last bid.
type Last = (u64, usize, String, String, String);

impl Query for Q18 {
    const NAME: &'static str = "q18";
    type Out = Update<(Who, Last)>;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>> {
        bids(events)
            .map(row)
            .key_by(|(who, _)| *who)
            .process("last bids", |states| Ok(LastBids { last: states.value("last")? }))
    }

    fn reference(events: &[Event]) -> Vec<Self::Out> {
        let mut last = BTreeMap::<Who, Last>::new();
        for (who, bid) in bids_among(events).cloned().map(row) {
            let known = last.entry(who).or_default();
            *known = bid.max(known.clone());
        }
        last.into_iter().map(Update::Now).collect()
    }

    fn settle(results: Vec<Self::Out>) -> Vec<Self::Out> {
        Update::settle(results)
    }

    fn hash(result: &Self::Out) -> u64 {
        result.hash()
    }
}

fn row(bid: Bid) -> (Who, Last) {
    ((bid.bidder, bid.auction), (bid.date_time, bid.price, bid.channel, bid.url, bid.extra))
}

/// Keeps the last bid of each bidder on each auction.
struct LastBids {
    last: ValueState<Last>,
}

impl KeyedProcess<Who, (Who, Last)> for LastBids {
    type Out = Update<(Who, Last)>;

    fn on_record<E: Emit<Self::Out>>(
        &mut self,
        record: Record<(Who, Last)>,
        context: &mut KeyContext<'_, Who>,
        out: &mut E,
    ) -> Result<()> {
        let Record { value: (who, bid), time } = record;
        let mut last = context.value(self.last);
        // Looked at first, because a row that is touched is written at the next checkpoint.
        if last.get()?.is_some_and(|last| *last >= bid) {
            return Ok(());
        }
        let before = last.take()?;
        last.set(bid.clone())?;
        if let Some(before) = before {
            out.emit(Record { value: Update::NoLonger((who, before)), time })?;
        }
        out.emit(Record { value: Update::Now((who, bid)), time })
    }
}
