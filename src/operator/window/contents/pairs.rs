//! Decides how the records of two streams in a window are paired: every left one with every right one, bit by bit if there
//! are many.

use std::collections::VecDeque;

use millstream_actors::time::Timestamp;

use super::sides::parted;
use super::{Finish, Finishes, Firing};
use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::window::Keying;
use crate::operator::{Either, Emit};

/// Emits what a closure makes of each pair, in the order of the left records, and for one of them in that of the right ones.
///
/// Pairs may be many more than records. So those that there is no room for are not made: their records are kept, outside of
/// the window, until [`hand_out`](Finishes::hand_out) finds room.
pub(crate) struct Pairs<L, R, F> {
    join: F,
    /// Firings with pairs that are still to be made, the oldest first.
    owed: VecDeque<Owed<L, R>>,
    /// Pairs that a firing may emit at once.
    room: usize,
    /// Pairs that firings have emitted at once.
    spent: usize,
}

/// The records of a firing, and how far their pairs have been made.
struct Owed<L, R> {
    left: Vec<L>,
    right: Vec<R>,
    next_left: usize,
    next_right: usize,
    time: Timestamp,
}

impl<L, R, F> Pairs<L, R, F> {
    pub(crate) fn new(join: F) -> Self {
        Self { join, owed: VecDeque::new(), room: 0, spent: 0 }
    }
}

impl<L, R, O, F> Finishes for Pairs<L, R, F>
where
    L: Data,
    R: Data,
    O: Data,
    F: FnMut(&L, &R) -> O + Send + 'static,
{
    type Out = O;

    const LEAVES_RESULTS: bool = true;

    fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    fn hand_out<E: Emit<O>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        *budget = budget.saturating_sub(std::mem::take(&mut self.spent));
        while let Some(owed) = self.owed.front_mut() {
            while let Some(left) = owed.left.get(owed.next_left) {
                if *budget == 0 {
                    self.room = 0;
                    return Ok(false);
                }
                let rights = owed.right.iter().skip(owed.next_right).take(*budget);
                let made = rights.len();
                for right in rights {
                    out.emit(Record::at((self.join)(left, right), owed.time))?;
                }
                *budget -= made;
                owed.next_right += made;
                if owed.next_right == owed.right.len() {
                    (owed.next_left, owed.next_right) = (owed.next_left + 1, 0);
                }
            }
            self.owed.pop_front();
        }
        self.room = *budget;
        Ok(true)
    }
}

impl<'a, Z, L, R, O, F> Finish<Z, &'a [Record<Either<L, R>>]> for Pairs<L, R, F>
where
    Z: Keying,
    L: Data + Clone,
    R: Data + Clone,
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
        if self.owed.is_empty() && pairs <= self.room {
            (self.room, self.spent) = (self.room - pairs, self.spent + pairs);
            for left in left {
                right.iter().try_for_each(|right| out.emit(firing.result((self.join)(left, right))))?;
            }
            return Ok(());
        }
        let (left, right) = (left.into_iter().cloned().collect(), right.into_iter().cloned().collect());
        self.owed.push_back(Owed { left, right, next_left: 0, next_right: 0, time: firing.window.max_timestamp() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_actors::ids::Attempt;

    use super::*;
    use crate::model::hash_key;
    use crate::operator::SubtaskContext;
    use crate::operator::window::present::Present;
    use crate::operator::window::{PerKey, TimeWindow};
    use crate::testing::ManualClock;

    const EACH: usize = 100;

    /// Fires a window with as many records of either side.
    fn fire<F>(pairs: &mut Pairs<usize, usize, F>, out: &mut Vec<Record<(usize, usize)>>)
    where
        F: FnMut(&usize, &usize) -> (usize, usize) + Send + 'static,
    {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(0)));
        let time =
            Present::open("pairs", &SubtaskContext::new(0, 1, Attempt(1), "run", clock)).expect("nothing is read");
        let window = TimeWindow::new(Timestamp::from_millis(0), Timestamp::from_millis(10));
        let firing = Firing { hash: hash_key(&0u8), key: &0u8, window, time: &time };
        let records = (0..EACH).flat_map(|number| [Either::Left(number), Either::Right(number)]);
        let records = records.map(Record::new).collect::<Vec<_>>();
        Finish::<PerKey<u8>, _>::finish(pairs, &firing, &records[..], out).expect("nothing fails");
    }

    #[test]
    fn no_more_pairs_are_made_than_there_is_room_for() {
        let (mut pairs, mut out) = (Pairs::new(|left: &usize, right: &usize| (*left, *right)), Vec::new());
        fire(&mut pairs, &mut out);
        fire(&mut pairs, &mut out);
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
        let (mut pairs, mut out) = (Pairs::new(|left: &usize, right: &usize| (*left, *right)), Vec::new());
        let mut budget = EACH * EACH + 7;
        assert!(pairs.hand_out(&mut budget, &mut out).expect("nothing fails"));
        fire(&mut pairs, &mut out);
        assert_eq!((out.len(), pairs.owes()), (EACH * EACH, false));
        assert!(pairs.hand_out(&mut budget, &mut out).expect("nothing fails"));
        assert_eq!(budget, 7);
        fire(&mut pairs, &mut out);
        assert_eq!((out.len(), pairs.owes()), (EACH * EACH, true));
    }
}
