//! The ways in which windows are kept, one per file, and the operator around them.

mod active;
mod aligned;
mod asked;
mod asking;
mod late;
mod merged;
mod operator;
mod rule;
mod shared;
mod shown;

pub(crate) use late::LateTo;
pub(crate) use operator::{WindowOperator, WindowSettings};

use aligned::Aligned;
use asked::Asked;
use late::Late;
use merged::Merged;
use millstream_actors::time::Timestamp;
use millstream_actors::time_view::NextFiring;
use rule::Fires;
pub(crate) use rule::Rule;
use shared::Shared;
use shown::Shown;

use super::contents::Contents;
use super::local::KeyedPartial;
use super::present::Present;
use super::{Keying, TimeDomain, TimeWindow};
use crate::error::{Error, Result};
use crate::model::{Data, KeyHash, Record};
use crate::operator::{Emit, PartVisitor};

/// Keeps the windows of one operator.
trait Keeper<Z: Keying, T>: Send + 'static {
    /// What comes out.
    type Out: Data;
    /// What is kept of one key in one window.
    type Held;

    /// Takes a record of `key`.
    fn add<E: Emit<Self::Out>>(
        &mut self,
        hash: KeyHash,
        key: &Z::Key,
        record: Record<T>,
        time: &Present,
        out: &mut E,
    ) -> Result<()>;

    /// Takes what was aggregated of records of `key` before they came here.
    fn add_partial<E: Emit<Self::Out>>(
        &mut self,
        partial: KeyedPartial<Z::Key, Self::Held>,
        time: &Present,
        out: &mut E,
    ) -> Result<()> {
        let _ = (partial, out);
        Err(Error::other(format!("'{}' takes its records one by one", time.uid())))
    }

    /// Hears of the keys that come next.
    fn look_ahead(&mut self, hashes: impl Iterator<Item = KeyHash> + Clone);

    /// How far the time of `domain` must have come for something to be done.
    fn next_due(&mut self, domain: TimeDomain) -> Result<Option<Timestamp>>;

    /// Does what is due now that the time of `domain` has come to `until`; about as much as `budget` allows, which is
    /// lowered. Whether all is done.
    fn advance<E: Emit<Self::Out>>(
        &mut self,
        domain: TimeDomain,
        until: Timestamp,
        budget: &mut usize,
        time: &Present,
        out: &mut E,
    ) -> Result<bool>;

    /// Until when windows of event time have fired with all their keys; `None` if windows need not know it.
    fn fired(&self) -> Option<Timestamp>;

    /// As [`Contents::owes`].
    fn owes(&self) -> bool;

    /// As [`Contents::hand_out`].
    fn hand_out<E: Emit<Self::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool>;

    /// How many keys, once per window, wait for a firing by the clock, in windows of processing time. Asked when the input
    /// has ended.
    fn unfired(&mut self) -> Result<u64>;

    /// The window that fires next, and what it waits for; of windows that grow, the earliest that one may be.
    fn next_window(&mut self) -> Result<Option<(TimeWindow, NextFiring)>>;

    /// Lists its parts.
    fn parts(&mut self, visitor: &mut dyn PartVisitor);
}

/// What an operator of windows is made of.
struct Parts<A, R, C, T> {
    assigner: A,
    trigger: R,
    contents: C,
    rule: Rule,
    late: Late<T>,
}

/// Does all that is due now that the clock shows `now`.
#[cold]
fn end_at_once<Z: Keying, T, K: Keeper<Z, T>, E: Emit<K::Out>>(
    keeper: &mut K,
    now: Timestamp,
    time: &Present,
    out: &mut E,
) -> Result<()> {
    keeper.advance(TimeDomain::Processing, now, &mut usize::MAX.clone(), time, out).map(drop)
}

/// Lets contents forget the windows that are over. Whether they have.
fn forget_windows<Z: Keying, T, C: Contents<Z, T>>(
    contents: &mut C,
    over: impl Fn(TimeWindow) -> bool,
    budget: &mut usize,
) -> Result<bool> {
    while let Some(window) = contents.first_remembered()?.filter(|window| over(*window)) {
        if !contents.forget(window, *budget)? {
            *budget = 0;
            return Ok(false);
        }
    }
    Ok(true)
}
