//! Drives one operator as a subtask would: batches, signals, time, snapshots, restores; one call after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::mode::{Between, Choices};
use super::outlet::Outlet;
use super::sides::SideProbe;
use crate::error::{Error, Result};
use crate::metrics::{Counts, SubtaskMetrics};
use crate::model::{self, Data, MaxParallelism};
use crate::operator::parts::{self, Declared, TablesOf};
use crate::operator::{BoxedChain, Chain, Emission, Event, HeadStatus, Restored, SubtaskContext};
use crate::state::{CrashDisks, StateDir, StateOptions, Store};
use crate::testing::ManualClock;
use millstream_actors::ids::{Attempt, CheckpointId};
use millstream_actors::packet::Rows;
use millstream_actors::time::{Clock, Moment, TimeSignal, Timestamp};

/// Calls that may lead to nothing before an operator is said to make no progress.
const PATIENCE: usize = 10_000;

/// What makes the operator of a case, as the only one of its chain. Its type is forgotten, so that whatever is tested, what
/// tests it is compiled once per type of results.
pub(super) type Open<T> = dyn Fn(&mut SubtaskContext) -> Result<BoxedChain<T>>;

/// One operator, and all that surrounds it.
pub(super) struct Rig<'a, T> {
    open: &'a Open<T>,
    chain: Option<BoxedChain<T>>,
    /// The state directory, if the operator has keyed state.
    state: Option<StateDir>,
    store: Option<Store>,
    metrics: SubtaskMetrics,
    clock: Arc<ManualClock>,
    attempt: Attempt,
    checkpoint: CheckpointId,
    declared: Declared,
    woken: Arc<AtomicBool>,
    choices: Choices,
    /// Whether a batch has not been taken to its end.
    in_hand: bool,
    has_ended: bool,
    pub(super) sides: Vec<Box<dyn SideProbe>>,
    pub(super) out: Outlet<T>,
}

