//! Where records enter and leave: the traits of sources and sinks, and those that come with the library.

mod sink;
mod source;

pub use sink::{Committer, Prepared, Sink, SinkWriter};
pub use source::{ReadStatus, Source, SourceReader, SplitEnumerator};
