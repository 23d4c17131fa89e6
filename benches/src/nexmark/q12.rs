//! q12, processing-time windows: how many bids each bidder makes in every ten seconds of clocks on the wall.
//!
//! Which window a bid falls into depends on when it is read, so only the sums per bidder are compared. Clocks on the wall do
//! not wait for the end of a window when the input has ended, and its records would give nothing; so a trigger lets what is
//! still open go then.

use std::collections::BTreeMap;

use millstream::model::{Record, hash_key};
use millstream::operator::window::TimeWindow;
use millstream::operator::window::trigger::{Trigger, TriggerContext, TriggerResult};
use millstream::prelude::*;
use nexmark::event::Event;

use super::Query;
use super::events::{bids, bids_among};

pub(crate) struct Q12;

/// The bidder, how many bids, and the window.
type Row = (usize, u64, i64, i64);

impl Query for Q12 {
    const NAME: &'static str = "q12";
    type Out = Row;

    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Row>> {
        bids(events)
            .map(|bid| bid.bidder)
            .key_by(|bidder| *bidder)
            .window("bids per bidder", Tumbling::of(10.seconds()).processing_time())
            .trigger(AtEnd)
            .aggregate_with(Count, |bidder, window, bids| {
                [(*bidder, bids, window.start().as_millis(), window.end().as_millis())]
            })
    }

    fn reference(events: &[Event]) -> Vec<Row> {
        bids_among(events).map(|bid| (bid.bidder, 1, 0, 0)).collect()
    }

    fn settle(results: Vec<Row>) -> Vec<Row> {
        let mut sums = BTreeMap::<usize, u64>::new();
        for (bidder, bids, ..) in results {
            *sums.entry(bidder).or_default() += bids;
        }
        sums.into_iter().map(|(bidder, bids)| (bidder, bids, 0, 0)).collect()
    }

    fn hash((bidder, bids, ..): &Row) -> u64 {
        hash_key(bidder).0.wrapping_mul(*bids)
    }
}

/// Fires a window when the clock has reached its end, or the input has ended.
#[derive(Debug, Clone, Copy)]
struct AtEnd;

impl<T> Trigger<T> for AtEnd {
    type State = ();

    fn on_element(
        &mut self,
        _: &Record<T>,
        window: TimeWindow,
        (): &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        context.register_processing_timer(window.max_timestamp());
        // At the end of the input, the watermark says that event time is over.
        context.register_event_timer(Timestamp::MAX);
        TriggerResult::Continue
    }

    fn on_event_time(&mut self, _: Timestamp, _: TimeWindow, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        TriggerResult::FireAndPurge
    }

    fn on_processing_time(
        &mut self,
        _: Timestamp,
        _: TimeWindow,
        (): &mut (),
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        TriggerResult::FireAndPurge
    }

    fn clear(&mut self, window: TimeWindow, (): &(), context: &mut TriggerContext<'_>) {
        context.delete_processing_timer(window.max_timestamp());
        context.delete_event_timer(Timestamp::MAX);
    }
}
