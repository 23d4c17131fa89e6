//! Decides which receiver a record goes to, one strategy per kind of exchange.

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_actors::ids::SubtaskId;

use crate::error::{Error, Result};
use crate::io::Witness;
use crate::model::{Key, Keyed, MaxParallelism};

/// Chooses among the channels of one edge.
pub trait Partition<T>: Send + 'static {
    /// The channel, below `channels`, that `value` goes to.
    ///
    /// # Errors
    /// If a user's function names a channel that there is not.
    fn channel(&mut self, value: &T, channels: usize) -> Result<usize>;
}

/// Everything to the first channel: the edge joins equal subtasks, or goes to one receiver.
#[derive(Debug, Clone, Copy)]
pub struct First;

impl<T> Partition<T> for First {
    #[inline(always)]
    fn channel(&mut self, _value: &T, _channels: usize) -> Result<usize> {
        Ok(0)
    }
}

/// To each channel in turn.
#[derive(Debug, Clone, Copy)]
pub struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// Begins at channel `start` modulo the number of channels, so that senders do not all begin with the same receiver.
    #[must_use]
    pub fn starting_at(start: usize) -> Self {
        Self { next: start }
    }
}

impl<T> Partition<T> for RoundRobin {
    #[inline(always)]
    fn channel(&mut self, _value: &T, channels: usize) -> Result<usize> {
        let channel = if self.next < channels { self.next } else { self.next % channels };
        self.next = channel + 1;
        Ok(channel)
    }
}

/// To the one channel of an edge that joins equals, else to each in turn.
#[derive(Debug, Clone, Copy)]
pub enum Local {
    /// The edge joins equals.
    Equals(First),
    /// The edge joins blocks of different parallelism.
    InTurn(RoundRobin),
}

impl<T> Partition<T> for Local {
    #[inline(always)]
    fn channel(&mut self, value: &T, channels: usize) -> Result<usize> {
        match self {
            Self::Equals(first) => first.channel(value, channels),
            Self::InTurn(turn) => turn.channel(value, channels),
        }
    }
}

/// To a channel at random, from a seed.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }
}

impl<T> Partition<T> for Random {
    #[inline(always)]
    fn channel(&mut self, _value: &T, channels: usize) -> Result<usize> {
        // Xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let random = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        Ok(((random * channels as u64) >> 32) as usize)
    }
}

/// To the channel that a user's function names.
pub struct Custom<T, F> {
    choose: F,
    takes: PhantomData<fn(T)>,
}

impl<T, F> Custom<T, F> {
    pub(crate) fn new(choose: F) -> Self {
        Self { choose, takes: PhantomData }
    }
}

impl<T: 'static, F: FnMut(&T, usize) -> usize + Send + 'static> Partition<T> for Custom<T, F> {
    #[inline(always)]
    fn channel(&mut self, value: &T, channels: usize) -> Result<usize> {
        let channel = (self.choose)(value, channels);
        if channel < channels {
            Ok(channel)
        } else {
            Err(Error::other(format!("partition_by chose subtask {channel}, but there are only {channels}")))
        }
    }
}

/// To the subtask that owns the key group of the record's key.
#[derive(Clone)]
pub struct ByKeyGroup {
    groups: u32,
    /// `groups - 1` if that is a mask, else 0.
    mask: u32,
    owners: Vec<u16>,
    /// Who sees, in a test, where records go.
    witness: Option<(Arc<dyn Witness>, SubtaskId)>,
}

impl ByKeyGroup {
    /// The ownership of key groups among `parallelism` subtasks.
    #[must_use]
    pub fn among(parallelism: u32, max: MaxParallelism) -> Self {
        let groups = max.groups();
        let owner = |group| max.subtask_of(crate::model::KeyGroup(group as u16), parallelism) as u16;
        let mask = if groups.is_power_of_two() { groups - 1 } else { 0 };
        Self { groups, mask, owners: (0..groups).map(owner).collect(), witness: None }
    }

    /// Lets `witness` see where the records of `sender` go.
    pub(crate) fn seen_by(mut self, witness: Option<Arc<dyn Witness>>, sender: SubtaskId) -> Self {
        self.witness = witness.map(|witness| (witness, sender));
        self
    }
}

impl<K: Key, T> Partition<Keyed<K, T>> for ByKeyGroup {
    #[inline(always)]
    fn channel(&mut self, value: &Keyed<K, T>, _channels: usize) -> Result<usize> {
        let hash = value.hash.for_group();
        let group = if self.mask == 0 { hash % self.groups } else { hash & self.mask };
        let channel = usize::from(self.owners[group as usize]);
        if let Some((witness, sender)) = &self.witness {
            witness.routed(*sender, value.hash, channel);
        }
        Ok(channel)
    }
}
