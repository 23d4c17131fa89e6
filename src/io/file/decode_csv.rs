//! Turns the rows of CSV files into records, by the names in their header.

use std::marker::PhantomData;

use csv::StringRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use serde::de::DeserializeOwned;

use super::{Decode, Framing};
use crate::model::Data;

/// Reads each row as a value whose fields are named by the file's header. Blank lines hold nothing.
pub struct CsvDecoder<T> {
    pub(super) delimiter: u8,
    pub(super) quotes_newlines: bool,
    parser: Box<Reader>,
    /// The text of a row, and where its fields end in it.
    text: Vec<u8>,
    ends: Vec<usize>,
    header: StringRecord,
    row: StringRecord,
    makes: PhantomData<fn() -> T>,
}

impl<T> CsvDecoder<T> {
    pub(super) fn new(delimiter: u8, quotes_newlines: bool) -> Self {
        // Rows come without their end, so a carriage return in them is part of a field.
        let parser = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self {
            delimiter,
            quotes_newlines,
            parser: Box::new(parser),
            text: vec![0; 1024],
            ends: vec![0; 64],
            header: StringRecord::new(),
            row: StringRecord::new(),
            makes: PhantomData,
        }
    }

    /// Cuts `line` into `self.row`.
    fn cut(&mut self, line: &[u8]) -> Result<(), String> {
        self.parser.reset();
        let fields = self.parse(line)?;
        self.row.clear();
        let mut start = 0;
        for (number, &end) in self.ends[..fields].iter().enumerate() {
            let field = str::from_utf8(&self.text[start..end]);
            self.row.push_field(field.map_err(|error| format!("field {}: {error}", number + 1))?);
            start = end;
        }
        Ok(())
    }

    /// Leaves the fields in `self.text` and `self.ends`, and says how many there are.
    fn parse(&mut self, line: &[u8]) -> Result<usize, String> {
        let (mut text, mut fields, mut rest) = (0, 0, line);
        let mut ended = false;
        loop {
            let (result, read, written, ends) =
                self.parser.read_record(rest, &mut self.text[text..], &mut self.ends[fields..]);
            (rest, text, fields) = (&rest[read..], text + written, fields + ends);
            match result {
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty if ended => {
                    return Err("a quoted field does not end in its row".to_owned());
                }
                ReadRecordResult::InputEmpty => (rest, ended) = (b"\n", true),
                ReadRecordResult::Record if ended => return Ok(fields),
                ReadRecordResult::Record | ReadRecordResult::End => return Err("more than one row".to_owned()),
            }
        }
    }
}

impl<T> Clone for CsvDecoder<T> {
    fn clone(&self) -> Self {
        Self::new(self.delimiter, self.quotes_newlines)
    }
}

impl<T: Data + DeserializeOwned> Decode for CsvDecoder<T> {
    type Out = T;

    fn framing(&self) -> Framing {
        match self.quotes_newlines {
            true => Framing::QuotedFields { delimiter: self.delimiter },
            false => Framing::Lines,
        }
    }

    fn has_header(&self) -> bool {
        true
    }

    fn header(&mut self, line: &[u8]) -> Result<(), String> {
        self.cut(line)?;
        std::mem::swap(&mut self.header, &mut self.row);
        Ok(())
    }

    fn decode(&mut self, line: &[u8]) -> Result<Option<T>, String> {
        if line.is_empty() {
            return Ok(None);
        }
        self.cut(line)?;
        let (expected, found) = (self.header.len(), self.row.len());
        if expected != found {
            return Err(format!("expected {expected} fields, found {found}"));
        }
        self.row.deserialize(Some(&self.header)).map(Some).map_err(|error| match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => match err.field().and_then(|at| self.header.get(at as usize)) {
                Some(name) => format!("field '{name}': {}", err.kind()),
                None => err.to_string(),
            },
            _ => error.to_string(),
        })
    }
}
