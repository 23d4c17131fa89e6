//! Decides when the changelog of one table may forget: the bookkeeping of logged row versions, one entry per checkpoint.
//!
//! A restore loads the newest version of each row from the blocks up to a checkpoint, and rows in blocks win over the
//! base. So blocks leave in order, oldest first, and only when each of their versions is in the base or has a successor
//! in a checkpoint that every restore includes.

use std::collections::VecDeque;

use millstream_actors::ids::CheckpointId;

/// The number of a generation within one opened table: the rows changed between two barriers.
pub(crate) type Generation = u32;

/// The generation of rows that the changelog does not hold.
pub(crate) const CLEAN: Generation = 0;

/// What is known of the versions that one checkpoint logged.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) generation: Generation,
    pub(crate) checkpoint: CheckpointId,
    /// The rows that were frozen at its barrier; those that changed since are listed still.
    pub(crate) rows: Vec<u32>,
    /// Versions in its blocks.
    pub(crate) versions: usize,
    /// Versions that are the newest of their row and not folded.
    pub(crate) live: usize,
    /// The latest generation that has a newer version of one of its rows.
    superseded_by: Generation,
}

/// The logged generations of one table, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    logged: VecDeque<Logged>,
    /// Generations up to here belong to checkpoints at or before the oldest retained one.
    horizon: Generation,
}

impl Generations {
    /// Adds the generation that a barrier has closed.
    pub(crate) fn push(&mut self, generation: Generation, checkpoint: CheckpointId) {
        self.logged.push_back(Logged {
            generation,
            checkpoint,
            rows: Vec::new(),
            versions: 0,
            live: 0,
            superseded_by: CLEAN,
        });
    }

    /// Adds a generation found on disk; each one is older than the one before.
    pub(crate) fn push_restored(&mut self, generation: Generation, checkpoint: CheckpointId, newest: Generation) {
        self.push(generation, checkpoint);
        if let Some(mut logged) = self.logged.pop_back() {
            logged.superseded_by = newest;
            self.logged.push_front(logged);
        }
    }

    /// The entry of `generation`, if it has not been dropped.
    #[inline]
    pub(crate) fn get_mut(&mut self, generation: Generation) -> Option<&mut Logged> {
        let first = self.logged.front()?.generation;
        self.logged.get_mut(generation.checked_sub(first)? as usize)
    }

    /// Hears that a version was logged.
    #[inline]
    pub(crate) fn version_logged(&mut self, generation: Generation) {
        if let Some(logged) = self.get_mut(generation) {
            logged.versions += 1;
            logged.live += 1;
        }
    }

    /// Hears that a row whose newest version is in `generation` changes in generation `by`.
    #[inline]
    pub(crate) fn superseded(&mut self, generation: Generation, by: Generation) {
        if let Some(logged) = self.get_mut(generation) {
            logged.live -= 1;
            logged.superseded_by = by;
        }
    }

    /// Hears that a row whose newest version is in `generation` is in the base now.
    pub(crate) fn folded(&mut self, generation: Generation) {
        if let Some(logged) = self.get_mut(generation) {
            logged.live -= 1;
        }
    }

    /// Hears that no checkpoint before `oldest` will be restored.
    pub(crate) fn retained(&mut self, oldest: CheckpointId) {
        let reached = self.logged.iter().rev().find(|logged| logged.checkpoint <= oldest);
        self.horizon = self.horizon.max(reached.map_or(CLEAN, |logged| logged.generation));
    }

    /// The oldest and the newest generation up to `last` that have versions to fold.
    pub(crate) fn foldable(&self, last: Generation) -> Option<(Generation, Generation)> {
        let last = last.min(self.horizon);
        let live = |logged: &&Logged| logged.live > 0 && logged.generation <= last;
        Some((self.logged.iter().find(live)?.generation, self.logged.iter().rev().find(live)?.generation))
    }

    /// The oldest generation that has live versions.
    pub(crate) fn oldest_live(&self) -> Option<Generation> {
        self.logged.iter().find(|logged| logged.live > 0).map(|logged| logged.generation)
    }

    /// Rows that could be folded now.
    pub(crate) fn foldable_rows(&self) -> usize {
        self.logged.iter().take_while(|logged| logged.generation <= self.horizon).map(|logged| logged.live).sum()
    }

    /// Versions in the generations that live ones keep from leaving, and the live ones among them.
    pub(crate) fn versions_and_live(&self) -> (usize, usize) {
        let kept = self.logged.iter().skip_while(|logged| logged.live == 0);
        kept.fold((0, 0), |(versions, live), logged| (versions + logged.versions, live + logged.live))
    }

    /// The checkpoint up to which blocks may be dropped, if there are any to drop.
    pub(crate) fn droppable(&self) -> Option<CheckpointId> {
        let prefix = self.logged.iter().take_while(|logged| self.may_go(logged));
        prefix.filter(|logged| logged.versions > 0).last().map(|logged| logged.checkpoint)
    }

    /// Hears that the blocks up to `through` are gone, and forgets what has no blocks.
    pub(crate) fn dropped(&mut self, through: CheckpointId) {
        while let Some(logged) = self.logged.front() {
            let gone = logged.versions == 0 || logged.checkpoint <= through;
            if !(gone && self.may_go(logged)) {
                break;
            }
            self.logged.pop_front();
        }
    }

    fn may_go(&self, logged: &Logged) -> bool {
        logged.generation <= self.horizon && logged.live == 0 && logged.superseded_by <= self.horizon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Generations {
        let mut generations = Generations::default();
        for n in 1..=3 {
            generations.push(n, CheckpointId(u64::from(n) * 10));
            generations.version_logged(n);
        }
        generations
    }

    #[test]
    fn superseded_versions_wait_for_the_checkpoint_of_their_successor() {
        let mut generations = three();
        generations.superseded(1, 3);
        generations.retained(CheckpointId(20));
        assert_eq!(generations.droppable(), None);
        generations.retained(CheckpointId(30));
        assert_eq!(generations.droppable(), Some(CheckpointId(10)));
    }

    #[test]
    fn younger_blocks_never_leave_before_older_ones() {
        let mut generations = three();
        generations.retained(CheckpointId(30));
        generations.folded(2);
        assert_eq!(generations.droppable(), None);
        generations.folded(1);
        assert_eq!(generations.droppable(), Some(CheckpointId(20)));
        generations.dropped(CheckpointId(20));
        assert_eq!(generations.oldest_live(), Some(3));
    }

    #[test]
    fn nothing_beyond_the_horizon_is_folded() {
        let mut generations = three();
        assert_eq!(generations.foldable(3), None);
        generations.retained(CheckpointId(25));
        assert_eq!((generations.foldable(3), generations.foldable_rows()), (Some((1, 2)), 2));
        assert_eq!(generations.foldable(1), Some((1, 1)));
    }
}
