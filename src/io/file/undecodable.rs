//! Decides what becomes of lines that cannot be decoded.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::operator::{SideEmitter, SideOutput, SubtaskContext};

/// A line that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The file.
    pub path: PathBuf,
    /// The first byte of the line in the file, counted from 0.
    pub offset: u64,
    /// The line of the file, counted from 1.
    pub line: u64,
    /// The line without its end; what is not UTF-8 is replaced by `U+FFFD`. Of a line that is longer than allowed,
    /// the first 1,024 bytes.
    pub text: String,
    /// What the decoder said.
    pub error: String,
}

/// What a source does with lines that cannot be decoded.
#[derive(Debug, Clone, Default)]
pub(super) enum OnUndecodable {
    #[default]
    Fail,
    Skip,
    PutAside(SideOutput<DeadLetter>),
}

/// [`OnUndecodable`] inside one subtask.
pub(super) enum Undecodable {
    Fail,
    Skip,
    PutAside(SideEmitter<DeadLetter>),
}

impl OnUndecodable {
    pub(super) fn open(&self, context: &mut SubtaskContext) -> Undecodable {
        match self {
            Self::Fail => Undecodable::Fail,
            Self::Skip => Undecodable::Skip,
            Self::PutAside(letters) => Undecodable::PutAside(context.side(letters)),
        }
    }
}
