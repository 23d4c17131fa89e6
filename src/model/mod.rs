//! What travels and what is kept: records, keys, key groups and their encoding.

mod batch;
mod codec;
mod key;
mod key_group;
mod record;

pub use batch::{Keyed, RecordBatch};
pub use codec::{CodecError, decode, encode, encode_into};
pub use key::{Key, KeyHash, StableHasher, hash_key};
pub use key_group::{KeyGroup, KeyGroupRange, MaxParallelism, PARALLELISM_LIMIT, ParallelismError};
pub use record::{Data, Record};