impl<'a, T: Data> Rig<'a, T> {
    pub(super) fn new(
        open: &'a Open<T>,
        is_keyed: bool,
        choices: Choices,
        sides: Vec<Box<dyn SideProbe>>,
        out: Outlet<T>,
    ) -> Result<Self> {
        // Without memory of its own, a store evicts all that it can when it is asked.
        let options =
            StateOptions { memory_bytes: 0, backend: Some(CrashDisks::default().factory()), ..StateOptions::default() };
        let state = if is_keyed { Some(StateDir::open("memory".as_ref(), options)?) } else { None };
        let mut rig = Self {
            open,
            chain: None,
            state,
            store: None,
            metrics: SubtaskMetrics::default(),
            clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(0))),
            attempt: Attempt(0),
            checkpoint: CheckpointId(0),
            declared: Declared::default(),
            woken: Arc::default(),
            choices,
            in_hand: false,
            has_ended: false,
            sides,
            out,
        };
        rig.begin(None, &Counts::default())?;
        Ok(rig)
    }

    /// Opens a new operator.
    fn begin(&mut self, restored: Option<Restored>, counted: &Counts) -> Result<()> {
        (self.chain, self.store) = (None, None);
        self.attempt = self.attempt.next();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let mut context = SubtaskContext::new(0, 1, self.attempt, "case", clock);
        context.metrics.restore(counted);
        self.metrics = context.metrics.clone();
        let woken = Arc::clone(&self.woken);
        context.wake.calls(move || woken.store(true, Ordering::SeqCst));
        if let Some(state) = &self.state {
            let max = MaxParallelism::default_for(1);
            let checkpoint = restored.as_ref().map(|restored| restored.checkpoint);
            context.store = Some(state.store("operator-0", self.attempt, checkpoint, max.range_of(0, 1), max)?);
        }
        context.restored = restored;
        self.sides.iter_mut().for_each(|side| side.listen(&mut context));
        let mut chain = (self.open)(&mut context)?;
        self.store = context.store.take();
        self.declared = Declared::of(&mut chain);
        self.declared.check(self.store.iter().flat_map(Store::opened))?;
        self.chain = Some(chain);
        Ok(())
    }

    pub(super) fn counted(&self) -> Counts {
        self.metrics.durable()
    }

    /// Records that come next in one batch, at most.
    pub(super) fn batch_records(&mut self) -> usize {
        self.choices.batch()
    }

    fn chain(&mut self) -> (&mut BoxedChain<T>, &mut Outlet<T>) {
        (self.chain.as_mut().expect("an operator is open from the beginning"), &mut self.out)
    }

    /// Hands over a batch.
    pub(super) fn batch(&mut self, rows: Rows) -> Result<()> {
        self.chain().0.load(rows, 0);
        for _ in 0..PATIENCE {
            let mut room = self.choices.room();
            if self.declared.may_be_full {
                room = room.min(parts::room_in(self.chain().0));
            }
            if room == 0 {
                self.event(Event::Woken)?;
                continue;
            }
            let (chain, out) = self.chain();
            let head = chain.run(room, out)?.head;
            self.in_hand = head != HeadStatus::BatchDone;
            if self.declared.emits_after_records {
                self.finish()?;
            }
            if !self.in_hand {
                return Ok(());
            }
        }
        Err(Error::other("the operator has no room for records, and makes none"))
    }

    /// Says something about event time.
    pub(super) fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        let (chain, out) = self.chain();
        chain.on_signal(signal, out)?;
        self.finish()
    }

    /// Lets the clock show `time`.
    pub(super) fn processing_time(&mut self, time: Timestamp) -> Result<()> {
        let distance = time.as_millis() - self.clock.processing_time().as_millis();
        let distance = u64::try_from(distance).map_err(|_| Error::other("the clock of the case goes back"))?;
        self.clock.advance(Duration::from_millis(distance));
        self.pass_time()
    }

    /// Ends event time and the input.
    pub(super) fn end(&mut self) -> Result<()> {
        self.signal(TimeSignal::Watermark(Timestamp::MAX))?;
        self.event(Event::End)?;
        self.has_ended = true;
        self.out.end()
    }

    /// Tells the operator of processing time for as long as it waits for what has come, and of what has woken it.
    pub(super) fn pass_time(&mut self) -> Result<()> {
        if self.has_ended {
            return Ok(());
        }
        if self.woken.swap(false, Ordering::SeqCst) {
            self.event(Event::Woken)?;
        }
        if !self.declared.waits_for_processing_time {
            return Ok(());
        }
        let now = self.clock.processing_time();
        for _ in 0..PATIENCE {
            let due = parts::due_of(self.chain().0)?;
            if due.is_none_or(|due| due > now) {
                return Ok(());
            }
            self.event(Event::ProcessingTime(now))?;
        }
        Err(Error::other(format!("the operator waits for processing time, and does nothing with {now}")))
    }

    fn event(&mut self, event: Event) -> Result<()> {
        let (chain, out) = self.chain();
        chain.on_event(event, out)?;
        self.finish()
    }

    /// Lets the operator emit all that it has left for later.
    fn finish(&mut self) -> Result<()> {
        let (mut fruitless, mut emitted) = (0, self.out.found.len());
        while fruitless < PATIENCE {
            let emission = parts::emission_of(self.chain().0);
            // Each operator emits something before another one takes its place: what it has to find anew may take long.
            let has_emitted = self.out.found.len() > std::mem::replace(&mut emitted, self.out.found.len());
            if emission == Emission::Interruptible && !self.in_hand && has_emitted {
                let between = self.choices.within();
                self.interrupt(between)?;
            }
            let (at_most, before) = (self.choices.room(), self.out.found.len());
            let (chain, out) = self.chain();
            match emission {
                Emission::Complete => return Ok(()),
                Emission::Interruptible | Emission::Unfinished => chain.on_event(Event::Resume { at_most }, out)?,
                Emission::Waiting => chain.on_event(Event::Woken, out)?,
            }
            fruitless = if self.out.found.len() > before { 0 } else { fruitless + 1 };
        }
        Err(Error::other("the operator is unfinished, and makes no progress"))
    }

    /// Does what the mode does between two elements.
    pub(super) fn between(&mut self) -> Result<()> {
        let between = self.choices.between();
        self.interrupt(between)
    }

    fn interrupt(&mut self, between: Between) -> Result<()> {
        self.sides.iter_mut().for_each(|side| side.drain());
        if between == Between::Nothing {
            return Ok(());
        }
        let (restored, counted) = (self.snapshot()?, self.counted());
        if matches!(between, Between::Evict | Between::EvictAndRestore) {
            self.evict()?;
        }
        // A subtask that has drained does nothing any more.
        if matches!(between, Between::Restore | Between::EvictAndRestore) && !self.has_ended {
            self.begin(Some(restored), &counted)?;
        }
        Ok(())
    }

    /// Takes a snapshot, all of it, durably, and completes its checkpoint.
    fn snapshot(&mut self) -> Result<Restored> {
        self.checkpoint = CheckpointId(self.checkpoint.0 + 1);
        let checkpoint = self.checkpoint;
        let chain = self.chain.as_mut().expect("an operator is open from the beginning");
        parts::flush(chain)?;
        while !parts::get_ready(chain, 1)? {}
        let seals = parts::prepare(chain, checkpoint)?;
        let state = parts::small_states_of(chain)?;
        if let Some(store) = &mut self.store {
            store.barrier(checkpoint, &mut TablesOf(chain))?;
            let write = loop {
                if let Some(write) = store.encode(1, &mut TablesOf(chain))? {
                    break write;
                }
            };
            store.persisted(write())?;
        }
        seals.into_iter().try_for_each(|seal| seal())?;
        parts::completed(chain, checkpoint)?.into_iter().try_for_each(|commit| commit())?;
        if let Some(store) = &mut self.store {
            store.completed(checkpoint, checkpoint, &mut TablesOf(chain))?;
        }
        let in_words = |source| Error::codec("the operator", source);
        let state = model::decode(&model::encode(&state).map_err(in_words)?).map_err(in_words)?;
        Ok(Restored { checkpoint, state })
    }

    /// Folds all rows of keyed state, and lets memory have none of them.
    fn evict(&mut self) -> Result<()> {
        let chain = self.chain.as_mut().expect("an operator is open from the beginning");
        let Some(store) = &mut self.store else { return Ok(()) };
        while let Some(fold) = store.background(true, Moment::ZERO, &mut TablesOf(chain))? {
            store.folded(fold(), Moment::ZERO, &mut TablesOf(chain))?;
        }
        // The first look at a row that was used lately only notes that it has been seen.
        for _ in 0..3 {
            store.pressure(&mut TablesOf(chain))?;
        }
        Ok(())
    }
}
