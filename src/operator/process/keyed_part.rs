//! Keeps the states and timers of a function over keyed records, and lets timers fire.

use millstream_actors::time::{TimeSignal, Timestamp};

use super::cells::{At, Cells, OfKey};
use super::clockwork::{Clockwork, Next, Timer};
use super::handles::KeyedState;
use super::key_context::KeyContext;
use super::names::Names;
use super::subtask_cells::SubtaskCells;
use crate::error::Result;
use crate::model::{Key, KeyHash};
use crate::operator::watch::Watch;
use crate::operator::{Emit, Event, PartVisitor, SubtaskContext};

/// Timers that fire in one go.
const FIRE_AT_ONCE: usize = 256;

/// What a function over keyed records has beside itself.
pub(super) struct KeyedPart<K: Key> {
    uid: String,
    pub(super) cells: Cells,
    pub(super) clockwork: Clockwork<K>,
    pub(super) watch: Watch,
    /// The broadcast state, if there is any.
    pub(super) shared: SubtaskCells,
}

impl<K: Key> KeyedPart<K> {
    /// Opens it together with the function, which `declare` makes.
    pub(super) fn open<P>(
        uid: &str,
        context: &mut SubtaskContext,
        declare: impl FnOnce(&mut Names, &mut SubtaskContext, &mut Cells, &mut SubtaskCells) -> Result<P>,
    ) -> Result<(Self, P)> {
        let (mut names, mut cells) = (Names::of(uid), Cells::default());
        let mut shared = SubtaskCells::open(uid, context);
        let function = declare(&mut names, context, &mut cells, &mut shared)?;
        shared.check(&names)?;
        let clockwork = Clockwork::open(uid, context)?;
        names.check(context.store(uid)?.unopened())?;
        let watch = Watch::new(&context.clock);
        Ok((Self { uid: uid.to_owned(), cells, clockwork, watch, shared }, function))
    }

    /// The context of a record or timer of `key`.
    #[inline]
    pub(super) fn of_key<'a>(&'a mut self, hash: KeyHash, key: &'a K, time: Timestamp) -> KeyContext<'a, K> {
        let Self { cells, clockwork, watch, shared, .. } = self;
        KeyContext { key, hash, time, cells, clockwork, watch, shared }
    }

    /// Shows what each key has of `state`, by the hashes of the keys.
    pub(super) fn for_each_key<S: KeyedState<K>>(
        &mut self,
        state: S,
        mut each: impl FnMut(&K, S::Of<'_>) -> Result<()>,
    ) -> Result<()> {
        for (hash, key) in state.keys(&mut self.cells)? {
            let at = At { hash, key: &key, watch: &self.watch };
            each(&key, state.of(OfKey { cells: &mut self.cells, at }))?;
        }
        Ok(())
    }

    /// Lets about `at_most` timers fire.
    fn fire<T, E: Emit<T>>(
        &mut self,
        at_most: usize,
        out: &mut E,
        mut on_timer: impl FnMut(Timer, &mut KeyContext<'_, K>, &mut E) -> Result<()>,
    ) -> Result<()> {
        for _ in 0..at_most.max(1) {
            match self.clockwork.next()? {
                Next::Fire(timer, hash, key) => on_timer(timer, &mut self.of_key(hash, &key, timer.time), out)?,
                Next::HandOn(signal) => return out.signal(signal),
                Next::Rest => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn on_signal<T, E: Emit<T>>(
        &mut self,
        signal: TimeSignal,
        out: &mut E,
        on_timer: impl FnMut(Timer, &mut KeyContext<'_, K>, &mut E) -> Result<()>,
    ) -> Result<()> {
        self.watch.look_ahead(0);
        match signal {
            TimeSignal::Watermark(watermark) => {
                self.clockwork.rise(watermark);
                self.fire(FIRE_AT_ONCE, out, on_timer)
            }
            TimeSignal::Idle | TimeSignal::Active => out.signal(signal),
        }
    }

    pub(super) fn on_event<T, E: Emit<T>>(
        &mut self,
        event: Event,
        out: &mut E,
        on_timer: impl FnMut(Timer, &mut KeyContext<'_, K>, &mut E) -> Result<()>,
    ) -> Result<()> {
        self.watch.look_ahead(0);
        match event {
            Event::ProcessingTime(now) => {
                self.clockwork.pass(now);
                self.fire(FIRE_AT_ONCE, out, on_timer)
            }
            Event::Resume { at_most } => self.fire(at_most, out, on_timer),
            _ => Ok(()),
        }
    }

    pub(super) fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.tables(&mut self.cells);
        self.clockwork.parts(&self.uid, visitor);
        self.shared.parts(visitor);
    }
}
