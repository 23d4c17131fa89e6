//! Files as input and as output.

mod committer;
mod cut;
mod decode;
mod decode_csv;
mod encode;
mod find;
mod frame;
mod line_numbers;
mod part;
mod reader;
mod sink;
mod source;
mod undecodable;
mod writer;

pub use committer::FileCommitter;
pub use cut::FileSplit;
pub use decode::{Decode, JsonDecoder, LineDecoder};
pub use decode_csv::CsvDecoder;
pub use encode::{CsvEncoder, Encode, JsonEncoder, LineEncoder};
pub use frame::Framing;
pub use part::Part;
pub use reader::FileReader;
pub use sink::FileSink;
pub use source::FileSource;
pub use undecodable::DeadLetter;
pub use writer::FileWriter;
