//! Where records enter and leave: the traits of sources and sinks, and those that come with the library.

mod capture;
mod collect;
mod collection;
mod discard;
#[cfg(test)]
mod driver;
mod enumerator;
mod feed;
mod file;
mod for_each;
mod generator;
mod no_transactions;
mod numbered;
mod print;
mod queue;
mod random;
mod rate;
mod reader;
mod replaceable;
mod script;
mod sink;
mod source;
mod surroundings;
mod writer;

pub(crate) use capture::{Capture, Captures};
pub use capture::{Fate, Written};
pub use collect::{Collect, CollectCommitter, CollectWriter, Collected, Staged};
pub use collection::{Collection, Items, IterReader, IterSource, IterSplit, from_iter};
pub use discard::Discard;
pub use enumerator::SplitEnumerator;
pub(crate) use feed::{Feed, Feeds};
pub use file::{
    CsvDecoder, CsvEncoder, DeadLetter, Decode, Encode, FileCommitter, FileReader, FileSink, FileSource, FileSplit,
    FileWriter, Framing, JsonDecoder, JsonEncoder, LineDecoder, LineEncoder, Part,
};
pub use for_each::{ForEach, ForEachWriter, TryForEach, TryForEachWriter};
pub use generator::{FromNumber, FromSeed, Generator};
pub use no_transactions::NoTransactions;
pub use numbered::{MakeItem, NumberSplit, NumberedReader};
pub use print::{Print, PrintWriter};
pub use queue::SplitQueue;
pub use random::SplitMix64;
pub use rate::{AtRate, AtRateReader, RateLimit};
pub use reader::{ReadStatus, SourceReader, SplitProgress};
pub(crate) use replaceable::{EitherEnumerator, EitherReader, discover};
pub use script::{LanePosition, Lanes, Line, Script, ScriptReader};
pub use sink::{Committer, Sink};
pub use source::{Source, SplitNumber, SplitSchema, SplitSignal};
pub(crate) use surroundings::{Surroundings, Witness};
pub use writer::{Prepared, SinkWriter};
