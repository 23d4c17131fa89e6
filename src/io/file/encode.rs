//! Turns records into the bytes of a file.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::error::BoxError;

/// Encodes records into a buffer of its own, from where they go to a file.
pub trait Encode<T>: Default + Send + 'static {
    /// What the names of its files end in.
    const EXTENSION: &'static str;

    /// Hears that what comes next is the start of a file. The buffer is empty.
    fn start_file(&mut self) {}

    /// Appends one record to the buffer.
    ///
    /// # Errors
    /// If the record cannot be encoded. The buffer may then hold a part of it.
    fn encode(&mut self, value: &T) -> Result<(), BoxError>;

    /// What is in the buffer.
    fn encoded(&self) -> &[u8];

    /// Empties the buffer.
    fn clear(&mut self);
}

/// Writes each record as one line, as [`Display`] shows it.
#[derive(Debug, Default)]
pub struct LineEncoder {
    buffer: Vec<u8>,
}

impl<T: Display> Encode<T> for LineEncoder {
    const EXTENSION: &'static str = "txt";

    #[inline]
    fn encode(&mut self, value: &T) -> Result<(), BoxError> {
        Ok(writeln!(self.buffer, "{value}")?)
    }

    fn encoded(&self) -> &[u8] {
        &self.buffer
    }

    fn clear(&mut self) {
        self.buffer.clear();
    }
}

/// Writes each record as one line of JSON.
#[derive(Debug, Default)]
pub struct JsonEncoder {
    buffer: Vec<u8>,
}

impl<T: Serialize> Encode<T> for JsonEncoder {
    const EXTENSION: &'static str = "jsonl";

    #[inline]
    fn encode(&mut self, value: &T) -> Result<(), BoxError> {
        serde_json::to_writer(&mut self.buffer, value)?;
        self.buffer.push(b'\n');
        Ok(())
    }

    fn encoded(&self) -> &[u8] {
        &self.buffer
    }

    fn clear(&mut self) {
        self.buffer.clear();
    }
}

/// Writes each record as a row of CSV, below a header with the names of its fields, if they have names.
pub struct CsvEncoder {
    rows: csv::Writer<Vec<u8>>,
}

impl CsvEncoder {
    fn rows(below_header: bool) -> csv::Writer<Vec<u8>> {
        csv::WriterBuilder::new().has_headers(!below_header).from_writer(Vec::new())
    }
}

impl Default for CsvEncoder {
    fn default() -> Self {
        Self { rows: Self::rows(false) }
    }
}

impl<T: Serialize> Encode<T> for CsvEncoder {
    const EXTENSION: &'static str = "csv";

    fn start_file(&mut self) {
        self.rows = Self::rows(false);
    }

    fn encode(&mut self, value: &T) -> Result<(), BoxError> {
        self.rows.serialize(value)?;
        Ok(self.rows.flush()?)
    }

    fn encoded(&self) -> &[u8] {
        self.rows.get_ref()
    }

    fn clear(&mut self) {
        self.rows = Self::rows(true);
    }
}
