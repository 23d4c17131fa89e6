//! Sends records to the subtasks that own their keys: each for itself, its key only, or what is aggregated of them here.

use std::sync::{Arc, OnceLock};

use millstream_actors::channel::Outputs;
use millstream_actors::ids::SubtaskId;
use millstream_actors::time::TimeSignal;

use super::{BlockDeploy, PartitionRouter, Router};
use crate::error::Result;
use crate::model::{Data, Key, Keyed, Record};
use crate::operator::ByKeyGroup;
use crate::operator::aggregate::Aggregate;
use crate::operator::window::{KeyedPartial, LocalAggregate, WindowAssigner};

/// Makes the router of one subtask that aggregates, given its index.
type OpenAggregating<T> = Box<dyn Fn(&BlockDeploy, u32) -> Box<dyn Router<T>> + Send + Sync>;

/// What is made of the records of a keyed stream before they travel. What reads the stream decides, after the block that
/// sends them was closed.
pub(crate) struct BeforeExchange<T>(Arc<OnceLock<Before<T>>>);

/// See [`BeforeExchange`].
enum Before<T> {
    KeysOnly,
    Aggregate(OpenAggregating<T>),
}

impl<T> Clone for BeforeExchange<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Key, T: Data> BeforeExchange<Keyed<K, T>> {
    /// Each record travels for itself, until something else is said.
    pub(crate) fn nothing() -> Self {
        Self(Arc::default())
    }

    /// Values stay behind, and the reader gets `Keyed<K, ()>`: what is not read need not travel.
    pub(crate) fn keys_only(&self) {
        // There is one reader.
        let _ = self.0.set(Before::KeysOnly);
    }

    /// What `open` makes aggregates them.
    pub(crate) fn aggregate<A, G>(&self, open: impl Fn() -> LocalAggregate<K, T, A, G> + Send + Sync + 'static)
    where
        A: WindowAssigner<T>,
        G: Aggregate<T>,
    {
        let open = move |deploy: &BlockDeploy, index| {
            let partials = by_key(deploy, index);
            Box::new(AggregatingRouter { local: open(), partials }) as Box<dyn Router<Keyed<K, T>>>
        };
        // There is one reader.
        let _ = self.0.set(Before::Aggregate(Box::new(open)));
    }

    /// The router of one subtask.
    pub(crate) fn router(&self, deploy: &BlockDeploy, index: u32) -> KeyRouter<K, T> {
        match self.0.get() {
            Some(Before::KeysOnly) => KeyRouter::KeysOnly(by_key(deploy, index)),
            Some(Before::Aggregate(open)) => KeyRouter::Aggregating(open(deploy, index)),
            None => KeyRouter::EachRecord(by_key(deploy, index)),
        }
    }
}

/// Sends everything of a key along the one edge of its block to the subtask that owns the key.
fn by_key<K: Key, T: Data>(deploy: &BlockDeploy, index: u32) -> PartitionRouter<Keyed<K, T>, ByKeyGroup> {
    let sender = SubtaskId { block: deploy.block, index };
    let owners = ByKeyGroup::among(deploy.receivers[0].parallelism, deploy.max_parallelism);
    let owners = owners.seen_by(deploy.surroundings.witness.clone(), sender);
    PartitionRouter::new(0, owners, deploy.channels(0, index), deploy.batch_records)
}

/// Sends the records of a keyed stream.
pub(crate) enum KeyRouter<K: Key, T> {
    EachRecord(PartitionRouter<Keyed<K, T>, ByKeyGroup>),
    KeysOnly(PartitionRouter<Keyed<K, ()>, ByKeyGroup>),
    Aggregating(Box<dyn Router<Keyed<K, T>>>),
}

impl<K: Key, T: Data> Router<Keyed<K, T>> for KeyRouter<K, T> {
    fn room(&self, outputs: &mut Outputs) -> usize {
        match self {
            Self::EachRecord(router) => router.room(outputs),
            Self::KeysOnly(router) => router.room(outputs),
            Self::Aggregating(router) => router.room(outputs),
        }
    }

    #[inline(always)]
    fn route(&mut self, record: Record<Keyed<K, T>>, outputs: &mut Outputs) -> Result<()> {
        match self {
            Self::EachRecord(router) => router.route(record, outputs),
            Self::KeysOnly(router) => {
                let Record { value: Keyed { hash, key, value }, time } = record;
                drop(value);
                router.route(Record { value: Keyed { hash, key, value: () }, time }, outputs)
            }
            Self::Aggregating(router) => router.route(record, outputs),
        }
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        match self {
            Self::EachRecord(router) => router.flush(outputs),
            Self::KeysOnly(router) => router.flush(outputs),
            Self::Aggregating(router) => router.flush(outputs),
        }
    }

    fn flush_before(&mut self, signal: TimeSignal, outputs: &mut Outputs) -> Result<()> {
        match self {
            Self::EachRecord(router) => router.flush_before(signal, outputs),
            Self::KeysOnly(router) => router.flush_before(signal, outputs),
            Self::Aggregating(router) => router.flush_before(signal, outputs),
        }
    }
}

/// Sends partial aggregates instead of records.
struct AggregatingRouter<K: Key, T, A, G: Aggregate<T>> {
    local: LocalAggregate<K, T, A, G>,
    partials: PartitionRouter<KeyedPartial<K, G::Accumulator>, ByKeyGroup>,
}

impl<K: Key, T: Data, A: WindowAssigner<T>, G: Aggregate<T>> AggregatingRouter<K, T, A, G> {
    /// Routes all that is held.
    fn let_go(&mut self, outputs: &mut Outputs) -> Result<()> {
        self.local.take().try_for_each(|partial| self.partials.route(Record::new(partial), outputs))
    }
}

impl<K: Key, T: Data, A: WindowAssigner<T>, G: Aggregate<T>> Router<Keyed<K, T>> for AggregatingRouter<K, T, A, G> {
    fn room(&self, outputs: &mut Outputs) -> usize {
        self.partials.room(outputs)
    }

    fn route(&mut self, record: Record<Keyed<K, T>>, outputs: &mut Outputs) -> Result<()> {
        if let Some(partial) = self.local.add(record)? {
            self.partials.route(Record::new(partial), outputs)?;
        }
        if self.local.is_full() { self.let_go(outputs) } else { Ok(()) }
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        self.let_go(outputs)?;
        self.partials.flush(outputs)
    }

    fn flush_before(&mut self, signal: TimeSignal, outputs: &mut Outputs) -> Result<()> {
        let is_needed = match signal {
            TimeSignal::Watermark(at) => self.local.advance(at),
            // Nobody waits for a channel that is idle.
            TimeSignal::Idle => true,
            TimeSignal::Active => false,
        };
        if is_needed {
            self.let_go(outputs)?;
        }
        self.partials.flush(outputs)
    }
}
