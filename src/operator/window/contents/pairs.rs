//! Decides how the records of two streams in a window are paired: every left one with every right one, bit by bit if there
//! are many.

use millstream_actors::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sides::parted;
use super::{Finish, Finishes, Firing};
use crate::error::{Error, Result};
use crate::model::{Data, Key, KeyHash, Record};
use crate::operator::window::Keying;
use crate::operator::{Either, Emit, PartVisitor, SubtaskContext};
use crate::state::WindowTable;

/// Emits what a closure makes of each pair, in the order of the left records, and for one of them in that of the right ones.
///
/// Pairs may be many more than records. So those that there is no room for are not made: their records are kept, outside of
/// the window, until [`hand_out`](Finishes::hand_out) finds room.
///
/// # State
/// A row per firing whose pairs have not all been made.
pub(crate) struct Pairs<K: Key, L, R, F> {
    uid: String,
    join: F,
    /// Firings with pairs that are still to be made, by their number: the oldest first.
    pending: Option<WindowTable<i64, K, Pending<L, R>>>,
    has_pending: bool,
    next_number: i64,
    /// Pairs that a firing may emit at once.
    room: usize,
    /// Pairs that firings have emitted at once.
    spent: usize,
}

/// The records of a firing, and how far their pairs have been made.
#[derive(Serialize, Deserialize)]
struct Pending<L, R> {
    left: Vec<L>,
    right: Vec<R>,
    next_left: usize,
    next_right: usize,
    time: Timestamp,
}

/// A firing that was taken out of the table, with its place there.
struct Taken<K, L, R> {
    number: i64,
    hash: KeyHash,
    key: K,
    firing: Pending<L, R>,
}

impl<L, R> Pending<L, R> {
    /// Makes the next pairs, at most `budget` of them, which is lowered. Whether they were the last.
    fn make<O>(
        &mut self,
        budget: &mut usize,
        join: &mut impl FnMut(&L, &R) -> O,
        mut emit: impl FnMut(O) -> Result<()>,
    ) -> Result<bool> {
        while let Some(left) = self.left.get(self.next_left) {
            if *budget == 0 {
                return Ok(false);
            }
            let rights = self.right.iter().skip(self.next_right).take(*budget);
            let made = rights.len();
            for right in rights {
                emit(join(left, right))?;
            }
            *budget -= made;
            self.next_right += made;
            if self.next_right == self.right.len() {
                (self.next_left, self.next_right) = (self.next_left + 1, 0);
            }
        }
        Ok(true)
    }
}

impl<K: Key, L, R, F> Pairs<K, L, R, F> {
    pub(crate) fn new(join: F) -> Self {
        Self { uid: String::new(), join, pending: None, has_pending: false, next_number: 0, room: 0, spent: 0 }
    }
}

impl<K, L, R, F> Pairs<K, L, R, F>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    R: Data + Serialize + DeserializeOwned,
{
    fn pending(&mut self) -> Result<&mut WindowTable<i64, K, Pending<L, R>>> {
        self.pending.as_mut().ok_or_else(|| Error::other(format!("'{}' fires before it is open", self.uid)))
    }

    /// Takes out the oldest firing.
    fn take_oldest(&mut self) -> Result<Option<Taken<K, L, R>>> {
        while let Some(number) = self.pending()?.first()? {
            let mut oldest = None;
            self.pending()?.take(number, 1, |hash, key, firing| {
                oldest = Some(Taken { number, hash, key: key.clone(), firing });
                Ok::<_, Error>(())
            })?;
            if oldest.is_some() {
                return Ok(oldest);
            }
        }
        Ok(None)
    }
}

impl<K, L, R, O, F> Finishes for Pairs<K, L, R, F>
where
    K: Key,
    L: Data + Serialize + DeserializeOwned,
    R: Data + Serialize + DeserializeOwned,
    O: Data,
    F: FnMut(&L, &R) -> O + Send + 'static,
{
    type Out = O;

    const LEAVES_RESULTS: bool = true;

    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        uid.clone_into(&mut self.uid);
        let mut pending = WindowTable::open(context.store(uid)?, &format!("{uid}/pending pairs"))?;
        let last = pending.namespaces()?.last().copied();
        (self.has_pending, self.next_number) = (last.is_some(), last.map_or(0, |last| last + 1));
        self.pending = Some(pending);
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        if let Some(pending) = &mut self.pending {
            visitor.tables(pending);
        }
    }

    fn owes(&self) -> bool {
        self.has_pending
    }

    fn hand_out<E: Emit<O>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        *budget = budget.saturating_sub(std::mem::take(&mut self.spent));
        while self.has_pending {
            let Some(Taken { number, hash, key, mut firing }) = self.take_oldest()? else {
                self.has_pending = false;
                break;
            };
            let time = firing.time;
            if !firing.make(budget, &mut self.join, |pair| out.emit(Record::at(pair, time)))? {
                self.pending()?.get_or_insert_with(number, hash, &key, || firing)?;
                self.room = 0;
                return Ok(false);
            }
        }
        self.room = *budget;
        Ok(true)
    }
}

