//! Turns lines into records: as text, or as JSON.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::Framing;
use crate::model::Data;

/// Turns the lines of a file into records.
pub trait Decode: Clone + Send + Sync + 'static {
    /// What it makes of a line.
    type Out: Data;

    /// Where lines end.
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    /// Whether the first line of each file is a header.
    fn has_header(&self) -> bool {
        false
    }

    /// Takes the header of the file whose lines come next.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn header(&mut self, line: &[u8]) -> Result<(), String> {
        let _ = line;
        Ok(())
    }

    /// Decodes one line, given without its end. `None` for a line that holds nothing.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn decode(&mut self, line: &[u8]) -> Result<Option<Self::Out>, String>;
}

/// Keeps each line as it is, empty ones too.
#[derive(Debug, Clone, Copy)]
pub struct LineDecoder;

impl Decode for LineDecoder {
    type Out = String;

    #[inline]
    fn decode(&mut self, line: &[u8]) -> Result<Option<String>, String> {
        match str::from_utf8(line) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Reads each line as a JSON value. Blank lines hold nothing.
pub struct JsonDecoder<T> {
    makes: PhantomData<fn() -> T>,
}

impl<T> JsonDecoder<T> {
    pub(super) fn new() -> Self {
        Self { makes: PhantomData }
    }
}

impl<T> Clone for JsonDecoder<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T: Data + DeserializeOwned> Decode for JsonDecoder<T> {
    type Out = T;

    #[inline]
    fn decode(&mut self, line: &[u8]) -> Result<Option<T>, String> {
        match serde_json::from_slice(line) {
            Ok(value) => Ok(Some(value)),
            Err(_) if line.trim_ascii().is_empty() => Ok(None),
            Err(error) => Err(without_line(&error)),
        }
    }
}

/// The decoder counts lines within one line, which says nothing.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    format!("{reason} at column {}", error.column())
}
