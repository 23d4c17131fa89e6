//! Says how parts of a running job fail.

use std::fmt;

use crate::ids::SubtaskId;

/// Why a subtask, or the job around it, can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The subtask that failed; `None` if it was the coordinator or the deployment.
    pub subtask: Option<SubtaskId>,
    /// The operator, or the block if the operator is not known.
    pub operator: String,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened, in words.
    pub message: String,
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// A function or an input or output returned an error.
    Error,
    /// A function panicked.
    Panic,
    /// The actor was killed.
    Killed,
    /// Checkpoints failed more often than is tolerated.
    Checkpoint,
    /// State on disk cannot be trusted: the job ends, since a restart would not help.
    Untrusted,
    /// The input cannot be decoded: the job ends, since a restart would read it again.
    Input,
    /// What is deployed is wrong in itself: the job ends, since a restart would deploy it again.
    Mistake,
}

impl Failure {
    /// A failure outside any subtask.
    pub fn of_job(operator: &str, kind: FailureKind, message: impl Into<String>) -> Self {
        Self { subtask: None, operator: operator.to_owned(), kind, message: message.into() }
    }

    /// A failure of `subtask` in `operator`.
    pub fn of_subtask(subtask: SubtaskId, operator: &str, kind: FailureKind, message: impl Into<String>) -> Self {
        Self { subtask: Some(subtask), operator: operator.to_owned(), kind, message: message.into() }
    }

    /// Whether a restart from the latest checkpoint may help.
    #[must_use]
    pub fn allows_restart(&self) -> bool {
        !matches!(self.kind, FailureKind::Untrusted | FailureKind::Input | FailureKind::Mistake)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subtask {
            Some(subtask) => write!(f, "subtask {subtask} of '{}': ", self.operator)?,
            None => write!(f, "{}: ", self.operator)?,
        }
        match self.kind {
            FailureKind::Panic => write!(f, "panicked: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}

/// The words of a caught panic.
#[must_use]
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