impl<'a, Z, L, R, O, F> Finish<Z, &'a [Record<Either<L, R>>]> for Pairs<Z::Key, L, R, F>
where
    Z: Keying,
    L: Data + Clone + Serialize + DeserializeOwned,
    R: Data + Clone + Serialize + DeserializeOwned,
    O: Data,
    F: FnMut(&L, &R) -> O + Send + 'static,
{
    fn finish<E: Emit<O>>(
        &mut self,
        firing: &Firing<'_, Z::Key>,
        records: &'a [Record<Either<L, R>>],
        out: &mut E,
    ) -> Result<()> {
        let (left, right) = parted(records);
        let pairs = left.len().saturating_mul(right.len());
        if pairs == 0 {
            return Ok(());
        }
        if !self.has_pending && pairs <= self.room {
            (self.room, self.spent) = (self.room - pairs, self.spent + pairs);
            for left in left {
                right.iter().try_for_each(|right| out.emit(firing.result((self.join)(left, right))))?;
            }
            return Ok(());
        }
        let (left, right) = (left.into_iter().cloned().collect(), right.into_iter().cloned().collect());
        let pending = Pending { left, right, next_left: 0, next_right: 0, time: firing.window.max_timestamp() };
        let number = self.next_number;
        self.pending()?.get_or_insert_with(number, firing.hash, firing.key, || pending)?;
        (self.has_pending, self.next_number) = (true, number + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_actors::ids::Attempt;

    use super::*;
    use crate::model::{MaxParallelism, hash_key};
    use crate::operator::window::present::Present;
    use crate::operator::window::{PerKey, TimeWindow};
    use crate::state::{CrashDisks, StateDir, StateOptions};
    use crate::testing::ManualClock;

    const EACH: usize = 100;

    type Out = Vec<Record<(usize, usize)>>;
    type Join = fn(&usize, &usize) -> (usize, usize);

    fn opened() -> (Pairs<u8, usize, usize, Join>, SubtaskContext) {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(0)));
        let mut context = SubtaskContext::new(0, 1, Attempt(1), "run", clock);
        let options = StateOptions { backend: Some(CrashDisks::default().factory()), ..StateOptions::default() };
        let state = StateDir::open("memory".as_ref(), options).expect("memory can be opened");
        let max = MaxParallelism::default_for(1);
        let store = state.store("pairs", Attempt(1), None, max.range_of(0, 1), max);
        context.store = Some(store.expect("memory has room"));
        let mut pairs = Pairs::new((|left: &usize, right: &usize| (*left, *right)) as Join);
        pairs.open("pairs", &mut context).expect("nothing is read");
        (pairs, context)
    }

    /// Fires a window with as many records of either side.
    fn fire((pairs, context): &mut (Pairs<u8, usize, usize, Join>, SubtaskContext), out: &mut Out) {
        let time = Present::open("pairs", context).expect("nothing is read");
        let window = TimeWindow::new(Timestamp::from_millis(0), Timestamp::from_millis(10));
        let firing = Firing { hash: hash_key(&0u8), key: &0u8, window, time: &time };
        let records = (0..EACH).flat_map(|number| [Either::Left(number), Either::Right(number)]);
        let records = records.map(Record::new).collect::<Vec<_>>();
        Finish::<PerKey<u8>, _>::finish(pairs, &firing, &records[..], out).expect("nothing fails");
    }

    #[test]
    fn no_more_pairs_are_made_than_there_is_room_for() {
        let (mut opened, mut out) = (opened(), Vec::new());
        fire(&mut opened, &mut out);
        fire(&mut opened, &mut out);
        let pairs = &mut opened.0;
        assert!(out.is_empty() && pairs.owes(), "there was no room for any");
        let mut calls = 0;
        while pairs.owes() {
            let before = out.len();
            pairs.hand_out(&mut 33, &mut out).expect("nothing fails");
            assert!(out.len() - before <= 33, "{} pairs came at once", out.len() - before);
            calls += 1;
        }
        assert_eq!(calls, (2 * EACH * EACH).div_ceil(33));
        let expected = (0..EACH).flat_map(|left| (0..EACH).map(move |right| (left, right)));
        let found = out.iter().map(|record| record.value).collect::<Vec<_>>();
        assert!(found.chunks(EACH * EACH).all(|of_one| of_one.iter().copied().eq(expected.clone())), "{found:?}");
    }

    #[test]
    fn pairs_that_there_is_room_for_are_made_at_once_and_count() {
        let (mut opened, mut out) = (opened(), Vec::new());
        let mut budget = EACH * EACH + 7;
        assert!(opened.0.hand_out(&mut budget, &mut out).expect("nothing fails"));
        fire(&mut opened, &mut out);
        assert_eq!((out.len(), opened.0.owes()), (EACH * EACH, false));
        assert!(opened.0.hand_out(&mut budget, &mut out).expect("nothing fails"));
        assert_eq!(budget, 7);
        fire(&mut opened, &mut out);
        assert_eq!((out.len(), opened.0.owes()), (EACH * EACH, true));
    }
}
