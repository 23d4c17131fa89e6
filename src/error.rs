//! Tells the failures of a job apart: one small error type for everything after the plan was made.

use std::fmt;
use std::path::{Path, PathBuf};

use millstream_actors::error::{Failure, panic_message};

use crate::config::SettingError;
use crate::model::CodecError;
use crate::plan::PlanError;
use crate::state::StateError;

/// The error of a user's function, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong while a job was set up or ran. One pointer wide, since results travel with every record.
pub struct Error(Box<ErrorKind>);

/// The result of everything that can fail at run time.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The topology cannot be run as it is written.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An option that does not exist, or a value that it cannot have.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The job has failed for good.
    #[error(transparent)]
    Failed(Failure),
    /// A function given by the user returned an error.
    #[error("{operator}: {source}")]
    User {
        /// The operator the function was given to.
        operator: String,
        /// What it returned.
        source: BoxError,
    },
    /// A file or directory could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Input that cannot be decoded, from a source told to fail on it.
    #[error("{}: line {line} at byte {offset}: {detail}", path.display())]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The first byte of the line, counted from 0.
        offset: u64,
        /// The line of the file, counted from 1.
        line: u64,
        /// What the decoder said.
        detail: String,
    },
    /// Keyed state that could not be read, written or trusted.
    #[error(transparent)]
    State(#[from] StateError),
    /// A value that could not be encoded for a snapshot or decoded from one.
    #[error("state of {owner}: {source}")]
    Codec {
        /// The operator, source or sink whose value it is.
        owner: String,
        /// What the codec said.
        source: CodecError,
    },
    /// The subtask was killed in the middle of what it was emitting.
    #[error("was killed")]
    Killed,
    /// A function declares states that cannot be kept as it says.
    #[error("{operator}: {mistake}")]
    Declaration {
        /// The operator the function was given to.
        operator: String,
        /// What is wrong, and the fix.
        mistake: String,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The same, taken out of the error.
    pub(crate) fn into_kind(self) -> ErrorKind {
        *self.0
    }

    /// Wraps what a user's function in `operator` returned.
    #[cold]
    pub fn user(operator: &str, source: impl Into<BoxError>) -> Self {
        ErrorKind::User { operator: operator.to_owned(), source: source.into() }.into()
    }

    /// Wraps what the operating system said about `path`.
    #[cold]
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        ErrorKind::Io { path: path.as_ref().to_owned(), source }.into()
    }

    /// Wraps what the codec said about a value of `owner`.
    #[cold]
    pub fn codec(owner: &str, source: CodecError) -> Self {
        ErrorKind::Codec { owner: owner.to_owned(), source }.into()
    }

    /// A mistake in what a function of `operator` declares.
    #[cold]
    pub(crate) fn declaration(operator: &str, mistake: impl Into<String>) -> Self {
        ErrorKind::Declaration { operator: operator.to_owned(), mistake: mistake.into() }.into()
    }

    /// What `payload`, caught from a panic, says of `what` has panicked.
    #[cold]
    pub(crate) fn panicked(what: &str, payload: &(dyn std::any::Any + Send)) -> Self {
        Self::other(format!("{what} panicked: {}", panic_message(payload)))
    }

    /// The subtask was killed in the middle of what it was emitting; see [`Emit::is_killed`](crate::operator::Emit::is_killed).
    #[cold]
    #[must_use]
    pub fn killed() -> Self {
        ErrorKind::Killed.into()
    }

    /// An error in words.
    #[cold]
    pub fn other(message: impl Into<String>) -> Self {
        ErrorKind::Other(message.into()).into()
    }
}

impl From<ErrorKind> for Error {
    #[cold]
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<PlanError> for Error {
    #[cold]
    fn from(error: PlanError) -> Self {
        ErrorKind::Plan(error).into()
    }
}

impl From<SettingError> for Error {
    #[cold]
    fn from(error: SettingError) -> Self {
        ErrorKind::Setting(error).into()
    }
}

impl From<StateError> for Error {
    #[cold]
    fn from(error: StateError) -> Self {
        ErrorKind::State(error).into()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What `main` prints of an error that it returns.
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}
