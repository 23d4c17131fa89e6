//! A table that records are looked up in, with a hash that is the same in every run.

use std::hash::BuildHasherDefault;

use hashbrown::HashMap;
use millstream::model::StableHasher;

/// A hash table.
pub(crate) type Lookup<K, V> = HashMap<K, V, BuildHasherDefault<StableHasher>>;
