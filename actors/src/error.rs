//! Says how parts of a running job fail.

use std::fmt;
use std::sync::Arc;

use crate::ids::SubtaskId;

/// An error that caused another one. It is shared, for a failure is kept and shown in several places.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a subtask, or the job around it, can't go on. Two failures are equal if they say the same, whatever caused them.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The subtask that failed; `None` if it was the coordinator or the deployment.
    pub subtask: Option<SubtaskId>,
    /// The operator, or the block if the operator is not known.
    pub operator: String,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened, in words.
    pub message: String,
    /// The error that caused it, if there is one: [`source`](std::error::Error::source) leads to it.
    pub cause: Option<Cause>,
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let said = |failure: &Self| (failure.subtask, failure.kind);
        said(self) == said(other) && self.operator == other.operator && self.message == other.message
    }
}

impl Eq for Failure {}

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
        Self { subtask: None, operator: operator.to_owned(), kind, message: message.into(), cause: None }
    }

    /// A failure of `subtask` in `operator`.
    pub fn of_subtask(subtask: SubtaskId, operator: &str, kind: FailureKind, message: impl Into<String>) -> Self {
        Self { subtask: Some(subtask), ..Self::of_job(operator, kind, message) }
    }

    /// The same, caused by `cause`.
    #[must_use]
    pub fn caused_by(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
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

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// An error of state, of a sink, or of the store of manifests, by what follows from it for the job. Its text is that of its
/// cause, and two are equal if they say the same.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SeamError {
    /// What is stored cannot be trusted, or not be read by this program: another attempt would find the same.
    Untrusted(Cause),
    /// It may be over at the next attempt: a disk that is full, a service that is away.
    Transient(Cause),
    /// What is deployed is wrong in itself: another attempt would deploy the same.
    Mistake(Cause),
}

impl SeamError {
    /// An error that may be over at the next attempt.
    pub fn transient(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transient(Cause::from(cause.into()))
    }

    /// Whether another attempt may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// The error that caused it.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        let (Self::Untrusted(cause) | Self::Transient(cause) | Self::Mistake(cause)) = self;
        cause
    }

    /// The failure of `operator` that follows from it, where a transient one is a failure of this `kind`.
    #[must_use]
    pub fn into_failure(self, operator: &str, kind: FailureKind) -> Failure {
        let kind = match self {
            Self::Untrusted(_) => FailureKind::Untrusted,
            Self::Transient(_) => kind,
            Self::Mistake(_) => FailureKind::Mistake,
        };
        Failure::of_job(operator, kind, self.to_string()).caused_by(Arc::clone(self.cause()))
    }
}

impl PartialEq for SeamError {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.to_string() == other.to_string()
    }
}

impl Eq for SeamError {}

impl fmt::Display for SeamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause(), f)
    }
}

impl std::error::Error for SeamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&**self.cause())
    }
}

/// The words of a caught panic.
#[must_use]
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;

    #[test]
    fn failure_says_its_message_and_leads_to_its_cause() {
        let full = SeamError::transient(io::Error::from(io::ErrorKind::StorageFull));
        let failure = full.clone().into_failure("counts", FailureKind::Checkpoint);
        assert_eq!(failure.to_string(), "counts: no storage space");
        let source = failure.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::StorageFull));
        let full_source = full.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert!(full_source.is_some());
    }

    #[test]
    fn what_follows_from_an_error_is_a_matter_of_its_kind() {
        let kind = |error: fn(Cause) -> SeamError| {
            let failure = error(Cause::from(Box::from("checksum"))).into_failure("counts", FailureKind::Checkpoint);
            (failure.kind, failure.allows_restart())
        };
        assert_eq!(kind(SeamError::Untrusted), (FailureKind::Untrusted, false));
        assert_eq!(kind(SeamError::Transient), (FailureKind::Checkpoint, true));
        assert_eq!(kind(SeamError::Mistake), (FailureKind::Mistake, false));
    }
}
