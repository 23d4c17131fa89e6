//! Finds the winning bid of each auction: the highest price from its beginning to its end; among equals the earliest.
//!
//! Event time bounds the state. When the watermark has reached the end of an auction, all its bids are there: the winner is
//! known, and the auction is let go. A bid that comes before its auction waits, but only until the watermark has reached the
//! bid: an auction that begins later is not bid on by it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use millstream::model::{Data, Record};
use millstream::operator::{CoProcess, Either, Emit, KeyContext, ListState, Timer, ValueState};
use millstream::prelude::*;
use nexmark::event::{Auction, Bid, Event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An auction: its time, and what else is wanted of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lot<A> {
    begins: u64,
    expires: u64,
    pub(crate) what: A,
}

/// A bid: the least of several wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Offer<B> {
    pub(crate) price: Reverse<usize>,
    pub(crate) date_time: u64,
    pub(crate) what: B,
}

/// The auction's id, the auction and its winning bid, for each auction that has one, when it is over.
pub(crate) fn winners<A, B>(
    events: Stream<impl Chain<Out = Event>>,
    of_auction: fn(Auction) -> A,
    of_bid: fn(Bid) -> B,
) -> Stream<impl Chain<Out = (usize, Lot<A>, Offer<B>)>>
where
    A: Data + Clone + Serialize + DeserializeOwned,
    B: Data + Clone + Ord + Serialize + DeserializeOwned,
{
    let [lots, offers] = events
        .flat_map(move |event| match event {
            Event::Auction(auction) => Some(Either::Left(lot(auction, of_auction))),
            Event::Bid(bid) => Some(Either::Right(offer(bid, of_bid))),
            Event::Person(_) => None,
        })
        .split();
    let lots = lots.flat_map(|event| match event {
        Either::Left(lot) => Some(lot),
        Either::Right(_) => None,
    });
    let offers = offers.flat_map(|event| match event {
        Either::Right(offer) => Some(offer),
        Either::Left(_) => None,
    });
    lots.key_by(|(auction, _)| *auction).connect(offers.key_by(|(auction, _)| *auction)).process(
        "winning bids",
        |states| {
            let (lot, best) = (states.value("auction")?, states.value("best bid")?);
            Ok(WinningBids { lot, best, waiting: states.list("bids without auction")? })
        },
    )
}

fn lot<A>(auction: Auction, of_auction: fn(Auction) -> A) -> (usize, Lot<A>) {
    let (id, begins, expires) = (auction.id, auction.date_time, auction.expires);
    (id, Lot { begins, expires, what: of_auction(auction) })
}

fn offer<B>(bid: Bid, of_bid: fn(Bid) -> B) -> (usize, Offer<B>) {
    (bid.auction, Offer { price: Reverse(bid.price), date_time: bid.date_time, what: of_bid(bid) })
}

/// Keeps what is known of each auction that is not over.
struct WinningBids<A, B> {
    lot: ValueState<Lot<A>>,
    best: ValueState<Offer<B>>,
    waiting: ListState<Offer<B>>,
}

impl<A, B> WinningBids<A, B>
where
    B: Data + Ord + Serialize + DeserializeOwned,
{
    /// Lets a bid in time take the place of the best one, if it is better.
    fn compete(&self, offer: Offer<B>, context: &mut KeyContext<'_, usize>) -> Result<()> {
        let mut best = context.value(self.best);
        match best.get()? {
            Some(best) if *best <= offer => Ok(()),
            _ => best.set(offer),
        }
    }
}

impl<A, B> CoProcess<usize, (usize, Lot<A>), (usize, Offer<B>)> for WinningBids<A, B>
where
    A: Data + Serialize + DeserializeOwned,
    B: Data + Ord + Serialize + DeserializeOwned,
{
    type Out = (usize, Lot<A>, Offer<B>);

    fn on_left<E: Emit<Self::Out>>(
        &mut self,
        record: Record<(usize, Lot<A>)>,
        context: &mut KeyContext<'_, usize>,
        _out: &mut E,
    ) -> Result<()> {
        let (_, lot) = record.value;
        context.register_event_timer(Timestamp::from(lot.expires))?;
        for offer in context.list(self.waiting).take()? {
            if (lot.begins..=lot.expires).contains(&offer.date_time) {
                self.compete(offer, context)?;
            }
        }
        context.value(self.lot).set(lot)
    }

    fn on_right<E: Emit<Self::Out>>(
        &mut self,
        record: Record<(usize, Offer<B>)>,
        context: &mut KeyContext<'_, usize>,
        _out: &mut E,
    ) -> Result<()> {
        let (_, offer) = record.value;
        match context.value(self.lot).get()? {
            Some(lot) if (lot.begins..=lot.expires).contains(&offer.date_time) => self.compete(offer, context),
            Some(_) => Ok(()),
            None => {
                // To the next full second, so that many bids share a timer.
                let heard = offer.date_time.next_multiple_of(1_000);
                context.register_event_timer(Timestamp::from(heard))?;
                context.list(self.waiting).push(offer)
            }
        }
    }

    fn on_timer<E: Emit<Self::Out>>(
        &mut self,
        timer: Timer,
        context: &mut KeyContext<'_, usize>,
        out: &mut E,
    ) -> Result<()> {
        let now = timer.time.as_millis() as u64;
        match context.value(self.lot).get()?.map(|lot| lot.expires) {
            Some(expires) if expires <= now => {
                let lot = context.value(self.lot).take()?;
                let winner = lot.zip(context.value(self.best).take()?);
                let auction = *context.key();
                winner.map_or(Ok(()), |(lot, best)| out.emit(Record { value: (auction, lot, best), time: timer.time }))
            }
            Some(_) => Ok(()),
            None => {
                let mut waiting = context.list(self.waiting);
                let kept = waiting.take()?.into_iter().filter(|offer| offer.date_time > now);
                waiting.extend(kept)
            }
        }
    }
}

/// The same in loops, for references.
pub(crate) fn winners_among<A, B: Ord>(
    events: &[Event],
    of_auction: fn(Auction) -> A,
    of_bid: fn(Bid) -> B,
) -> Vec<(usize, Lot<A>, Offer<B>)> {
    let mut bids = BTreeMap::<usize, Vec<&Bid>>::new();
    for event in events {
        if let Event::Bid(bid) = event {
            bids.entry(bid.auction).or_default().push(bid);
        }
    }
    let mut winners = Vec::new();
    for event in events {
        let Event::Auction(auction) = event else { continue };
        let bids = bids.get(&auction.id).into_iter().flatten().copied();
        let in_time = bids.filter(|bid| auction.date_time <= bid.date_time && bid.date_time <= auction.expires);
        if let Some((_, best)) = in_time.map(|bid| offer(bid.clone(), of_bid)).min() {
            let (id, lot) = lot(auction.clone(), of_auction);
            winners.push((id, lot, best));
        }
    }
    winners
}
